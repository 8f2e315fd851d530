//! Torn writes: every subset of the sectors of the last frames reached the disk, and where one did not there are zeros,
//! garbage or what was there before. And forged headers under a torn tail.

use crate::support::{append, bytes_of, claim, flip, open, open_options, overwrite, payloads, seal};
use crate::writers::FIRST;
use interstice_log::frame::{FRAME_HEADER_SIZE, Frame};
use interstice_log::local::LocalLog;
use interstice_log::log::CommitLogWriter;
use interstice_log::mark::MARK_NAME;
use interstice_log::segment::SEGMENT_HEADER_SIZE;
use interstice_log::storage::Storage;
use interstice_log::storage::memory::MemoryStorage;
use interstice_log::verify::verify;
use std::ops::Range;

const SECTOR: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fill {
    Zeros,
    Garbage,
    Old,
}

const FILLS: [Fill; 3] = [Fill::Zeros, Fill::Garbage, Fill::Old];

/// One write: what was there, what was written, and where its frames are.
struct Write {
    storage: MemoryStorage,
    before: Vec<u8>,
    after: Vec<u8>,
    /// The bytes of each frame of the write.
    frames: Vec<Range<usize>>,
    /// Transactions that were durable before it.
    durable: usize,
    payloads: Vec<Vec<u8>>,
}

/// A log with some durable transactions, then one write of frames with `sizes` bytes of payload.
fn written(sizes: &[usize], sealed: bool) -> Write {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    let mut payloads: Vec<Vec<u8>> = (1..4_u8).map(|n| vec![n; 100]).collect();
    payloads.iter().for_each(|payload| append(&mut writer, payload));
    if sealed {
        seal(&mut writer);
    }
    let durable = payloads.len();
    let before = bytes_of(&storage, FIRST);
    let mut at = (before.len() - before.iter().rev().take_while(|byte| **byte == 0).count()).next_multiple_of(8);
    let mut frames = Vec::new();
    for (number, size) in sizes.iter().enumerate() {
        let payload: Vec<u8> = (0..*size).map(|n| (n * 5 + n / 256 + number) as u8 | 1).collect();
        let tail = writer.tail();
        writer.append(tail.position, &Frame::transactions(tail.next_offset, 1, payload.clone()));
        payloads.push(payload);
        frames.push(at..at + FRAME_HEADER_SIZE + size);
        at = (at + FRAME_HEADER_SIZE + size).next_multiple_of(8);
    }
    writer.settle();
    drop((writer, log));
    let after = bytes_of(&storage, FIRST);
    Write { storage, before, after, frames, durable, payloads }
}

impl Write {
    /// The sectors that the write touches, without the bytes of the first one that it does not.
    fn sectors(&self) -> Vec<Range<usize>> {
        let (from, to) = (self.frames[0].start, self.frames.last().unwrap().end);
        let first = from / SECTOR * SECTOR;
        (first..to).step_by(SECTOR).map(|start| start.max(from)..(start + SECTOR).min(to)).collect()
    }

    /// What is on the disk if only the sectors in `kept`, bit by bit, were written.
    fn torn(&self, kept: u64, fill: Fill) -> Vec<u8> {
        let mut bytes = self.after.clone();
        for (number, sector) in self.sectors().into_iter().enumerate().filter(|(number, _)| kept >> number & 1 == 0) {
            for at in sector {
                bytes[at] = match fill {
                    Fill::Zeros => 0,
                    Fill::Garbage => (at * 197 + number * 31 + kept as usize) as u8,
                    Fill::Old => self.before[at],
                };
            }
        }
        bytes
    }

    /// Opens what is left, and holds it against what the bytes themselves say; whether something was cut.
    fn check(&self, torn: &[u8], what: &str) -> bool {
        let storage = self.storage.copy();
        overwrite(&storage, FIRST, 0, torn);
        let whole =
            self.frames.iter().take_while(|frame| torn[(*frame).clone()] == self.after[(*frame).clone()]).count();
        assert!(verify(&storage).unwrap().is_ok(), "{what}: a torn tail is no fault");
        let (log, report) =
            LocalLog::open(storage.clone(), open_options()).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(payloads(&log), self.payloads[..self.durable + whole], "{what}");
        let from = self.frames.get(whole).map_or(torn.len(), |frame| frame.start);
        let left = torn[from..].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let kept = report.quarantine.map(|name| bytes_of(&storage, &name)).unwrap_or_default();
        assert_eq!(kept, torn[from..from + left], "{what}: what was cut is kept");
        assert!(bytes_of(&storage, FIRST)[from..].iter().all(|byte| *byte == 0), "{what}: and gone from the log");
        left > 0
    }
}

/// Every subset of twelve sectors, with three fills; one large frame, three small ones, behind an idle log and a busy one.
#[test]
fn whatever_sectors_of_the_last_write_are_missing_nothing_durable_is_lost() {
    let (mut cases, mut cut) = (0, 0);
    for (sizes, sealed) in [(&[5_500][..], false), (&[1_900, 1_700, 1_600], true)] {
        let write = written(sizes, sealed);
        let count = write.sectors().len();
        assert!((11..=13).contains(&count), "{count} sectors");
        for kept in 0..1_u64 << count {
            for fill in FILLS {
                cases += 1;
                cut +=
                    u64::from(write.check(&write.torn(kept, fill), &format!("{sizes:?}, sectors {kept:b}, {fill:?}")));
            }
        }
    }
    println!("{cases} torn writes, {cut} cut");
    assert!(cases >= 10_000 && cut > 5_000);
}

/// A slot of the mark is torn at any byte: the other one stands.
#[test]
fn a_mark_torn_at_any_byte_costs_nothing() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    append(&mut writer, b"one");
    let before = bytes_of(&storage, MARK_NAME);
    seal(&mut writer);
    drop((writer, log));
    let after = bytes_of(&storage, MARK_NAME);
    for cut in 0..SECTOR {
        for fill in FILLS {
            let storage = storage.copy();
            let rest: Vec<u8> = match fill {
                Fill::Zeros => vec![0; SECTOR - cut],
                Fill::Garbage => (cut..SECTOR).map(|at| (at * 197 + 3) as u8).collect(),
                Fill::Old => before[cut..SECTOR].to_vec(),
            };
            overwrite(&storage, MARK_NAME, 0, &[&after[..cut], &rest].concat());
            assert_eq!(payloads(&open(&storage)), [b"one"], "cut at {cut}, {fill:?}");
        }
    }
}

/// Frame headers as a client might store them: copied from this log, with another salt, for another or for the right place.
fn forged(bytes: &[u8], place: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let salts = [bytes[96..112].to_vec(), vec![0; 16], vec![5; 16]];
    for (number, salt) in salts.iter().enumerate() {
        for right_place in [false, true] {
            if number == 0 && right_place {
                // This would take the salt, which nobody outside of the node can know.
                continue;
            }
            let mut header = bytes[SEGMENT_HEADER_SIZE..SEGMENT_HEADER_SIZE + FRAME_HEADER_SIZE].to_vec();
            let byte = if right_place { place + out.len() } else { place + out.len() + 8 };
            header[48..56].copy_from_slice(&(byte as u64).to_le_bytes());
            header[16..24].copy_from_slice(&900_u64.to_le_bytes());
            header[72..80].copy_from_slice(&900_u64.to_le_bytes());
            let crc = crate::damage::crc32c_of(&[salt, &header[..148]].concat());
            header[148..].copy_from_slice(&crc.to_le_bytes());
            out.extend(header);
        }
    }
    // As they are: the right salt, the place that they were written for.
    out.extend(&bytes[SEGMENT_HEADER_SIZE..SEGMENT_HEADER_SIZE + 3 * FRAME_HEADER_SIZE]);
    out.push(0xff);
    out
}

#[test]
fn forged_headers_under_a_torn_tail_are_neither_frames_nor_evidence() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    append(&mut writer, b"first");
    let bytes = bytes_of(&storage, FIRST);
    let header = SEGMENT_HEADER_SIZE + 2 * FRAME_HEADER_SIZE + 8;
    let forged = forged(&bytes, header + FRAME_HEADER_SIZE);
    let tail = writer.tail();
    writer.append(tail.position, &Frame::transactions(1, 1, forged.clone()));
    writer.settle();
    drop((writer, log));
    assert_eq!(payloads(&open(&storage.copy())), [b"first".to_vec(), forged.clone()]);
    for byte in header..header + FRAME_HEADER_SIZE + forged.len() {
        let storage = storage.copy();
        flip(&storage, FIRST, byte, byte % 8);
        let (mut log, report) = LocalLog::open(storage.clone(), open_options()).unwrap();
        assert_eq!(payloads(&log), [b"first"], "byte {byte}");
        assert_eq!(report.torn_tail_bytes as usize, FRAME_HEADER_SIZE + forged.len(), "byte {byte}");
        // What comes next is shorter than what was cut: nothing of that shows behind it.
        append(&mut claim(&mut log), b"next");
        drop(log);
        assert_eq!(payloads(&open(&storage)), [&b"first"[..], b"next"], "byte {byte}");
        assert_eq!(storage.list().unwrap().iter().filter(|name| name.starts_with("quarantine-")).count(), 1);
    }
}
