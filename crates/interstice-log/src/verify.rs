//! Verifying: every fault of every segment and of the mark, without changing a byte.
//!
//! 1. Read the mark, then list the segments: a writer beside only adds to what the mark proves.
//! 2. Each segment must begin where the one before ended. What lies between them if one is missing is reported as a segment.
//! 3. Walk a segment to where it stops. If the verdict there is corrupt, report the fault, look for the next frame that only
//!    this segment can have, and go on from there.
//! 4. If a segment that was listed is gone at the end, it was given up meanwhile, and what was found means nothing: begin again.
//! 5. What is no fault but worth knowing is a notice: quarantined bytes, a mark with one slot.

use crate::evidence::{Evidence, Verdict, judge};
use crate::found::{contradiction, is_clean, missing_all, reason_of};
use crate::frame::{ChainHash, Epoch, Frame, FrameKind};
use crate::log::{ReadError, Tail};
use crate::mark::{Mark, MarkFile};
use crate::segment::{
    Behind, HeaderFault, Hole, SegmentHeader, Stop, Walk, is_segment_name, read_header, segment_name,
};
use crate::storage::{Storage, StorageFile};
use std::io;

/// Faults listed for one segment; one more says that there are others.
pub const MAX_FAULTS: usize = 1_000;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// In order of their first offsets, with those that are missing.
    pub segments: Vec<SegmentReport>,
    /// Transactions that are valid.
    pub transactions: u64,
    /// The chain hash of the last valid frame.
    pub head: ChainHash,
}

/// What was found in one segment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
    /// What is not wrong, but worth knowing.
    pub notices: Vec<Notice>,
}

/// Something wrong in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `missing`, `header`, `format`, `order`, `frame`, `seal`, `mark` or `io`. A fault of the mark stands with the last segment.
    pub kind: &'static str,
    /// Where in the segment; of a fault of the mark, where in that.
    pub byte: u64,
    /// Byte behind what is wrong, if that is known; [`byte`](Self::byte) if not.
    pub end_byte: u64,
    /// The first offset that it costs.
    pub offset: u64,
    /// The first offset behind it that is there again, or the end of what was proven if none is; [`offset`](Self::offset) if it
    /// costs none.
    pub end_offset: u64,
    /// What is wrong, and what says so.
    pub evidence: String,
}

/// Something worth knowing that is not wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// `mark`, `quarantine`, or `loss`: a repair or a restore began another history here.
    pub kind: &'static str,
    /// What.
    pub text: String,
}

impl Fault {
    fn at(kind: &'static str, byte: u64, offset: u64, evidence: String) -> Self {
        Self { kind, byte, end_byte: byte, offset, end_offset: offset, evidence }
    }
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
/// What the storage says when it cannot list the log; what it says about one file is a fault.
pub fn verify<S: Storage>(storage: &S) -> io::Result<VerifyReport> {
    /// Looks at a log of which segments are given up meanwhile, before what was found is said all the same.
    const LOOKS: usize = 5;
    let mut looks = 1;
    loop {
        let (report, names) = verify_once(storage)?;
        let there = storage.list()?;
        if looks == LOOKS || names.iter().all(|name| there.contains(name)) {
            return Ok(report);
        }
        looks += 1;
    }
}

/// As [`verify`], in one look: what is given up meanwhile may be reported as unreadable. Returns the names of the segments that
/// were there too.
///
/// # Errors
/// As [`verify`].
pub fn verify_once<S: Storage>(storage: &S) -> io::Result<(VerifyReport, Vec<String>)> {
    let marks = MarkFile::read(storage);
    let all = storage.list()?;
    let mut names: Vec<_> = all.iter().filter(|name| is_segment_name(name)).cloned().collect();
    names.sort();
    let mut run = Run { storage, marks: *marks.as_ref().unwrap_or(&MarkFile::MISSING), ..Run::new(storage) };
    for (number, name) in names.iter().enumerate() {
        run.segment(name, names.get(number + 1));
    }
    if names.is_empty() {
        run.nothing();
    }
    run.judge_marks(marks.err());
    run.tell_quarantine(&all);
    run.report.head = run.head;
    Ok((run.report, names))
}

/// A verification under way.
struct Run<'a, S> {
    storage: &'a S,
    marks: MarkFile,
    report: VerifyReport,
    /// The last segment whose header was valid.
    header: Option<SegmentHeader>,
    /// Where the segment before ended, if that is certain.
    end: Option<Tail>,
    head: ChainHash,
    has_frames: bool,
}

impl<'a, S: Storage> Run<'a, S> {
    fn new(storage: &'a S) -> Self {
        let (marks, report) = (MarkFile::MISSING, VerifyReport::default());
        Self { storage, marks, report, header: None, end: None, head: [0; 32], has_frames: false }
    }

    /// Verifies one segment, `successor` being the one after it.
    fn segment(&mut self, name: &str, successor: Option<&String>) {
        let named = offset_named(name);
        let report = SegmentReport {
            name: name.to_owned(),
            first_offset: named,
            next_offset: named,
            ..SegmentReport::default()
        };
        let mut segment = Segment { report, successor, transactions: 0, begins_history: false };
        let end = self.end.take();
        if let Err(fault) = self.read_segment(&mut segment, end) {
            segment.report.faults.push(fault);
        }
        self.report.transactions += segment.transactions;
        self.report.segments.push(segment.report);
    }

    fn read_segment(&mut self, segment: &mut Segment<'_>, end: Option<Tail>) -> Result<(), Fault> {
        let (name, named) = (segment.report.name.clone(), segment.report.first_offset);
        let fault = |kind, evidence: String| Fault::at(kind, 0, named, evidence);
        let io = |error: io::Error| fault("io", error.to_string());
        let file = self.storage.open(&name).map_err(io)?;
        let header = match read_header(&file, &name) {
            Ok(Ok(header)) => header,
            Ok(Err(HeaderFault::Newer(version))) => {
                return Err(fault("format", format!("written by format {version}")));
            }
            Ok(Err(HeaderFault::Invalid)) => return Err(fault("header", "the checksum does not hold".to_owned())),
            Err(error) => return Err(fault("io", io_text(error))),
        };
        // Whether that is right its first frame says.
        segment.begins_history = self.header.is_some_and(|before| before.lineage != header.lineage);
        self.check_order(&header, end, &mut segment.report);
        let epoch = end.map_or(Epoch(0), |end| end.epoch);
        let mut walk = Walk::new(file, header, epoch).map_err(io)?;
        self.header = Some(header);
        let walked = segment.walk(&mut walk, self.marks.of(&header));
        self.head = walk.tail().chain;
        self.has_frames |= walk.tail().position > header.first_frame;
        // Only a footer, or being the last one, makes an end certain.
        self.end = segment.report.sealed.then(|| walk.tail());
        walked
    }

    /// Whether the segment begins where the one before ends, and has its own name.
    fn check_order(&mut self, header: &SegmentHeader, end: Option<Tail>, report: &mut SegmentReport) {
        let offset = report.first_offset;
        let mut fault = |evidence| report.faults.push(Fault::at("order", 0, offset, evidence));
        if self.header.is_some_and(|before| before.log_id != header.log_id) {
            fault("its log id is not that of the segment before: it belongs to another log".to_owned());
        }
        if header.name() != report.name {
            fault(format!("its header belongs to {}", header.name()));
            (report.first_offset, report.next_offset) = (header.first_offset, header.first_offset);
        }
        let Some(end) = end.filter(|end| !header.follows(end)) else { return };
        if header.first_offset > end.next_offset && header.first_frame > end.position {
            let to = Missing { offset: header.first_offset, evidence: format!("segment {} is there", header.name()) };
            self.report.segments.push(to.report_from(end.next_offset));
            return;
        }
        let place = format!("offset {}, frame {}", end.next_offset, end.position.0);
        let own = format!("offset {}, frame {}", header.first_offset, header.first_frame.0);
        fault(if place == own {
            "the chain is broken: its first frame does not follow the last one of the segment before".to_owned()
        } else {
            format!("the segment before ends at {place}; this one begins at {own}")
        });
    }

    /// No segment: a fault if a mark says that there were transactions.
    fn nothing(&mut self) {
        let Some(mark) = self.marks.newest() else { return };
        let evidence = missing_all(mark.proven());
        if judge(&evidence) == Verdict::Corrupt {
            let missing = Missing { offset: mark.next_offset, evidence: evidence.to_string() };
            self.report.segments.push(missing.report_from(0));
        }
    }

    /// What is wrong with the mark itself stands with the last segment.
    fn judge_marks(&mut self, unreadable: Option<io::Error>) {
        let (marks, header) = (self.marks, self.header);
        let Some(report) = self.report.segments.last_mut() else { return };
        let offset = report.next_offset;
        if let Some(error) = unreadable {
            return report.faults.push(Fault::at("io", 0, offset, format!("the mark cannot be read: {error}")));
        }
        if let Some(version) = marks.newer() {
            return report.faults.push(Fault::at("format", 0, offset, format!("the mark has format {version}")));
        }
        let Some(finding) = header.and_then(|header| marks.finding(&header, self.has_frames)) else { return };
        if finding.is_fault {
            report.faults.push(Fault::at("mark", finding.byte, offset, finding.to_string()));
        } else {
            report.notices.push(Notice { kind: "mark", text: finding.to_string() });
        }
    }

    /// Quarantined bytes stand with the segment that they were cut from, or with the first one if that was given up.
    fn tell_quarantine(&mut self, names: &[String]) {
        let mut quarantined: Vec<_> = names.iter().filter(|name| name.starts_with("quarantine-")).collect();
        quarantined.sort();
        for name in quarantined {
            let is_of = |report: &SegmentReport| {
                name.starts_with(&format!("quarantine-{}-", report.name.trim_end_matches(".log")))
            };
            let number = self.report.segments.iter().position(is_of).unwrap_or(0);
            let Some(report) = self.report.segments.get_mut(number) else { return };
            let text = format!("`{name}` holds bytes that an opening cut as a torn tail");
            report.notices.push(Notice { kind: "quarantine", text });
        }
    }
}

/// Segments that are not there.
struct Missing {
    /// The first offset that is there again, or the end of what there was.
    offset: u64,
    evidence: String,
}

impl Missing {
    fn report_from(self, from: u64) -> SegmentReport {
        let Self { offset, evidence } = self;
        let evidence = format!("the segment with offsets {from}..{offset} is missing; {evidence}");
        let fault = Fault { end_offset: offset, ..Fault::at("missing", 0, from, evidence) };
        let (name, faults) = (segment_name(from), vec![fault]);
        SegmentReport { name, first_offset: from, next_offset: from, faults, ..SegmentReport::default() }
    }
}

/// A segment under verification.
struct Segment<'a> {
    report: SegmentReport,
    successor: Option<&'a String>,
    /// Those that are valid.
    transactions: u64,
    /// Whether its lineage is not that of the segment before, and its first frame is still to be seen.
    begins_history: bool,
}

/// The last place at which a transaction ended.
struct Boundary {
    byte: u64,
    whole: bool,
}

impl Segment<'_> {
    /// Walks to the end, over every hole.
    fn walk<F: StorageFile>(&mut self, walk: &mut Walk<F>, mark: Option<Mark>) -> Result<(), Fault> {
        let mut behind: Option<Behind> = None;
        let mut contradicted_by = contradiction(mark, &walk.tail());
        let mut boundary = Boundary { byte: walk.byte(), whole: true };
        let (mut looked_again, mut must_be) = (None, None);
        loop {
            self.walk_frames(walk, &mut boundary, |tail| {
                contradicted_by = contradicted_by.or_else(|| contradiction(mark, tail));
            })?;
            self.report.next_offset = walk.tail().next_offset;
            self.report.bytes = walk.byte();
            self.report.sealed = walk.stop() == Some(&Stop::Sealed);
            if let Some(Stop::Newer(version)) = walk.stop() {
                let evidence = format!("a frame written by format {version}");
                return Err(Fault::at("format", walk.byte(), walk.tail().next_offset, evidence));
            }
            // What is behind the first hole is behind all of it: looked at once.
            let seen = match behind {
                Some(seen) => seen,
                None => walk.behind().map_err(|error| unreadable(walk, error))?,
            };
            behind = Some(seen);
            let evidence = Evidence { whole: boundary.whole, ..self.evidence(walk, &seen, mark) };
            let is_open = self.successor.is_none() && self.report.faults.is_empty();
            if is_open && judge(&evidence) == Verdict::Corrupt && looked_again != Some(walk.byte()) {
                // A node may be writing it right now: what was there at the first look must be, and no more.
                let there = *must_be.get_or_insert(evidence.proven.count);
                if looked_again.is_some() && walk.tail().next_offset >= there {
                    return Ok(());
                }
                (looked_again, behind) = (Some(walk.byte()), None);
                walk.look_again().map_err(|error| unreadable(walk, error))?;
                continue;
            }
            self.check_mark(&Evidence { contradicted_by: contradicted_by.take(), ..evidence.clone() });
            match judge(&evidence) {
                Verdict::Clean => return Ok(()),
                Verdict::Torn => {
                    self.report.torn_tail_bytes = seen.used_to.saturating_sub(boundary.byte);
                    return Ok(());
                }
                Verdict::Corrupt => {}
            }
            if self.report.faults.len() >= MAX_FAULTS {
                let evidence = format!("{MAX_FAULTS} faults are listed; this one and what follows was not looked at");
                return Err(Fault::at("frame", walk.byte(), walk.tail().next_offset, evidence));
            }
            let fault = fault_at_stop(walk, &evidence);
            let hole =
                if self.report.sealed { None } else { walk.resume().map_err(|error| unreadable(walk, error))? };
            self.report.faults.push(hole.as_ref().map_or(fault.clone(), |hole| fault.over(hole)));
            if hole.is_none() {
                return Ok(());
            }
            boundary = Boundary { byte: walk.byte(), whole: true };
        }
    }

    /// Walks to the next stop.
    fn walk_frames<F: StorageFile>(
        &mut self,
        walk: &mut Walk<F>,
        boundary: &mut Boundary,
        mut at_each: impl FnMut(&Tail),
    ) -> Result<(), Fault> {
        loop {
            match walk.next_frame() {
                Ok(Some(frame)) => {
                    self.transactions += u64::from(frame.frame.count);
                    self.note_history(&frame.frame);
                    boundary.whole = frame.frame.last_part;
                    if boundary.whole {
                        boundary.byte = walk.byte();
                    }
                    at_each(&walk.tail());
                }
                Ok(None) => return Ok(()),
                Err(error) => return Err(unreadable(walk, error)),
            }
        }
    }

    /// Another history begins with a frame that says what was given up for it.
    fn note_history(&mut self, frame: &Frame) {
        if frame.kind == FrameKind::Loss {
            let text = format!("another history begins here: {}", String::from_utf8_lossy(&frame.payload));
            self.report.notices.push(Notice { kind: "loss", text });
        } else if self.begins_history {
            let text = "its lineage is not that of the segment before: it belongs to another history";
            self.report.faults.push(Fault::at("order", 0, self.report.first_offset, text.to_owned()));
        }
        self.begins_history = false;
    }

    fn evidence<F: StorageFile>(&self, walk: &Walk<F>, behind: &Behind, mark: Option<Mark>) -> Evidence {
        let proven = behind.proven.or(walk.proven());
        Evidence {
            successor: self.successor.cloned(),
            clean_stop: is_clean(walk, behind),
            sealed: self.report.sealed,
            whole: true,
            valid: walk.tail().next_offset,
            proven: mark.map_or(proven, |mark| proven.or(mark.proven())),
            contradicted_by: None,
        }
    }

    /// Whether the frames are those that the mark was written for; a fault of its own, whatever else is wrong.
    fn check_mark(&mut self, evidence: &Evidence) {
        let Some(mark) = evidence.contradicted_by else { return };
        assert_eq!(judge(evidence), Verdict::Corrupt, "invariant: a mark of other frames is a fault");
        self.report.faults.push(Fault::at("mark", mark.byte, mark.count, evidence.to_string()));
    }
}

impl Fault {
    /// The same fault, known to end where the log goes on.
    fn over(self, hole: &Hole) -> Self {
        let Hole { from_byte, to_byte, from_offset, to_offset } = hole;
        let text = format!("bytes {from_byte}..{to_byte}, offsets {from_offset}..{to_offset}");
        let evidence = format!("{}; {text}", self.evidence);
        Self { end_byte: *to_byte, end_offset: *to_offset, evidence, ..self }
    }
}

/// What is wrong where a walk has stopped.
fn fault_at_stop<F: StorageFile>(walk: &Walk<F>, evidence: &Evidence) -> Fault {
    let no_footer = evidence.successor.is_some() && walk.stop() == Some(&Stop::CleanEnd) && evidence.clean_stop;
    let (kind, reason) =
        if no_footer { ("seal", "there is no footer".to_owned()) } else { ("frame", reason_of(walk, evidence)) };
    let behind = evidence.successor.as_ref().map_or(evidence.proven.count, |name| offset_named(name));
    let offset = walk.tail().next_offset;
    let fault = Fault::at(kind, walk.byte(), offset, format!("{reason}; {evidence}"));
    Fault { end_offset: behind.max(offset), ..fault }
}

fn unreadable<F: StorageFile>(walk: &Walk<F>, error: ReadError) -> Fault {
    Fault::at("io", walk.byte(), walk.tail().next_offset, io_text(error))
}

/// The first offset of the segment `name`.
fn offset_named(name: &str) -> u64 {
    name.trim_end_matches(".log").parse().unwrap_or(0)
}

fn io_text(error: ReadError) -> String {
    match error {
        ReadError::Io { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}
