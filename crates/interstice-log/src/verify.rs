//! Verifying: every fault of every segment, without changing a byte.

use crate::evidence::{Evidence, Verdict, judge};
use crate::frame::{ChainHash, Epoch};
use crate::log::{ReadError, Tail};
use crate::segment::{HeaderFault, SegmentHeader, Stop, Walk, is_segment_name, read_header};
use crate::storage::Storage;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// In order of their first offsets.
    pub segments: Vec<SegmentReport>,
    /// Transactions in the valid part.
    pub transactions: u64,
    /// The chain hash of the last valid frame.
    pub head: ChainHash,
}

/// What was found in one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentReport {
    /// Its name.
    pub name: String,
    /// The offset that its first transaction has.
    pub first_offset: u64,
    /// The offset behind its last valid transaction.
    pub next_offset: u64,
    /// Whether it ends in a footer.
    pub sealed: bool,
    /// Bytes of header, frames and footer.
    pub bytes: u64,
    /// Bytes behind the last frame of the last segment that were never proven durable.
    pub torn_tail_bytes: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Something wrong in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `header`, `frame`, `order`, `seal` or `io`.
    pub kind: &'static str,
    /// Where in the segment.
    pub byte: u64,
    /// The first offset that it costs.
    pub offset: u64,
    /// What is wrong.
    pub evidence: String,
}

impl VerifyReport {
    /// Whether nothing is wrong; a torn tail is not.
    pub fn is_ok(&self) -> bool {
        self.segments.iter().all(|segment| segment.faults.is_empty())
    }
}

/// Walks over every segment and reports every fault.
///
/// # Errors
/// What the storage says when it cannot list the log; what it says about one segment is a fault.
pub fn verify<S: Storage>(storage: &S) -> std::io::Result<VerifyReport> {
    let mut names = storage.list()?;
    names.retain(|name| is_segment_name(name));
    names.sort();
    let mut report = VerifyReport::default();
    let mut tail = None;
    for (number, name) in names.iter().enumerate() {
        let segment = verify_segment(storage, name, &mut tail, number + 1 == names.len());
        report.transactions += segment.next_offset.saturating_sub(segment.first_offset);
        report.segments.push(segment);
    }
    report.head = tail.map_or([0; 32], |tail: Tail| tail.chain);
    Ok(report)
}

fn verify_segment<S: Storage>(storage: &S, name: &str, tail: &mut Option<Tail>, is_last: bool) -> SegmentReport {
    let named = name.trim_end_matches(".log").parse().unwrap_or(0);
    let mut report = SegmentReport {
        name: name.to_owned(),
        first_offset: named,
        next_offset: named,
        sealed: false,
        bytes: 0,
        torn_tail_bytes: 0,
        faults: Vec::new(),
    };
    if let Err(fault) = walk_segment(storage, tail, is_last, &mut report) {
        report.faults.push(fault);
    }
    report
}

fn walk_segment<S: Storage>(
    storage: &S,
    tail: &mut Option<Tail>,
    is_last: bool,
    report: &mut SegmentReport,
) -> Result<(), Fault> {
    let offset = report.first_offset;
    let fault = |kind, byte, evidence: String| Fault { kind, byte, offset, evidence };
    let io = |error: std::io::Error| fault("io", 0, error.to_string());
    let file = storage.open(&report.name).map_err(io)?;
    let header = match read_header(&file, &report.name).map_err(|error| fault("io", 0, error.to_string()))? {
        Ok(header) => header,
        Err(HeaderFault::Newer(version)) => return Err(fault("header", 0, format!("written by format {version}"))),
        Err(HeaderFault::Invalid) => return Err(fault("header", 0, "the checksum does not hold".to_owned())),
    };
    check_order(&header, *tail, report);
    let epoch = tail.map_or(Epoch(0), |tail| tail.epoch);
    let mut walk = Walk::new(file, header, epoch).map_err(io)?;
    let (mut boundary, mut whole) = (walk.byte(), true);
    loop {
        match walk.next_frame() {
            Ok(Some(frame)) => {
                whole = frame.frame.last_part;
                boundary = if whole { walk.byte() } else { boundary };
            }
            Ok(None) => break,
            Err(ReadError::Io { source, .. }) => return Err(fault("io", walk.byte(), source.to_string())),
            Err(other) => return Err(fault("io", walk.byte(), other.to_string())),
        }
    }
    let here = walk.tail();
    *tail = Some(here);
    report.next_offset = here.next_offset;
    report.bytes = walk.byte();
    report.sealed = walk.stop() == Some(&Stop::Sealed);
    let behind = walk.behind().map_err(|error| fault("io", walk.byte(), error.to_string()))?;
    let durable = behind.durable.max(walk.synced_through()).max(header.first_offset);
    let (valid, has_successor, sealed) = (here.next_offset, !is_last, report.sealed);
    let clean_stop = sealed || walk.stop() == Some(&Stop::CleanEnd) && behind.used_to == walk.byte();
    let end = |kind, evidence: String| Fault { kind, byte: walk.byte(), offset: valid, evidence };
    if let Some(Stop::Newer(version)) = walk.stop() {
        return Err(end("frame", format!("written by format {version}")));
    }
    match judge(&Evidence { has_successor, clean_stop, sealed, whole, valid, durable }) {
        Verdict::Clean => Ok(()),
        Verdict::Torn => {
            report.torn_tail_bytes = behind.used_to - boundary;
            Ok(())
        }
        Verdict::Corrupt => {
            let proof = if is_last {
                format!("{durable} transactions were proven durable, {valid} are valid")
            } else {
                "a later segment is there".to_owned()
            };
            Err(match walk.stop() {
                Some(Stop::Invalid { reason }) => end("frame", format!("{reason}; {proof}")),
                _ if is_last => end("frame", format!("the segment ends before it should; {proof}")),
                _ => end("seal", format!("no footer; {proof}")),
            })
        }
    }
}

/// Whether the segment begins where the one before ends, and has its own name.
fn check_order(header: &SegmentHeader, before: Option<Tail>, report: &mut SegmentReport) {
    let offset = report.first_offset;
    let mut fault = |evidence| report.faults.push(Fault { kind: "order", byte: 0, offset, evidence });
    if let Some(before) = before.filter(|before| header.start(before.epoch) != *before) {
        fault(format!("the segment before ends at offset {}", before.next_offset));
    }
    if header.name() != report.name {
        fault(format!("its header belongs to {}", header.name()));
        (report.first_offset, report.next_offset) = (header.first_offset, header.first_offset);
    }
}
