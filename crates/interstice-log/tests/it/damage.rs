//! Damage: tails torn at every byte, bits flipped all over, headers forged by clients, syncs that fail.

use crate::support::{append, bytes_of, claim, open, open_options, payloads};
use interstice_log::frame::{Epoch, FRAME_HEADER_SIZE, Frame};
use interstice_log::local::{LocalLog, OpenError};
use interstice_log::log::{CommitLog, CommitLogWriter, Resolution};
use interstice_log::segment::SEGMENT_HEADER_SIZE;
use interstice_log::storage::hooked::{HookedStorage, Operation};
use interstice_log::storage::memory::MemoryStorage;
use interstice_log::storage::{Storage, StorageFile};
use interstice_log::verify::verify;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const SEGMENT: &str = "00000000000000000000.log";

fn storage_of(segment: &[u8]) -> MemoryStorage {
    let storage = MemoryStorage::default();
    storage.create(SEGMENT).unwrap().write_all_at(segment, 0).unwrap();
    storage
}

/// A log of `count` one-transaction frames, and where its frames end.
fn small_log(count: u8) -> (Vec<u8>, usize) {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    for n in 0..count {
        append(&mut writer, &[n; 40]);
    }
    drop((writer, log));
    let bytes = bytes_of(&storage, SEGMENT);
    let end = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
    (bytes, end.next_multiple_of(8))
}

#[test]
fn a_tail_torn_at_any_byte_of_the_last_frame_is_cut_and_kept() {
    let (whole, end) = small_log(4);
    let last = end - (FRAME_HEADER_SIZE + 40);
    for cut in last..end {
        let mut torn = whole.clone();
        torn[cut..].fill(0);
        if torn == whole {
            continue;
        }
        let storage = storage_of(&torn);
        let (mut log, report) = LocalLog::open(storage.clone(), open_options()).unwrap();
        assert_eq!(log.tail().next_offset, 3, "cut at {cut}");
        let used = torn[last..].iter().rev().skip_while(|byte| **byte == 0).count();
        assert_eq!(report.torn_tail_bytes, used as u64);
        match report.quarantine {
            Some(name) => assert_eq!(bytes_of(&storage, &name), torn[last..last + used]),
            None => assert_eq!(used, 0),
        }
        append(&mut claim(&mut log), b"next");
        assert_eq!(payloads(&log).len(), 4);
    }
}

/// Every eighth bit of header and frames. A frame that a later one proves durable may not be lost in silence.
#[test]
fn no_flipped_bit_loses_what_was_proven_durable() {
    let (whole, end) = small_log(6);
    let last_frame = end - (FRAME_HEADER_SIZE + 40);
    let (mut refused, mut cut) = (0, 0);
    for byte in (0..SEGMENT_HEADER_SIZE).step_by(64).chain(SEGMENT_HEADER_SIZE..end) {
        let mut damaged = whole.clone();
        damaged[byte] ^= 1 << (byte % 8);
        let storage = storage_of(&damaged);
        let verified = verify(&storage).unwrap();
        match LocalLog::open(storage.clone(), open_options()) {
            Ok((log, report)) if log.tail().next_offset < 6 => {
                assert!(byte >= last_frame, "byte {byte}: a proven frame was lost in silence");
                assert_eq!(log.tail().next_offset, 5);
                assert!(report.quarantine.is_some() && verified.is_ok());
                cut += 1;
            }
            Ok((log, _)) => assert_eq!(payloads(&log).len(), 6, "byte {byte}: only padding may change unseen"),
            Err(OpenError::Corrupt { .. } | OpenError::NewerFormat { .. }) => {
                assert!(!verified.is_ok(), "byte {byte}: verify must report what open refuses");
                assert_eq!(bytes_of(&storage, SEGMENT), damaged, "a refusal changes nothing");
                refused += 1;
            }
            Err(other) => panic!("byte {byte}: {other}"),
        }
    }
    assert!(refused > 500 && cut > 100, "{refused} refused, {cut} cut");
}

/// A client stores the bytes of a real frame as its payload; a torn tail over them must not take them for evidence.
#[test]
fn forged_frames_inside_of_payloads_prove_nothing() {
    let (whole, end) = small_log(3);
    let forged = whole[SEGMENT_HEADER_SIZE..end].to_vec();
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    append(&mut writer, b"first");
    append(&mut writer, &forged);
    drop((writer, log));
    let mut bytes = bytes_of(&storage, SEGMENT);
    let header_of_forged = SEGMENT_HEADER_SIZE + FRAME_HEADER_SIZE + FRAME_HEADER_SIZE + 8;
    bytes[header_of_forged + 20] ^= 1;
    let (log, report) = LocalLog::open(storage_of(&bytes), open_options()).unwrap();
    assert_eq!(payloads(&log), [b"first"]);
    assert!(report.torn_tail_bytes > forged.len() as u64);
}

/// Two logs with the same ids and salts: all that tells the frame of one from that of the other is what stands before it.
#[test]
fn a_frame_that_was_written_behind_another_one_is_refused() {
    let build = |payloads: [&[u8]; 3]| {
        let storage = MemoryStorage::default();
        let mut log = open(&storage);
        let mut writer = claim(&mut log);
        payloads.iter().for_each(|payload| append(&mut writer, payload));
        bytes_of(&storage, SEGMENT)
    };
    let (mut bytes, other) = (build([b"one", b"same", b"same"]), build([b"two", b"same", b"same"]));
    let second = SEGMENT_HEADER_SIZE + 2 * FRAME_HEADER_SIZE + 8;
    let end = second + FRAME_HEADER_SIZE + 8;
    bytes[second..end].copy_from_slice(&other[second..end]);
    let refused = LocalLog::open(storage_of(&bytes), open_options()).map(|_| ());
    let chain = |error: &OpenError| error.to_string().contains("the chain is broken");
    assert!(refused.as_ref().is_err_and(chain), "a frame of another log passes: {refused:?}");
}

#[test]
fn a_missing_segment_and_a_cut_sealed_one_are_refused() {
    let build = || {
        let storage = MemoryStorage::default();
        let mut log = open(&storage);
        let mut writer = claim(&mut log);
        (0..16).for_each(|n| append(&mut writer, &[n; 9_000]));
        let names: Vec<_> = log.segments().iter().map(|segment| segment.name()).collect();
        (storage, names)
    };
    let (storage, names) = build();
    storage.remove(&names[1]).unwrap();
    assert!(matches!(LocalLog::open(storage, open_options()).map(|_| ()), Err(OpenError::Corrupt { .. })));
    let (storage, names) = build();
    let mut bytes = bytes_of(&storage, &names[1]);
    let end = bytes.len();
    bytes[end / 2..].fill(0);
    storage.create(&names[1]).unwrap().write_all_at(&bytes, 0).unwrap();
    assert!(matches!(LocalLog::open(storage, open_options()).map(|_| ()), Err(OpenError::Corrupt { .. })));
}

#[test]
fn a_transaction_without_its_last_part_is_cut_whole() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    append(&mut writer, b"whole");
    let parts = Frame::split(1, &vec![9; 1_200_000]);
    for part in &parts[..2] {
        let position = writer.tail().position;
        writer.append(position, part);
    }
    writer.settle();
    drop((writer, log));
    let log = open(&storage);
    assert_eq!(payloads(&log), [b"whole"]);
    assert_eq!(log.tail().next_offset, 1);
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let (mut bytes, _) = small_log(1);
    bytes[8] = 2;
    let crc = crc32c_of(&bytes[..SEGMENT_HEADER_SIZE - 4]);
    bytes[SEGMENT_HEADER_SIZE - 4..SEGMENT_HEADER_SIZE].copy_from_slice(&crc.to_le_bytes());
    let storage = storage_of(&bytes);
    let refused = LocalLog::open(storage.clone(), open_options());
    assert!(matches!(refused.map(|_| ()), Err(OpenError::NewerFormat { found: 2, .. })));
    assert_eq!(bytes_of(&storage, SEGMENT), bytes);
}

/// CRC32C, bit by bit, so that the test does not trust the code that it tests.
pub(crate) fn crc32c_of(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0_u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[test]
fn after_a_failed_sync_nothing_more_is_tried() {
    let (inner, broken) = (MemoryStorage::default(), Arc::new(AtomicBool::new(false)));
    let is_broken = Arc::clone(&broken);
    let storage = HookedStorage::new(inner.clone(), move |operation| {
        let fails = operation == Operation::Sync && is_broken.load(Ordering::SeqCst);
        if fails { Err(io::Error::other("broken")) } else { Ok(()) }
    });
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    // Behind the second one the mark of this segment is written: what fails then is the frame itself.
    append(&mut writer, b"durable");
    append(&mut writer, b"durable");
    broken.store(true, Ordering::SeqCst);
    writer.append(writer.tail().position, &Frame::transactions(2, 1, b"lost?".to_vec()));
    assert!(matches!(writer.settle()[..], [(_, Resolution::Indeterminate { .. })]));
    broken.store(false, Ordering::SeqCst);
    let before = bytes_of(&inner, SEGMENT);
    writer.append(writer.tail().position, &Frame::transactions(3, 1, b"after".to_vec()));
    assert!(matches!(writer.settle()[..], [(_, Resolution::Poisoned)]));
    let tail = log.tail();
    assert_eq!(tail.next_offset, 2);
    assert!(log.claim(tail.position, Epoch(99)).is_err(), "the log stays fenced");
    drop((writer, log));
    assert_eq!(bytes_of(&inner, SEGMENT), before, "nothing was flushed on the way out");
    assert_eq!(open(&storage).tail().next_offset, 3, "after a restart the unproven frame is made durable and served");
}
