//! One bit of a log of three segments and a mark is wrong: every eighth bit, or every bit with `INTERSTICE_LOG_EVERY_BIT=1`.
//!
//! The truth is known from how the log was made, not from the code that judges it:
//! * what a later frame, a footer, a later segment or the mark certifies: refused, with the segment that was damaged;
//! * the last frame, which nothing certifies: cut, kept in quarantine, and its receipt is not of this history any more;
//! * zeros behind the last frame: cut and kept, nothing else;
//! * bytes that nothing covers, padding and what stands behind a footer: nobody notices;
//! * the mark: nothing is lost, and what is covered by a checksum is told.

use crate::support::{append_for_receipt, bytes_of, claim, flip, open, open_options, seal, segment_at};
use interstice_log::evidence::{Evidence, Proof, Proven, Verdict, judge};
use interstice_log::frame::{FRAME_HEADER_SIZE, Position};
use interstice_log::local::{LocalLog, OpenError};
use interstice_log::log::{CommitLog, Receipt, Standing};
use interstice_log::mark::{MARK_NAME, MARK_SIZE};
use interstice_log::segment::{FOOTER_SIZE, SEGMENT_HEADER_SIZE};
use interstice_log::storage::memory::MemoryStorage;
use interstice_log::verify::verify;
use std::ops::Range;

/// Not a multiple of eight: each frame is padded.
const PAYLOAD_SIZE: usize = 2_995;

/// What damage of a byte must lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truth {
    Refused,
    /// The last frame is cut.
    LastFrameCut,
    /// What is cut is no frame.
    NothingLost,
    Unnoticed,
    MarkTold,
}

struct Built {
    storage: MemoryStorage,
    receipts: Vec<Receipt>,
    payloads: Vec<Vec<u8>>,
    files: Vec<File>,
}

struct File {
    name: String,
    size: usize,
    /// What is so of its bytes, in order; of all others, the last word.
    regions: Vec<(Range<usize>, Truth)>,
    elsewhere: Truth,
}

impl File {
    fn truth(&self, byte: usize) -> Truth {
        let within = self.regions.iter().find(|(range, _)| range.contains(&byte));
        within.map_or(self.elsewhere, |(_, truth)| *truth)
    }

    /// Where its last frame stands.
    fn last_frame(&self) -> Range<usize> {
        let cut = |truth| move |(_, of): &&(Range<usize>, Truth)| *of == truth;
        self.regions.iter().find(cut(Truth::LastFrameCut)).map_or(0..0, |(range, _)| range.clone())
    }
}

fn payload(number: u64) -> Vec<u8> {
    (0..PAYLOAD_SIZE as u64).map(|at| (number * 31 + at * 7 + at / 251) as u8 | 1).collect()
}

/// Three segments; the log was idle once in the last one, then two more transactions came, each with a sync of its own.
fn build() -> Built {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    let mut receipts = Vec::new();
    // The payload of each frame; the first one is that of the claim.
    let mut sizes = vec![0];
    let mut append = |writer: &mut _, sizes: &mut Vec<usize>| {
        receipts.push(append_for_receipt(writer, &payload(receipts.len() as u64)));
        sizes.push(PAYLOAD_SIZE);
    };
    while log.segments().len() < 3 {
        append(&mut writer, &mut sizes);
    }
    append(&mut writer, &mut sizes);
    seal(&mut writer);
    sizes.push(0);
    append(&mut writer, &mut sizes);
    append(&mut writer, &mut sizes);
    let segments = log.segments();
    drop((writer, log));
    let mut files = Vec::new();
    for (number, segment) in segments.iter().enumerate() {
        let end = segments.get(number + 1).map_or(sizes.len(), |next| next.first_frame.0 as usize);
        let frames = &sizes[segment.first_frame.0 as usize..end];
        files.push(segment_file(&storage, segment.name(), frames, number + 1 == segments.len()));
    }
    let (regions, elsewhere) = (vec![(0..512, Truth::MarkTold), (4096..4608, Truth::MarkTold)], Truth::Unnoticed);
    files.push(File { name: MARK_NAME.to_owned(), size: MARK_SIZE, regions, elsewhere });
    let payloads = (0..receipts.len() as u64).map(payload).collect();
    Built { storage, receipts, payloads, files }
}

/// What is so of the bytes of a segment with frames of these payloads.
fn segment_file(storage: &MemoryStorage, name: String, payloads: &[usize], is_last: bool) -> File {
    let mut regions = vec![(0..SEGMENT_HEADER_SIZE, Truth::Refused)];
    let mut at = SEGMENT_HEADER_SIZE;
    for (number, payload) in payloads.iter().enumerate() {
        let end = at + FRAME_HEADER_SIZE + payload;
        let newest = is_last && number + 1 == payloads.len();
        regions.push((at..end, if newest { Truth::LastFrameCut } else { Truth::Refused }));
        at = end.next_multiple_of(8);
        regions.push((end..at, Truth::Unnoticed));
    }
    if !is_last {
        regions.push((at..at + FOOTER_SIZE, Truth::Refused));
    }
    let size = bytes_of(storage, &name).len();
    File { name, size, regions, elsewhere: if is_last { Truth::NothingLost } else { Truth::Unnoticed } }
}

/// Opens the log with one bit turned around, and holds what comes of it against the truth.
fn check(built: &Built, file: &File, byte: usize, bit: usize) -> Truth {
    let storage = built.storage.copy();
    flip(&storage, &file.name, byte, bit);
    let (truth, what) = (file.truth(byte), format!("{}, byte {byte}, bit {bit}", file.name));
    let verified = verify(&storage).unwrap();
    let opened = LocalLog::open(storage.copy(), open_options());
    assert_eq!(verified.is_ok(), truth != Truth::Refused, "{what}: {verified:?}");
    if truth == Truth::Refused {
        let refused = opened.map(|_| ());
        assert!(
            matches!(&refused, Err(OpenError::Corrupt { segment, .. }) if *segment == file.name),
            "{what}: {refused:?}"
        );
        let damaged = verified.segments.iter().find(|segment| segment.name == file.name).unwrap();
        assert!(!damaged.faults.is_empty(), "{what}: the fault is reported elsewhere: {verified:?}");
        return truth;
    }
    let (log, report) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
    let lost = usize::from(truth == Truth::LastFrameCut);
    let kept = built.receipts.len() - lost;
    let frames: Vec<_> = log.read(Position(0)).unwrap().map(|frame| frame.unwrap().frame.payload).collect();
    assert!(
        frames.into_iter().filter(|payload| !payload.is_empty()).eq(built.payloads[..kept].iter().cloned()),
        "{what}"
    );
    for (number, receipt) in built.receipts.iter().enumerate().rev().take(3) {
        let expected = if number < kept { Standing::Held } else { Standing::Diverged };
        assert_eq!(log.standing(receipt).unwrap(), expected, "{what}: receipt {number}");
    }
    assert_eq!(report.mark.is_some(), truth == Truth::MarkTold, "{what}: {report:?}");
    let cut = match truth {
        Truth::LastFrameCut => file.last_frame(),
        Truth::NothingLost => byte / 8 * 8..byte + 1,
        _ => 0..0,
    };
    match report.quarantine {
        Some(name) => {
            let quarantined = bytes_of(log.storage(), &name);
            assert!(cut.contains(&byte), "{what}: cut without need");
            let whole = bytes_of(&storage, &file.name);
            let from = file.regions.last().unwrap().0.end.min(if lost == 1 { cut.start } else { usize::MAX });
            assert_eq!(quarantined, whole[from..from + quarantined.len()], "{what}");
            assert!(whole[from + quarantined.len()..].iter().all(|byte| *byte == 0), "{what}: not all was kept");
        }
        None => assert!(cut.is_empty(), "{what}: nothing was kept"),
    }
    truth
}

#[test]
fn a_turned_bit_is_refused_where_something_certifies_it_and_costs_nothing_else() {
    let built = build();
    let every_bit = std::env::var_os("INTERSTICE_LOG_EVERY_BIT").is_some();
    let mut cases = Vec::new();
    for file in &built.files {
        for byte in 0..file.size {
            // Over eight bytes, every bit has its turn.
            let bits = if every_bit { 0..8 } else { byte % 8..byte % 8 + 1 };
            cases.extend(bits.map(|bit| (file, byte, bit)));
        }
    }
    let counts = std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let worker = |first: usize| {
            let (built, cases) = (&built, &cases);
            move || {
                let mine = cases.iter().skip(first).step_by(workers);
                mine.map(|(file, byte, bit)| check(built, file, *byte, *bit)).collect::<Vec<_>>()
            }
        };
        let running: Vec<_> = (0..workers).map(|first| scope.spawn(worker(first))).collect();
        running.into_iter().flat_map(|handle| handle.join().unwrap()).collect::<Vec<_>>()
    });
    let count = |truth| counts.iter().filter(|found| **found == truth).count();
    let [refused, cut, nothing, unnoticed, told] =
        [Truth::Refused, Truth::LastFrameCut, Truth::NothingLost, Truth::Unnoticed, Truth::MarkTold].map(count);
    println!(
        "{} bits: {refused} refused, {cut} in the last frame, {nothing} behind it, {unnoticed} unnoticed, {told} in the mark",
        counts.len()
    );
    assert!(
        refused > 60_000
            && cut > 3_000
            && nothing > 3_000
            && unnoticed > 3_000
            && told == counts.len().min(1024 * if every_bit { 8 } else { 1 })
    );
}

/// The table of `evidence.rs`, row by row.
#[test]
fn the_verdict_is_the_table() {
    let proven = Proven { count: 7, by: Proof::Mark, byte: 4096 };
    let clean = Evidence {
        successor: None,
        clean_stop: true,
        sealed: false,
        whole: true,
        valid: 7,
        proven,
        contradicted_by: None,
    };
    let next = Some(segment_at(7));
    let rows = [
        (clean.clone(), Verdict::Clean),
        (Evidence { whole: false, ..clean.clone() }, Verdict::Torn),
        (Evidence { clean_stop: false, ..clean.clone() }, Verdict::Torn),
        (Evidence { valid: 6, ..clean.clone() }, Verdict::Corrupt),
        (Evidence { valid: 6, clean_stop: false, ..clean.clone() }, Verdict::Corrupt),
        (Evidence { contradicted_by: Some(proven), ..clean.clone() }, Verdict::Corrupt),
        (Evidence { successor: next.clone(), sealed: true, ..clean.clone() }, Verdict::Clean),
        (Evidence { successor: next.clone(), ..clean.clone() }, Verdict::Corrupt),
        (Evidence { successor: next, sealed: true, whole: false, ..clean.clone() }, Verdict::Corrupt),
    ];
    for (evidence, verdict) in rows {
        assert_eq!(judge(&evidence), verdict, "{evidence:?}");
    }
}
