//! Verifying: each fault with its segment, byte, offset, kind and evidence, and the log read on behind it.

use crate::support::{append, bytes_of, claim, flip, open, open_options, overwrite, seal, segment_at};
use crate::writers::FIRST;
use interstice_log::frame::{FRAME_HEADER_SIZE, Frame};
use interstice_log::local::{LocalLog, MIN_SEGMENT_SIZE};
use interstice_log::log::{CommitLog, CommitLogWriter};
use interstice_log::segment::SEGMENT_HEADER_SIZE;
use interstice_log::storage::Storage;
use interstice_log::storage::hooked::{HookedStorage, Operation};
use interstice_log::storage::memory::MemoryStorage;
use interstice_log::verify::{Fault, MAX_FAULTS, VerifyReport, verify};
use std::collections::HashMap;
use std::sync::Mutex;

/// Bytes of each frame that holds a transaction.
const FRAME: usize = FRAME_HEADER_SIZE + 1_000;
/// The byte of the first one: the epoch frame stands before it.
const START: usize = SEGMENT_HEADER_SIZE + FRAME_HEADER_SIZE;

/// Four segments of an idle log, and where they begin.
fn log() -> (MemoryStorage, Vec<u64>) {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    while log.segments().len() < 4 {
        append(&mut writer, &[6; 1_000]);
    }
    seal(&mut writer);
    let starts = log.segments().iter().map(|segment| segment.first_offset).collect();
    (storage, starts)
}

/// Kind, segment's first offset, bytes and offsets.
type Place = (&'static str, u64, (u64, u64), (u64, u64));

/// All faults.
fn faults(report: &VerifyReport) -> Vec<Place> {
    let each = report.segments.iter().flat_map(|segment| segment.faults.iter().map(move |fault| (segment, fault)));
    each.map(|(segment, fault)| {
        let Fault { kind, byte, end_byte, offset, end_offset, .. } = *fault;
        (kind, segment.first_offset, (byte, end_byte), (offset, end_offset))
    })
    .collect()
}

/// What a writer appends between two looks of the verification is no damage.
#[test]
fn a_log_that_is_written_meanwhile_is_whole() {
    let inner = MemoryStorage::default();
    let mut log = open(&inner);
    let mut writer = claim(&mut log);
    append(&mut writer, &[6; 1_000]);
    let (writer, reads) = (Mutex::new(writer), Mutex::new(HashMap::new()));
    let storage = HookedStorage::new(inner.clone(), move |operation| {
        let Operation::Read { at } = operation else { return Ok(()) };
        let mut reads = reads.lock().unwrap();
        let count = reads.entry(at).or_insert(0);
        *count += 1;
        // The end was looked at twice; what is behind it comes next.
        let mut writer = writer.lock().unwrap();
        if *count == 3 && at > 0 {
            (0..2).for_each(|_| append(&mut *writer, &[6; 1_000]));
        }
        Ok(())
    });
    let report = verify(&storage).unwrap();
    assert_eq!(faults(&report), []);
    // However long it is written: what was there at the first look is what is verified, and a little more.
    let written = log.tail().next_offset;
    assert!((3..10).contains(&report.transactions), "{} of {written}", report.transactions);
    drop(log);
    // A fault of the open segment is one, however often it is looked at.
    flip(&inner, FIRST, START + FRAME + 10, 1);
    assert_eq!(faults(&verify(&inner).unwrap()).len(), 1);
}

#[test]
fn every_hole_is_reported_and_the_chain_checked_on_behind_it() {
    let (storage, starts) = log();
    let count = verify(&storage).unwrap().transactions;
    let at = |frame: usize| START + frame * FRAME;
    // A payload, a header, two frames in a row; in the second segment a payload again.
    for byte in [at(3) + 500, at(7) + 20, at(12) + 20, at(13) + 300] {
        flip(&storage, FIRST, byte, 1);
    }
    flip(&storage, &segment_at(starts[1]), SEGMENT_HEADER_SIZE + 500, 1);
    let report = verify(&storage).unwrap();
    let hole = |frame: usize, frames: usize| {
        let (from, offset) = (at(frame) as u64, frame as u64);
        ("frame", 0, (from, from + (frames * FRAME) as u64), (offset, offset + frames as u64))
    };
    let second = (SEGMENT_HEADER_SIZE as u64, (SEGMENT_HEADER_SIZE + FRAME) as u64);
    // Of two bad frames in a row the second one's header is good: its own fault.
    let expected =
        [hole(3, 1), hole(7, 1), hole(12, 1), hole(13, 1), ("frame", starts[1], second, (starts[1], starts[1] + 1))];
    assert_eq!(faults(&report), expected);
    assert_eq!(report.transactions, count - 5);
    assert!(report.segments[..3].iter().all(|segment| segment.sealed), "each was read to its end");
    assert!(report.segments[0].faults[0].evidence.contains(&segment_at(starts[1])), "{report:?}");
}

#[test]
fn missing_segments_are_reported_as_segments() {
    for gone in [&[1][..], &[1, 2], &[3], &[0, 1, 2, 3]] {
        let (storage, starts) = log();
        gone.iter().for_each(|number| storage.remove(&segment_at(starts[*number])).unwrap());
        let report = verify(&storage).unwrap();
        let found = faults(&report);
        let from = starts[gone[0]];
        match gone {
            // Nothing but the mark knows of the last one: the one before ends too early.
            [3] => assert!(found[0].0 == "frame" && found[0].3.0 == from, "{found:?}"),
            [0, ..] => assert_eq!((found[0].0, found[0].3), ("missing", (0, starts[3] + 1))),
            _ => {
                let to = starts[gone.last().unwrap() + 1];
                assert_eq!(found, [("missing", from, (0, 0), (from, to))]);
                assert_eq!(report.segments[1].name, segment_at(from));
            }
        }
    }
}

#[test]
fn a_segment_of_another_history_or_place_is_out_of_order() {
    let (storage, starts) = log();
    let (other, _) = log();
    let mut log = open(&other);
    append(&mut claim(&mut log), b"so that it has another chain");
    drop(log);
    let mut bytes = bytes_of(&storage, &segment_at(starts[2]));
    bytes[64] ^= 1;
    let crc = crate::damage::crc32c_of(&bytes[..SEGMENT_HEADER_SIZE - 4]);
    bytes[SEGMENT_HEADER_SIZE - 4..SEGMENT_HEADER_SIZE].copy_from_slice(&crc.to_le_bytes());
    overwrite(&storage, &segment_at(starts[2]), 0, &bytes);
    let report = verify(&storage).unwrap();
    let kinds: Vec<_> = faults(&report).iter().map(|fault| (fault.0, fault.1)).collect();
    assert_eq!(kinds[0], ("order", starts[2]));
    assert!(report.segments[2].faults[0].evidence.contains("chain is broken"), "{report:?}");
    storage.rename(&segment_at(starts[2]), &segment_at(starts[2] + 1)).unwrap();
    assert!(
        verify(&storage)
            .unwrap()
            .segments
            .iter()
            .flat_map(|segment| &segment.faults)
            .any(|fault| { fault.kind == "order" && fault.evidence.contains("belongs to") })
    );
}

#[test]
fn headers_footers_and_newer_frames_have_their_kinds() {
    let (whole, starts) = log();
    let footer_end = bytes_of(&whole, FIRST).iter().rposition(|byte| *byte != 0).unwrap();
    let kinds = |damage: &dyn Fn(&MemoryStorage)| {
        let storage = whole.copy();
        damage(&storage);
        faults(&verify(&storage).unwrap()).iter().map(|fault| (fault.0, fault.1)).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&|storage| flip(storage, &segment_at(starts[1]), 70, 2)), [("header", starts[1])]);
    assert_eq!(kinds(&|storage| flip(storage, FIRST, footer_end - 30, 2)), [("frame", 0)]);
    let no_footer = |storage: &MemoryStorage| overwrite(storage, FIRST, footer_end / 8 * 8 - 88, &[0; 96]);
    assert_eq!(kinds(&no_footer), [("seal", 0)]);
    let newer = |storage: &MemoryStorage| {
        let bytes = bytes_of(storage, FIRST);
        let mut header = bytes[START..START + FRAME_HEADER_SIZE].to_vec();
        header[4] = 2;
        let crc = crate::damage::crc32c_of(&[&bytes[96..112], &header[..148]].concat());
        header[148..].copy_from_slice(&crc.to_le_bytes());
        overwrite(storage, FIRST, START, &header);
    };
    assert_eq!(kinds(&newer), [("format", 0)]);
    let newer_segment = |storage: &MemoryStorage| {
        let mut header = bytes_of(storage, FIRST)[..SEGMENT_HEADER_SIZE].to_vec();
        header[8] = 2;
        let crc = crate::damage::crc32c_of(&header[..SEGMENT_HEADER_SIZE - 4]);
        header[SEGMENT_HEADER_SIZE - 4..].copy_from_slice(&crc.to_le_bytes());
        overwrite(storage, FIRST, 0, &header);
    };
    assert_eq!(kinds(&newer_segment), [("format", 0)]);
}

#[test]
fn a_torn_tail_behind_a_hole_is_told_from_the_hole() {
    let (storage, starts) = log();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    append(&mut writer, &[1; 1_000]);
    append(&mut writer, &[2; 1_000]);
    drop((writer, log));
    let last = segment_at(starts[3]);
    let bytes = bytes_of(&storage, &last);
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    flip(&storage, &last, SEGMENT_HEADER_SIZE + 300, 1);
    flip(&storage, &last, end, 0);
    let report = verify(&storage).unwrap();
    let from = SEGMENT_HEADER_SIZE as u64;
    assert_eq!(faults(&report), [("frame", starts[3], (from, from + FRAME as u64), (starts[3], starts[3] + 1))]);
    assert_eq!(report.segments[3].torn_tail_bytes, FRAME as u64);
}

/// The parts behind a lost one are lost with it; the transaction after them is not.
#[test]
fn a_transaction_that_lost_a_part_is_lost_whole() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    append(&mut writer, b"before");
    for part in Frame::split(1, &vec![9; 1_200_000]) {
        writer.append(writer.tail().position, &part);
    }
    writer.settle();
    // It is larger than a segment, and so in one of its own.
    let (large, next) = (segment_at(1), segment_at(2));
    append(&mut writer, b"after");
    seal(&mut writer);
    drop((writer, log));
    flip(&storage, &large, 5_000, 1);
    let report = verify(&storage).unwrap();
    let found = faults(&report);
    assert!(found.len() == 1 && found[0].3 == (1, 2), "{found:?}");
    assert_eq!((report.transactions, &report.segments[2].name), (2, &next));
}

#[test]
fn quarantined_bytes_are_told_and_are_no_fault() {
    let (storage, starts) = log();
    let last = segment_at(starts[3]);
    let size = bytes_of(&storage, &last).len();
    overwrite(&storage, &last, size - 200, b"torn");
    let (_, report) = LocalLog::open(storage.clone(), open_options()).unwrap();
    let verified = verify(&storage).unwrap();
    assert!(verified.is_ok());
    let notices = &verified.segments[3].notices;
    assert!(notices.len() == 1 && notices[0].kind == "quarantine", "{notices:?}");
    assert!(notices[0].text.contains(&report.quarantine.unwrap()));
}

/// A report of damage is bounded, however much there is.
#[test]
fn no_more_faults_are_listed_than_the_limit() {
    for (frames, listed) in [(MAX_FAULTS, MAX_FAULTS), (MAX_FAULTS + 1, MAX_FAULTS + 1)] {
        let storage = MemoryStorage::default();
        let options = interstice_log::local::OpenOptions { segment_size: 1 << 20, ..open_options() };
        let (mut log, _) = LocalLog::open(storage.clone(), options).unwrap();
        let mut writer = claim(&mut log);
        for offset in 0..2 * frames as u64 {
            writer.append(writer.tail().position, &Frame::transactions(offset, 1, vec![3; 8]));
        }
        writer.settle();
        seal(&mut writer);
        drop((writer, log));
        for frame in 0..frames {
            flip(&storage, FIRST, START + (2 * frame) * (FRAME_HEADER_SIZE + 8) + 30, 1);
        }
        let report = verify(&storage).unwrap();
        assert_eq!(report.segments[0].faults.len(), listed);
        let last = &report.segments[0].faults[listed - 1];
        assert_eq!(last.evidence.contains("was not looked at"), frames > MAX_FAULTS, "{last:?}");
    }
}

#[test]
fn a_segment_that_is_given_up_meanwhile_is_no_fault() {
    let inner = MemoryStorage::default();
    let mut log = open(&inner);
    let mut writer = claim(&mut log);
    (0..12).for_each(|number| append(&mut writer, &vec![number + 1; MIN_SEGMENT_SIZE as usize / 5]));
    let third = log.segments()[2].first_frame;
    // With the first read behind a header or a slot of the mark two segments go, one of which was listed and not yet opened.
    let trimming = Mutex::new(Some(log));
    let storage = HookedStorage::new(inner, move |operation| {
        if let Operation::Read { at: 4097.. } = operation
            && let Some(log) = trimming.lock().unwrap().take()
        {
            log.trim(third).unwrap();
        }
        Ok(())
    });
    let report = verify(&storage).unwrap();
    assert!(report.is_ok(), "{report:?}");
    assert!(report.segments[0].first_offset > 0, "it is told of what is left");
}
