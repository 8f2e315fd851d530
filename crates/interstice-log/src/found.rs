//! Finding a log: the mark is read, every segment is walked, each must begin where the one before ended, and the evidence at
//! the end of the last one says what is torn and what is missing.

use crate::evidence::{Evidence, Proven, Verdict, judge};
use crate::frame::{Epoch, FrameKind};
use crate::local::{OpenError, io_error};
use crate::log::Tail;
use crate::mark::{MARK_NAME, Mark, MarkFile};
use crate::planted::{self, Bug};
use crate::segment::{Behind, HeaderFault, SegmentHeader, Stop, Walk, is_segment_name, read_header, segment_name};
use crate::storage::{Storage, StorageFile};
use std::io;

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
    pub(crate) marks: MarkFile,
}

/// What `look` finds of a log that a writer may be appending to: a second look tells its work in progress from damage.
pub(crate) fn beside_a_writer(look: impl Fn() -> Result<Option<Found>, OpenError>) -> Result<Found, OpenError> {
    /// Looks before a fault is believed.
    const LOOKS: usize = 3;
    let missing = || OpenError::Io { what: "looking for a log".to_owned(), source: io::ErrorKind::NotFound.into() };
    for _ in 1..LOOKS {
        if let Ok(found) = look() {
            return found.ok_or_else(missing);
        }
    }
    look()?.ok_or_else(missing)
}

/// Finds a log and walks all of it.
pub(crate) fn find<S: Storage>(storage: &S) -> Result<Option<Found>, OpenError> {
    find_from(storage, 0)
}

/// Finds a log and walks the segments of it from the one on that holds offset `from`: those before it are as if they had been given
/// up.
pub(crate) fn find_from<S: Storage>(storage: &S, from: u64) -> Result<Option<Found>, OpenError> {
    let marks = MarkFile::read(storage).map_err(io_error("reading the mark"))?;
    if let Some(found) = marks.newer() {
        return Err(OpenError::NewerFormat { segment: MARK_NAME.to_owned(), found });
    }
    let mut names = storage.list().map_err(io_error("listing the log"))?;
    names.retain(|name| is_segment_name(name));
    names.sort();
    if names.is_empty() {
        return no_segment(&marks).map(|()| None);
    }
    // A segment is named by its first offset.
    let first = names.iter().rposition(|name| *name <= segment_name(from)).unwrap_or(0);
    find_among(storage, &names[first..], &marks)
}

/// Finds a log and walks its last segment; of those before it only the headers are looked at.
pub(crate) fn find_quickly<S: Storage>(storage: &S) -> Result<Option<Found>, OpenError> {
    let Some(mut found) = find_from(storage, u64::MAX)? else { return Ok(None) };
    let last = found.segments[0];
    let mut names = storage.list().map_err(io_error("listing the log"))?;
    names.retain(|name| is_segment_name(name) && *name < last.name());
    names.sort();
    let headers = names.iter().map(|name| begin_walk(storage, name, None).map(|(header, _)| header));
    let mut segments: Vec<_> = headers.collect::<Result<_, _>>()?;
    segments.append(&mut found.segments);
    let strange = segments.iter().find(|header| header.log_id != last.log_id);
    strange.map_or(Ok(()), |header| Err(another_log(header)))?;
    Ok(Some(Found { segments, ..found }))
}

fn another_log(header: &SegmentHeader) -> OpenError {
    OpenError::Corrupt {
        segment: header.name(),
        byte: 0,
        offset: header.first_offset,
        reason: "the segment belongs to another log".to_owned(),
        evidence: "its log id".to_owned(),
    }
}

/// Walks the segments `names`, which are sorted.
pub(crate) fn find_among<S: Storage>(
    storage: &S,
    names: &[String],
    marks: &MarkFile,
) -> Result<Option<Found>, OpenError> {
    let mut found: Option<Found> = None;
    for (number, name) in names.iter().enumerate() {
        let successor = names.get(number + 1);
        found = Some(walk_segment(storage, (name, successor), found, marks)?);
    }
    Ok(found)
}

/// Refuses a directory that has a mark of transactions, but no segment.
fn no_segment(marks: &MarkFile) -> Result<(), OpenError> {
    let Some(mark) = marks.newest() else { return Ok(()) };
    let evidence = missing_all(mark.proven());
    if judge(&evidence) != Verdict::Corrupt {
        return Ok(());
    }
    let (segment, reason) = (segment_name(0), "there is no segment".to_owned());
    Err(OpenError::Corrupt { segment, byte: 0, offset: 0, reason, evidence: evidence.to_string() })
}

fn walk_segment<S: Storage>(
    storage: &S,
    (name, successor): (&str, Option<&String>),
    before: Option<Found>,
    marks: &MarkFile,
) -> Result<Found, OpenError> {
    let expected = before.as_ref().map(|found| found.tail);
    let (header, mut walk) = begin_walk(storage, name, expected)?;
    if before.as_ref().and_then(|found| found.segments.last()).is_some_and(|last| last.log_id != header.log_id) {
        return Err(another_log(&header));
    }
    let mark = marks.of(&header);
    let mut boundary = Boundary { byte: walk.byte(), tail: walk.tail(), whole: true };
    let mut starts = Vec::new();
    let mut contradicted_by = contradiction(mark, &walk.tail());
    let mut is_first = before.as_ref().is_some_and(|found| found.tail.lineage != header.lineage);
    while let Some(frame) = walk.next_frame()? {
        if std::mem::take(&mut is_first) && frame.frame.kind != FrameKind::Loss {
            return Err(other_history(name, &header));
        }
        starts.push((frame.frame.first_offset, boundary.byte));
        boundary.whole = frame.frame.last_part || planted::is(Bug::PartCounts);
        if boundary.whole {
            (boundary.byte, boundary.tail) = (walk.byte(), walk.tail());
        }
        contradicted_by = contradicted_by.or_else(|| contradiction(mark, &walk.tail()));
    }
    if let Some(Stop::Newer(version)) = walk.stop() {
        return Err(OpenError::NewerFormat { segment: name.to_owned(), found: u32::from(*version) });
    }
    let behind = walk.behind()?;
    let proven = mark.map_or(behind.proven, |mark| behind.proven.or(mark.proven()));
    let evidence = Evidence {
        successor: successor.cloned(),
        clean_stop: is_clean(&walk, &behind),
        sealed: walk.stop() == Some(&Stop::Sealed),
        whole: boundary.whole,
        valid: boundary.tail.next_offset,
        proven,
        contradicted_by,
    };
    let cut = cut_of(&walk, name, &evidence)?.then_some((boundary.byte, behind.used_to));
    let unproven = starts.iter().find(|(first_offset, _)| *first_offset >= proven.count);
    let mut segments = before.map(|found| found.segments).unwrap_or_default();
    segments.push(header);
    Ok(Found {
        segments,
        tail: boundary.tail,
        byte: boundary.byte,
        sealed: evidence.sealed && cut.is_none(),
        cut,
        unproven_from: unproven.map_or(boundary.byte, |(_, byte)| *byte),
        marks: *marks,
    })
}

/// What a mark proves that was written for another frame than the one which ends at `tail`.
pub(crate) fn contradiction(mark: Option<Mark>, tail: &Tail) -> Option<Proven> {
    mark.filter(|mark| mark.contradicts(tail)).map(|mark| mark.proven())
}

/// Whether a walk has ended where nothing more was written.
pub(crate) fn is_clean<F: StorageFile>(walk: &Walk<F>, behind: &Behind) -> bool {
    match walk.stop() {
        Some(Stop::Sealed) => true,
        Some(Stop::CleanEnd) => behind.used_to <= walk.byte(),
        _ => false,
    }
}

/// The evidence of a directory without segments, of which a mark is left.
pub(crate) fn missing_all(proven: Proven) -> Evidence {
    let (successor, contradicted_by) = (None, None);
    Evidence { successor, clean_stop: true, sealed: false, whole: true, valid: 0, proven, contradicted_by }
}

/// Why a walk has ended before it should.
pub(crate) fn reason_of<F: StorageFile>(walk: &Walk<F>, evidence: &Evidence) -> String {
    match walk.stop() {
        _ if evidence.contradicted_by.is_some() => "the log is not the one that its mark was written for".to_owned(),
        Some(Stop::Invalid { reason }) => reason.clone(),
        _ => "the segment ends before it should".to_owned(),
    }
}

/// The last place at which a transaction ended.
struct Boundary {
    byte: u64,
    tail: Tail,
    /// Whether the last valid frame ended one.
    whole: bool,
}

/// Checks the segment's header against the end of the one before, and starts behind it.
pub(crate) fn begin_walk<S: Storage>(
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
    if header.name() != name || expected.is_some_and(|tail| !header.follows(&tail)) {
        let reason = "the segment does not begin where the one before ends";
        return Err(corrupt(reason, "a segment is missing or has another one's name"));
    }
    let epoch = expected.map_or(Epoch(0), |tail| tail.epoch);
    let walk = Walk::new(file, header, epoch).map_err(io_error("opening a segment"))?;
    Ok((header, walk))
}

/// Another lineage begins only with a frame that says what was given up for it.
fn other_history(name: &str, header: &SegmentHeader) -> OpenError {
    OpenError::Corrupt {
        segment: name.to_owned(),
        byte: 0,
        offset: header.first_offset,
        reason: "the segment belongs to another history".to_owned(),
        evidence: "its lineage is not that of the segment before, and no repair began it".to_owned(),
    }
}

/// Whether something is to be cut behind the last whole transaction.
fn cut_of<F: StorageFile>(walk: &Walk<F>, name: &str, evidence: &Evidence) -> Result<bool, OpenError> {
    match judge(evidence) {
        Verdict::Clean => Ok(false),
        Verdict::Torn => Ok(true),
        Verdict::Corrupt => Err(OpenError::Corrupt {
            segment: name.to_owned(),
            byte: walk.byte(),
            offset: walk.tail().next_offset,
            reason: reason_of(walk, evidence),
            evidence: evidence.to_string(),
        }),
    }
}
