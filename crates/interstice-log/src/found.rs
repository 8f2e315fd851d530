//! Finding a log: every segment is walked, each must begin where the one before ended, and the evidence at the end of the last
//! one says what is torn and what is missing.

use crate::evidence::{Evidence, Verdict, judge};
use crate::frame::Epoch;
use crate::local::{OpenError, io_error};
use crate::log::Tail;
use crate::segment::{Behind, HeaderFault, SegmentHeader, Stop, Walk, is_segment_name, read_header};
use crate::storage::{Storage, StorageFile};

/// A log found by walking its files.
pub(crate) struct Found {
    pub(crate) segments: Vec<SegmentHeader>,
    pub(crate) tail: Tail,
    /// Byte behind the last whole transaction of the last segment.
    pub(crate) byte: u64,
    pub(crate) sealed: bool,
    /// From and to which byte of the last segment a torn tail stands.
    pub(crate) cut: Option<(u64, u64)>,
    /// Where the frames of the last segment begin that nothing proves durable.
    pub(crate) unproven_from: u64,
}

/// Finds a log that a writer may be appending to: a second look tells its work in progress from damage.
pub(crate) fn find_beside_a_writer<S: Storage>(storage: &S) -> Result<Option<Found>, OpenError> {
    /// Looks before a fault is believed.
    const LOOKS: usize = 3;
    for _ in 1..LOOKS {
        if let Ok(found) = find(storage) {
            return Ok(found);
        }
    }
    find(storage)
}

/// Finds a log and walks all of it.
pub(crate) fn find<S: Storage>(storage: &S) -> Result<Option<Found>, OpenError> {
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
