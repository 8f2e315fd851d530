//! The log on this machine: a directory of segments.
//!
//! Opening, in order:
//! 1. Lock the directory; list segments by first offset.
//! 2. Walk every segment; each must begin where the one before ended, and all but the last must be sealed.
//! 3. Judge the end of the last one ([`judge`]); refuse if anything proven durable is missing.
//! 4. Copy a torn tail to `quarantine-…`, sync it; overwrite the tail with zeros.
//! 5. Write what is not proven durable again, byte for byte, and sync: nothing is served before it is durable.

use crate::evidence::{Evidence, Verdict, judge};
use crate::frame::{Epoch, Frame, FrameKind, Lineage, Position, StoredFrame};
use crate::log::{ClaimError, CommitLog, CommitLogWriter, ReadError, Resolution, Tail, TrimError};
use crate::repair::{remove_spares, repair_tail};
use crate::segment::{
    Behind, FORMAT_VERSION, HeaderFault, LogId, SEGMENT_HEADER_SIZE, SegmentHeader, Stop, Walk, is_segment_name,
    read_header, salt,
};
use crate::spare::{Spare, create_segment};
use crate::storage::{Storage, StorageFile};
use crate::writer::{LocalWriter, OpenSegment};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Size at which a segment is sealed, unless asked otherwise.
pub const DEFAULT_SEGMENT_SIZE: u64 = 64 << 20;
/// Smallest size at which a segment may be sealed.
pub const MIN_SEGMENT_SIZE: u64 = 32 << 10;

/// How to open a log.
#[derive(Debug, Clone, Copy)]
pub struct OpenOptions {
    /// Size at which a segment is sealed; at least [`MIN_SEGMENT_SIZE`].
    pub segment_size: u64,
    /// The id of a log that is made now.
    pub log_id: LogId,
    /// The history of a log that is made now.
    pub lineage: Lineage,
    /// Sixteen fresh random bytes: the salts of new segments come from it.
    pub salt_seed: [u8; 16],
}

/// What opening found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Whether the log was made now.
    pub created: bool,
    /// Bytes that were cut, never acknowledged.
    pub torn_tail_bytes: u64,
    /// The file that holds them now.
    pub quarantine: Option<String>,
}

/// Why a log was not opened. Its files are as they were.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the log is in use by another process")]
    InUse,
    /// It was written by a newer version.
    #[error("segment {segment} has format {found}, this version reads up to {FORMAT_VERSION}")]
    NewerFormat {
        /// The segment's name.
        segment: String,
        /// Its format.
        found: u32,
    },
    /// Something that was proven durable is missing.
    #[error("segment {segment} is corrupt at byte {byte} (offset {offset}): {reason}; {evidence}")]
    Corrupt {
        /// The segment's name.
        segment: String,
        /// Where in it.
        byte: u64,
        /// The first offset that is missing.
        offset: u64,
        /// What is wrong.
        reason: String,
        /// What proves that more was there.
        evidence: String,
    },
    /// The storage failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the storage says.
        source: io::Error,
    },
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io { segment, source } => Self::Io { what: format!("reading segment {segment}"), source },
            other => panic!("invariant: a walk fails only in the storage, not with: {other}"),
        }
    }
}

/// The log on this machine.
pub struct LocalLog<S: Storage> {
    storage: S,
    options: OpenOptions,
    pub(crate) shared: Arc<Mutex<Shared>>,
    /// `None` if the log was opened for reading.
    _lock: Option<S::Lock>,
    writable: bool,
}

/// What the log and its writer both know.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Segments in order; the last one is open.
    pub(crate) segments: Vec<SegmentHeader>,
    /// The durable end.
    pub(crate) tail: Tail,
    /// The writer in office.
    pub(crate) epoch: Epoch,
    /// Byte behind the last durable frame of the last segment.
    pub(crate) byte: u64,
    /// Whether the last segment ends in a footer.
    pub(crate) sealed: bool,
    /// Whether the last durable frame is a part with others to follow.
    pub(crate) mid_transaction: bool,
    /// The file of the next segment, if it is made ahead.
    pub(crate) spare: Spare,
    /// Set once a write or sync has failed.
    pub(crate) failed: Option<String>,
    /// Held while bytes of the open segment are written, and while its writer is replaced.
    pub(crate) office: Arc<Mutex<()>>,
}

/// A log found by walking its files.
pub(crate) struct Found {
    pub(crate) segments: Vec<SegmentHeader>,
    tail: Tail,
    /// Byte behind the last whole transaction of the last segment.
    pub(crate) byte: u64,
    pub(crate) sealed: bool,
    /// From and to which byte of the last segment a torn tail stands.
    pub(crate) cut: Option<(u64, u64)>,
    /// Where the frames of the last segment begin that nothing proves durable.
    pub(crate) unproven_from: u64,
}

impl<S: Storage> LocalLog<S> {
    /// Opens the log for appending, or makes it.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(storage: S, options: OpenOptions) -> Result<(Self, OpenReport), OpenError> {
        let lock = storage.try_lock().map_err(io_error("locking the log"))?.ok_or(OpenError::InUse)?;
        let mut report = OpenReport::default();
        let found = if let Some(found) = find(&storage)? {
            repair_tail(&storage, &found, &mut report)?;
            remove_spares(&storage).map_err(io_error("removing unfinished segments"))?;
            found
        } else {
            report.created = true;
            create(&storage, &options)?
        };
        let options = OpenOptions { segment_size: options.segment_size.max(MIN_SEGMENT_SIZE), ..options };
        Ok((Self::assemble(storage, options, found, Some(lock)), report))
    }

    /// Opens the log for reading, also one that another process appends to. Changes nothing; sees the valid prefix.
    ///
    /// # Errors
    /// [`OpenError`], also if there is no log.
    pub fn open_read_only(storage: S) -> Result<Self, OpenError> {
        let missing = || OpenError::Io { what: "looking for a log".to_owned(), source: io::ErrorKind::NotFound.into() };
        let found = find_beside_a_writer(&storage)?.ok_or_else(missing)?;
        let first = found.segments[0];
        let options = OpenOptions { segment_size: 0, log_id: first.log_id, lineage: first.lineage, salt_seed: [0; 16] };
        Ok(Self::assemble(storage, options, found, None))
    }

    fn assemble(storage: S, options: OpenOptions, found: Found, lock: Option<S::Lock>) -> Self {
        let Found { segments, tail, byte, sealed, .. } = found;
        let office = Arc::default();
        let epoch = tail.epoch;
        let (spare, failed) = (Spare::None, None);
        let shared = Shared { segments, tail, epoch, byte, sealed, mid_transaction: false, spare, failed, office };
        Self { storage, options, shared: Arc::new(Mutex::new(shared)), writable: lock.is_some(), _lock: lock }
    }

    /// Where its files are.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The segments there are.
    pub fn segments(&self) -> Vec<SegmentHeader> {
        lock(&self.shared).segments.clone()
    }
}

impl<S: Storage> CommitLog for LocalLog<S> {
    type Writer = LocalWriter<S>;
    type Frames = LocalFrames<S>;

    fn read(&self, from: Position) -> Result<LocalFrames<S>, ReadError> {
        let shared = lock(&self.shared);
        let first = shared.segments[0].first_frame;
        if from < first {
            return Err(ReadError::Trimmed { asked: from, first });
        }
        if from > shared.tail.position {
            return Err(ReadError::Regressed { asked: from, end: shared.tail.position });
        }
        let start = shared.segments.iter().rposition(|segment| segment.first_frame <= from).unwrap_or(0);
        let segments = shared.segments[start..].to_vec();
        Ok(LocalFrames {
            storage: self.storage.clone(),
            segments,
            next: 0,
            walk: None,
            from,
            end: shared.tail.position,
            epoch: Epoch(0),
        })
    }

    fn claim(&mut self, expected: Position, epoch: Epoch) -> Result<LocalWriter<S>, ClaimError> {
        if !self.writable {
            return Err(ClaimError::NotWritable { reason: "it was opened for reading".to_owned() });
        }
        let office = Arc::clone(&lock(&self.shared).office);
        let (segment, tail, sealed) = {
            // A writer that is writing right now finishes first; the next time it looks, it is replaced.
            let _held = office.lock().unwrap_or_else(PoisonError::into_inner);
            let mut shared = lock(&self.shared);
            if let Some(reason) = &shared.failed {
                return Err(ClaimError::NotWritable { reason: reason.clone() });
            }
            if shared.tail.position != expected {
                return Err(ClaimError::WrongTail { expected, found: shared.tail.position });
            }
            if epoch <= shared.epoch {
                return Err(ClaimError::OldEpoch { asked: epoch, last: shared.epoch });
            }
            shared.epoch = epoch;
            let header = *shared.segments.last().expect("invariant: a log has a segment");
            (OpenSegment { header, byte: shared.byte }, shared.tail, shared.sealed)
        };
        let failed = |reason: String| ClaimError::Failed { reason };
        let storage = self.storage.clone();
        let mut writer = LocalWriter::new(
            storage,
            self.options,
            Arc::clone(&self.shared),
            (segment, sealed),
            Tail { epoch, ..tail },
        )
        .map_err(|error| failed(error.to_string()))?;
        writer.append(expected, &Frame::marker(FrameKind::Epoch, tail.next_offset));
        match writer.settle().pop() {
            Some((_, Resolution::Durable(_))) => Ok(writer),
            other => Err(failed(format!("{other:?}"))),
        }
    }

    fn trim(&mut self, up_to: Position) -> Result<(), TrimError> {
        let mut shared = lock(&self.shared);
        if up_to > shared.tail.position {
            return Err(TrimError::Regressed { asked: up_to, end: shared.tail.position });
        }
        while shared.segments.len() > 1 && shared.segments[1].first_frame <= up_to {
            let name = shared.segments[0].name();
            let removed = self.storage.remove(&name).and_then(|()| self.storage.sync_directory());
            removed.map_err(|source| TrimError::Io { segment: name, source })?;
            shared.segments.remove(0);
        }
        Ok(())
    }

    fn tail(&self) -> Tail {
        lock(&self.shared).tail
    }
}

/// Frames of a log, read from its files.
pub struct LocalFrames<S: Storage> {
    storage: S,
    segments: Vec<SegmentHeader>,
    next: usize,
    walk: Option<Walk<S::File>>,
    from: Position,
    end: Position,
    epoch: Epoch,
}

impl<S: Storage> LocalFrames<S> {
    fn advance(&mut self) -> Result<Option<StoredFrame>, ReadError> {
        loop {
            if let Some(walk) = &mut self.walk {
                if walk.tail().position >= self.end {
                    return Ok(None);
                }
                if let Some(frame) = walk.next_frame()? {
                    self.epoch = frame.epoch;
                    if frame.position >= self.from {
                        return Ok(Some(frame));
                    }
                    continue;
                }
                let goes_on = self.segments.get(self.next).is_some_and(|next| next.start(self.epoch) == walk.tail());
                if walk.stop() != Some(&Stop::Sealed) || !goes_on {
                    let segment = self.segments[self.next - 1].name();
                    let reason = match walk.stop() {
                        Some(Stop::Invalid { reason }) => reason.clone(),
                        _ => format!("the segment ends before frame {}", self.end.0),
                    };
                    return Err(ReadError::Corrupt { segment, byte: walk.byte(), reason });
                }
            }
            let Some(header) = self.segments.get(self.next) else { return Ok(None) };
            let failed = |source| ReadError::Io { segment: header.name(), source };
            let file = self.storage.open(&header.name()).map_err(failed)?;
            self.walk = Some(Walk::new(file, *header, self.epoch).map_err(failed)?);
            self.next += 1;
        }
    }
}

impl<S: Storage> Iterator for LocalFrames<S> {
    type Item = Result<StoredFrame, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.advance().transpose();
        if let Some(Err(_)) = item {
            (self.walk, self.next) = (None, self.segments.len());
        }
        item
    }
}

pub(crate) fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn io_error(what: &str) -> impl FnOnce(io::Error) -> OpenError + '_ {
    move |source| OpenError::Io { what: what.to_owned(), source }
}

fn create<S: Storage>(storage: &S, options: &OpenOptions) -> Result<Found, OpenError> {
    let header = SegmentHeader {
        log_id: options.log_id,
        lineage: options.lineage,
        first_offset: 0,
        first_frame: Position(0),
        chain: [0; 32],
        salt: salt(&options.salt_seed, Position(0)),
    };
    create_segment(storage, &header, options.segment_size).map_err(io_error("making the first segment"))?;
    let byte = SEGMENT_HEADER_SIZE as u64;
    Ok(Found {
        segments: vec![header],
        tail: header.start(Epoch(0)),
        byte,
        sealed: false,
        cut: None,
        unproven_from: byte,
    })
}

/// Finds a log that a writer may be appending to: a second look tells its work in progress from damage.
fn find_beside_a_writer<S: Storage>(storage: &S) -> Result<Option<Found>, OpenError> {
    /// Looks before a fault is believed.
    const LOOKS: usize = 3;
    for _ in 1..LOOKS {
        if let Ok(found) = find(storage) {
            return Ok(found);
        }
    }
    find(storage)
}

fn find<S: Storage>(storage: &S) -> Result<Option<Found>, OpenError> {
    let mut names = storage.list().map_err(io_error("listing the log"))?;
    names.retain(|name| is_segment_name(name));
    names.sort();
    let mut found: Option<Found> = None;
    for (number, name) in names.iter().enumerate() {
        found = Some(walk_segment(storage, name, found, number + 1 < names.len())?);
    }
    Ok(found)
}

fn walk_segment<S: Storage>(
    storage: &S,
    name: &str,
    before: Option<Found>,
    has_successor: bool,
) -> Result<Found, OpenError> {
    let expected = before.as_ref().map(|found| found.tail);
    let (header, mut walk) = begin_walk(storage, name, expected)?;
    if before.as_ref().and_then(|found| found.segments.last()).is_some_and(|last| last.log_id != header.log_id) {
        let (reason, evidence) = ("the segment belongs to another log".to_owned(), "its log id".to_owned());
        return Err(OpenError::Corrupt {
            segment: name.to_owned(),
            byte: 0,
            offset: header.first_offset,
            reason,
            evidence,
        });
    }
    let mut boundary = Boundary { byte: walk.byte(), tail: walk.tail(), whole: true };
    let mut starts = Vec::new();
    while let Some(frame) = walk.next_frame()? {
        starts.push((frame.frame.first_offset, boundary.byte));
        boundary.whole = frame.frame.last_part;
        if boundary.whole {
            (boundary.byte, boundary.tail) = (walk.byte(), walk.tail());
        }
    }
    if let Some(Stop::Newer(version)) = walk.stop() {
        return Err(OpenError::NewerFormat { segment: name.to_owned(), found: u32::from(*version) });
    }
    let behind = walk.behind()?;
    let behind = Behind { durable: behind.durable.max(walk.synced_through()).max(header.first_offset), ..behind };
    let durable = behind.durable;
    let cut = end_of_segment(&walk, &boundary, (name, has_successor), behind)?;
    let unproven = starts.iter().find(|(first_offset, _)| *first_offset >= durable);
    let mut segments = before.map(|found| found.segments).unwrap_or_default();
    segments.push(header);
    Ok(Found {
        segments,
        tail: boundary.tail,
        byte: boundary.byte,
        sealed: walk.stop() == Some(&Stop::Sealed) && cut.is_none(),
        cut,
        unproven_from: unproven.map_or(boundary.byte, |(_, byte)| *byte),
    })
}

/// The last place at which a transaction ended.
struct Boundary {
    byte: u64,
    tail: Tail,
    /// Whether the last valid frame ended one.
    whole: bool,
}

/// Checks the segment's header against the end of the one before, and starts behind it.
fn begin_walk<S: Storage>(
    storage: &S,
    name: &str,
    expected: Option<Tail>,
) -> Result<(SegmentHeader, Walk<S::File>), OpenError> {
    let file = storage.open(name).map_err(io_error("opening a segment"))?;
    let corrupt = |reason: &str, evidence: &str| OpenError::Corrupt {
        segment: name.to_owned(),
        byte: 0,
        offset: expected.map_or(0, |tail| tail.next_offset),
        reason: reason.to_owned(),
        evidence: evidence.to_owned(),
    };
    let header = match read_header(&file, name)? {
        Ok(header) => header,
        Err(HeaderFault::Newer(found)) => return Err(OpenError::NewerFormat { segment: name.to_owned(), found }),
        Err(HeaderFault::Invalid) => {
            let reason = "the segment header's checksum does not hold";
            return Err(corrupt(reason, "a segment gets its name after its header is synced"));
        }
    };
    if header.name() != name || expected.is_some_and(|tail| header.start(tail.epoch) != tail) {
        let reason = "the segment does not begin where the one before ends";
        return Err(corrupt(reason, "a segment is missing or has another one's name"));
    }
    let epoch = expected.map_or(Epoch(0), |tail| tail.epoch);
    let walk = Walk::new(file, header, epoch).map_err(io_error("opening a segment"))?;
    Ok((header, walk))
}

/// What is to be cut behind the last whole transaction, from and to which byte.
fn end_of_segment<F: StorageFile>(
    walk: &Walk<F>,
    boundary: &Boundary,
    (name, has_successor): (&str, bool),
    behind: Behind,
) -> Result<Option<(u64, u64)>, OpenError> {
    let (valid, durable) = (boundary.tail.next_offset, behind.durable);
    let sealed = walk.stop() == Some(&Stop::Sealed);
    let clean_stop = sealed || walk.stop() == Some(&Stop::CleanEnd) && behind.used_to == walk.byte();
    let evidence = Evidence { has_successor, clean_stop, sealed, whole: boundary.whole, valid, durable };
    match judge(&evidence) {
        Verdict::Clean => return Ok(None),
        Verdict::Torn => return Ok(Some((boundary.byte, behind.used_to))),
        Verdict::Corrupt => {}
    }
    let reason = match walk.stop() {
        Some(Stop::Invalid { reason }) => reason.clone(),
        _ => "the segment ends before it should".to_owned(),
    };
    let evidence = if has_successor {
        "a later segment is there".to_owned()
    } else {
        format!("{durable} transactions were proven durable, {valid} are valid")
    };
    let (byte, offset) = (walk.byte(), walk.tail().next_offset);
    Err(OpenError::Corrupt { segment: name.to_owned(), byte, offset, reason, evidence })
}
