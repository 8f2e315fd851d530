//! The log on this machine: a directory of segments.
//!
//! Opening, in order:
//! 1. Lock the directory; read the mark; list segments by first offset.
//! 2. Walk every segment; each must begin where the one before ended, and all but the last must be sealed.
//! 3. Judge the end of the last one ([`judge`](crate::evidence::judge)); refuse if anything proven durable is missing.
//! 4. Copy a torn tail to `quarantine-…`, sync it; overwrite the tail with zeros.
//! 5. Write what is not proven durable again, byte for byte, and sync: nothing is served before it is durable.
//! 6. Write the mark anew.

use crate::found::{Found, beside_a_writer, find, find_from, find_quickly};
use crate::frame::{Epoch, Frame, FrameKind, Lineage, Position, StoredFrame};
use crate::log::{
    ClaimError, CommitLog, CommitLogWriter, ReadError, Receipt, Resolution, Room, Standing, Tail, TrimError,
    standing_among,
};
use crate::mark::MarkFile;
use crate::planted::{self, Bug};
use crate::repair::{remove_spares, repair_tail};
use crate::salvage::{self, Salvage};
use crate::segment::{FORMAT_VERSION, LogId, SEGMENT_HEADER_SIZE, SegmentHeader, Stop, Walk, is_segment_name, salt};
use crate::spare::{Spare, create_segment};
use crate::storage::Storage;
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
    /// What was wrong with the mark, if something was. It is written anew.
    pub mark: Option<String>,
}

/// Why a log was not opened. Its files are as they were.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the log is in use by another process")]
    InUse,
    /// It was written by a newer version.
    #[error("file {segment} has format {found}, this version reads up to {FORMAT_VERSION}")]
    NewerFormat {
        /// The name of the segment, or of the mark.
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
    /// Byte up to which the file of the last segment has its space.
    pub(crate) reserved: u64,
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
    /// The counter of the next mark.
    pub(crate) mark_counter: u64,
    /// Count of offsets that the newest mark proves durable.
    pub(crate) marked: u64,
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
        let header = found.segments.last().expect("invariant: a found log has a segment");
        report.mark = found.marks.finding(header, found.tail.position > Position(0)).map(|finding| finding.to_string());
        let counter = found.marks.renew(&storage, header.log_id, &found.tail).map_err(io_error("writing the mark"))?;
        let options = OpenOptions { segment_size: options.segment_size.max(MIN_SEGMENT_SIZE), ..options };
        Ok((Self::assemble(storage, options, (found, counter), Some(lock)), report))
    }

    /// Opens the log for reading, also one that another process appends to. Changes nothing; sees the valid prefix.
    ///
    /// # Errors
    /// [`OpenError`], also if there is no log.
    pub fn open_read_only(storage: S) -> Result<Self, OpenError> {
        let found = beside_a_writer(|| find(&storage))?;
        Ok(Self::read_only(storage, found))
    }

    /// As [`open_read_only`](Self::open_read_only), but only the segments from the one on that holds offset `from`: those before it
    /// are not looked at, and as if they had been given up.
    ///
    /// # Errors
    /// [`OpenError`], also if there is no log.
    pub fn open_read_only_from(storage: S, from: u64) -> Result<Self, OpenError> {
        let found = beside_a_writer(|| find_from(&storage, from))?;
        Ok(Self::read_only(storage, found))
    }

    /// As [`open_read_only`](Self::open_read_only), without reading all of it first: of all segments but the last only the header is
    /// looked at. What is read of them is checked then.
    ///
    /// # Errors
    /// [`OpenError`], also if there is no log.
    pub fn open_read_only_quickly(storage: S) -> Result<Self, OpenError> {
        let found = beside_a_writer(|| find_quickly(&storage))?;
        Ok(Self::read_only(storage, found))
    }

    /// Opens what stands before the first damage, for reading; `None` if nothing does. Changes nothing.
    ///
    /// # Errors
    /// [`OpenError::Io`] or [`OpenError::NewerFormat`]: neither is damage.
    pub fn open_front(storage: S) -> Result<Option<Self>, OpenError> {
        let Some(Salvage { whole: mut segments, cut, tail, .. }) = salvage::plan(&storage, Position(0))? else {
            return Ok(None);
        };
        segments.extend(cut.map(|(header, _)| header));
        let (byte, sealed) = cut.map_or((0, true), |(_, byte)| (byte, false));
        let marks = MarkFile::read(&storage).map_err(io_error("reading the mark"))?;
        Ok(Some(Self::read_only(
            storage,
            Found { segments, tail, byte, sealed, cut: None, unproven_from: byte, marks },
        )))
    }

    fn read_only(storage: S, found: Found) -> Self {
        let first = found.segments[0];
        let options = OpenOptions { segment_size: 0, log_id: first.log_id, lineage: first.lineage, salt_seed: [0; 16] };
        Self::assemble(storage, options, (found, 0), None)
    }

    fn assemble(storage: S, options: OpenOptions, (found, mark_counter): (Found, u64), lock: Option<S::Lock>) -> Self {
        let Found { segments, tail, byte, sealed, .. } = found;
        let office = Arc::default();
        let epoch = tail.epoch;
        let (spare, failed) = (Spare::None, None);
        let (reserved, mid_transaction) = (0, false);
        let marked = tail.next_offset;
        let shared = Shared {
            segments,
            tail,
            epoch,
            byte,
            reserved,
            sealed,
            mid_transaction,
            spare,
            failed,
            office,
            mark_counter,
            marked,
        };
        Self { storage, options, shared: Arc::new(Mutex::new(shared)), writable: lock.is_some(), _lock: lock }
    }

    /// Takes the first segment off the list, if all of its frames stand before `up_to`. Its file goes without the lock, for
    /// which commits would wait.
    fn forget_segment(&self, up_to: Position) -> Option<SegmentHeader> {
        let mut shared = lock(&self.shared);
        let may_go = shared.segments.get(1).is_some_and(|second| second.first_frame <= up_to);
        may_go.then(|| shared.segments.remove(0))
    }

    /// Where its files are.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    pub(crate) fn segment_size(&self) -> u64 {
        self.options.segment_size
    }

    /// Names it, whatever happens to its history.
    pub fn log_id(&self) -> LogId {
        lock(&self.shared).segments[0].log_id
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
        self.read_at(from, 0)
    }

    fn read_at(&self, from: Position, byte: u64) -> Result<LocalFrames<S>, ReadError> {
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
            byte,
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

    fn trim(&self, up_to: Position) -> Result<(), TrimError> {
        let end = lock(&self.shared).tail.position;
        if up_to > end {
            return Err(TrimError::Regressed { asked: up_to, end });
        }
        while let Some(first) = self.forget_segment(up_to) {
            let segment = first.name();
            // Before the next one goes, the last one must be gone for good: a gap would be a missing segment.
            let sync = || if planted::is(Bug::TrimUnsynced) { Ok(()) } else { self.storage.sync_directory() };
            let removed = sync().and_then(|()| self.storage.remove(&segment));
            if removed.is_err() {
                lock(&self.shared).segments.insert(0, first);
            }
            let removed = removed.and_then(|()| sync());
            removed.map_err(|source| {
                // A directory that cannot be synced is as bad as a segment that cannot: the writer ends too.
                lock(&self.shared).failed = Some(source.to_string());
                TrimError::Io { segment, source }
            })?;
        }
        Ok(())
    }

    fn tail(&self) -> Tail {
        lock(&self.shared).tail
    }

    fn standing(&self, receipt: &Receipt) -> Result<Standing, ReadError> {
        let segments = self.segments();
        let first = segments[0];
        if planted::is(Bug::EveryReceiptHeld) {
            return Ok(Standing::Held);
        }
        if receipt.next_offset > self.tail().next_offset {
            return Ok(Standing::Diverged);
        }
        // The frame stands in the last segment that begins before its last offset is complete.
        let start = segments.iter().rfind(|segment| segment.first_offset < receipt.next_offset).unwrap_or(&first);
        standing_among(self.read(start.first_frame)?, receipt, first.first_frame > Position(0))
    }

    fn room(&self) -> Option<Room> {
        let shared = lock(&self.shared);
        let segment = self.options.segment_size.saturating_sub(SEGMENT_HEADER_SIZE as u64);
        let end = if shared.sealed { 0 } else { shared.reserved.min(self.options.segment_size) };
        let spare = matches!(shared.spare, Spare::Ready(_)).then_some(segment);
        Some(Room { open: end.saturating_sub(shared.byte), spare, segment })
    }
}

/// Frames of a log, read from its files.
pub struct LocalFrames<S: Storage> {
    storage: S,
    segments: Vec<SegmentHeader>,
    next: usize,
    walk: Option<Walk<S::File>>,
    from: Position,
    /// Where it is said to stand in the first segment.
    byte: u64,
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
                let goes_on = self.segments.get(self.next).is_some_and(|next| next.follows(&walk.tail()));
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
            let file = self.storage.open(&header.name()).map_err(|source| self.trimmed(header, failed(source)))?;
            let byte = std::mem::take(&mut self.byte);
            self.walk = Some(Walk::new_at(file, *header, (self.from, byte), self.epoch)?);
            self.next += 1;
        }
    }
}

impl<S: Storage> LocalFrames<S> {
    /// What it means that a segment cannot be opened: if it is gone, and all before it, and a later one is there, it was given
    /// up meanwhile.
    fn trimmed(&self, header: &SegmentHeader, failed: ReadError) -> ReadError {
        let ReadError::Io { source, .. } = &failed else { return failed };
        let names = if source.kind() == io::ErrorKind::NotFound { self.storage.list() } else { Ok(Vec::new()) };
        let first = names.unwrap_or_default().into_iter().filter(|name| is_segment_name(name)).min();
        let first = self.segments[self.next..].iter().find(|segment| Some(segment.name()) == first);
        first.map_or(failed, |first| ReadError::Trimmed { asked: header.first_frame, first: first.first_frame })
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
        marks: MarkFile::read(storage).map_err(io_error("reading the mark"))?,
    })
}
