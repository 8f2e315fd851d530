//! Writers that replace each other, segments that end at awkward moments, bytes that are fixed for good.

use crate::support::{append, append_for_receipt, bytes_of, claim, failing, open, open_options, payloads};
use interstice_log::frame::{Epoch, FRAME_HEADER_SIZE, Frame, FrameKind, Position};
use interstice_log::local::{LocalLog, MIN_SEGMENT_SIZE, OpenError};
use interstice_log::log::{ClaimError, CommitLog, CommitLogWriter, ReadError, Resolution, Standing};
use interstice_log::segment::{FOOTER_SIZE, SEGMENT_HEADER_SIZE};
use interstice_log::storage::memory::MemoryStorage;
use interstice_log::storage::{Storage, StorageFile};
use interstice_log::verify::verify;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::SeqCst;

pub(crate) const FIRST: &str = "00000000000000000000.log";
/// Four of these fill a segment.
pub(crate) const QUARTER: usize = MIN_SEGMENT_SIZE as usize / 4;

fn files(storage: &MemoryStorage) -> BTreeMap<String, Vec<u8>> {
    let names = storage.list().unwrap().into_iter();
    names.map(|name| (name.clone(), bytes_of(storage, &name))).collect()
}

fn storage_of(files: &BTreeMap<String, Vec<u8>>) -> MemoryStorage {
    let storage = MemoryStorage::default();
    files.iter().for_each(|(name, bytes)| storage.create(name).unwrap().write_all_at(bytes, 0).unwrap());
    storage
}

/// A writer whose pipeline crossed a segment's end is replaced: what that made durable says so, the rest is void.
#[test]
fn a_claim_after_an_unsettled_rotation_finds_the_true_end() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut stale = claim(&mut log);
    let before = log.tail().position;
    for offset in 0..6 {
        stale.append(stale.tail().position, &Frame::transactions(offset, 1, vec![1; QUARTER]));
    }
    assert!(matches!(log.claim(before, Epoch(7)).map(|_| ()), Err(ClaimError::WrongTail { .. })));
    let durable = log.tail();
    assert!(durable.next_offset > 0 && durable.next_offset < 6, "the segment ended in between");
    let mut writer = log.claim(durable.position, Epoch(7)).unwrap();
    append(&mut writer, b"new");
    for (number, (_, resolution)) in stale.settle().into_iter().enumerate() {
        let is_durable = matches!(resolution, Resolution::Durable(_));
        assert_eq!(is_durable, (number as u64) < durable.next_offset, "append {number}: {resolution:?}");
    }
    drop((writer, stale, log));
    assert_eq!(open(&storage).tail().next_offset, durable.next_offset + 1);
    assert!(verify(&storage).unwrap().is_ok());
}

#[test]
fn a_transaction_that_a_replaced_writer_left_half_done_does_not_spoil_a_segment() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut stale = claim(&mut log);
    append(&mut stale, b"whole");
    let parts = Frame::split(1, &vec![9; 1_200_000]);
    stale.append(stale.tail().position, &parts[0]);
    stale.settle();
    let mut writer = claim(&mut log);
    append(&mut writer, b"after");
    drop((writer, stale, log));
    let log = open(&storage);
    assert!(log.segments().len() > 1);
    assert_eq!(log.tail().next_offset, 2);
    assert_eq!(payloads(&log).last().unwrap(), b"after");
}

#[test]
fn a_large_transaction_lies_in_one_segment() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    for offset in 0..2 {
        for part in Frame::split(offset, &vec![9; 1_200_000]) {
            writer.append(writer.tail().position, &part);
        }
        writer.settle();
    }
    let offsets: Vec<_> = log.segments().iter().map(|segment| segment.first_offset).collect();
    assert_eq!(offsets, [0, 1]);
}

/// The last segment is sealed, its successor has no name yet: only the footer proves the last frame.
fn sealed_last_segment() -> BTreeMap<String, Vec<u8>> {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    while log.segments().len() == 1 {
        append(&mut writer, &[4; QUARTER]);
    }
    drop((writer, log));
    let mut files = files(&storage);
    files.retain(|name, _| name == FIRST);
    files
}

#[test]
fn a_footer_proves_the_frames_before_it() {
    let whole = sealed_last_segment();
    let bytes = &whole[FIRST];
    let end = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
    let footer = end - FOOTER_SIZE;
    let mut files = whole.clone();
    files.get_mut(FIRST).unwrap()[footer - 100] ^= 1;
    let storage = storage_of(&files);
    assert!(!verify(&storage).unwrap().is_ok());
    assert!(matches!(LocalLog::open(storage, open_options()).map(|_| ()), Err(OpenError::Corrupt { .. })));
    let storage = storage_of(&whole);
    let mut log = open(&storage);
    let offset = log.tail().next_offset;
    append(&mut claim(&mut log), b"goes on");
    drop(log);
    assert_eq!(open(&storage).segments()[1].first_offset, offset);
}

#[test]
fn what_stands_behind_a_hole_is_quarantined() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    append(&mut writer, b"kept");
    for offset in 1..3 {
        writer.append(writer.tail().position, &Frame::transactions(offset, 1, vec![8; 1000]));
    }
    writer.settle();
    drop((writer, log));
    let mut files = files(&storage);
    let hole = SEGMENT_HEADER_SIZE + 2 * FRAME_HEADER_SIZE + 8;
    files.get_mut(FIRST).unwrap()[hole..hole + 1152].fill(0);
    let storage = storage_of(&files);
    let (log, report) = LocalLog::open(storage.clone(), open_options()).unwrap();
    assert_eq!(log.tail().next_offset, 1);
    assert_eq!(bytes_of(&storage, &report.quarantine.unwrap()).len() as u64, report.torn_tail_bytes);
    assert!(bytes_of(&storage, FIRST)[hole..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_read_that_ends_early_says_so() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    append(&mut claim(&mut log), b"gone");
    storage.open(FIRST).unwrap().write_all_at(&[0; 300], SEGMENT_HEADER_SIZE as u64).unwrap();
    let frames: Result<Vec<_>, _> = log.read(Position(0)).unwrap().collect();
    assert!(matches!(frames, Err(ReadError::Corrupt { .. })));
}

#[test]
fn verify_survives_a_segment_with_a_wrong_name() {
    let mut files = sealed_last_segment();
    let bytes = files.remove(FIRST).unwrap();
    files.insert("00000000000000004000.log".to_owned(), bytes);
    assert!(!verify(&storage_of(&files)).unwrap().is_ok());
}

#[test]
fn reading_changes_nothing_and_spares_go_with_the_next_open() {
    let storage = MemoryStorage::default();
    append(&mut claim(&mut open(&storage)), b"one");
    storage.create("spare-00000000000000000009").unwrap();
    storage.open(FIRST).unwrap().write_all_at(b"torn", SEGMENT_HEADER_SIZE as u64 + 312).unwrap();
    let before = files(&storage);
    assert_eq!(payloads(&LocalLog::open_read_only(storage.clone()).unwrap()), [b"one"]);
    assert!(verify(&storage).unwrap().is_ok());
    assert_eq!(files(&storage), before);
    open(&storage);
    assert!(storage.list().unwrap().iter().all(|name| !name.starts_with("spare-")));
}

#[test]
fn the_bytes_of_a_frame_header_are_fixed() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    append(&mut writer, b"hello");
    writer.append(writer.tail().position, &Frame::marker(FrameKind::Seal, 1));
    writer.settle();
    let bytes = bytes_of(&storage, FIRST);
    let at = SEGMENT_HEADER_SIZE + FRAME_HEADER_SIZE;
    let header = bytes[at..at + FRAME_HEADER_SIZE].iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    assert_eq!(header, GOLDEN);
}

const GOLDEN: &str = "4953465201009800000300000000000001000000000000000202020202020202020202020202\
    0202010000000000000098100000000000000000000000000000010000000500000000000000\
    000000001b8740254533b00901a62d36925cbfe70fea64c4205f37a95e41bbb5bdd93423be84\
    bfbea54d29dd92c397ba3112db243d0fbb95c7e048836b09e7e692a04ae11c02de69efcd7450";

#[test]
fn a_full_disk_loses_nothing_and_the_log_goes_on_when_there_is_space() {
    let (storage, failing) = failing();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    failing.full.store(true, SeqCst);
    for offset in 0..6 {
        writer.append(writer.tail().position, &Frame::transactions(offset, 1, vec![1; QUARTER]));
    }
    let resolved = writer.settle();
    let durable = resolved.iter().take_while(|(_, resolution)| matches!(resolution, Resolution::Durable(_))).count();
    assert!(durable > 0 && resolved[durable].1.is_out_of_space());
    assert!(resolved[durable + 1..].iter().all(|(_, resolution)| *resolution == Resolution::Poisoned));
    assert_eq!(log.tail().next_offset, durable as u64);
    let tail = log.tail();
    assert!(log.claim(tail.position, Epoch(7)).is_err(), "still full");
    failing.full.store(false, SeqCst);
    append(&mut log.claim(tail.position, Epoch(8)).unwrap(), b"space again");
    drop((writer, log));
    assert_eq!(open(&storage).tail().next_offset, durable as u64 + 1);
}

#[test]
fn a_read_error_is_not_a_torn_tail() {
    let (storage, failing) = failing();
    append(&mut claim(&mut open(&storage)), b"one");
    let before = files(&failing.inner);
    failing.unreadable.store(true, SeqCst);
    assert!(matches!(LocalLog::open(storage.clone(), open_options()).map(|_| ()), Err(OpenError::Io { .. })));
    assert_eq!(files(&failing.inner), before);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Whatever is written over a log, opening neither panics nor loses in silence what it still proves durable.
    #[test]
    fn no_damage_panics(at in 0_usize..12_000, bytes in proptest::collection::vec(proptest::num::u8::ANY, 1..600)) {
        let mut files = sealed_last_segment();
        let whole = open(&storage_of(&files)).tail().next_offset;
        let segment = files.get_mut(FIRST).unwrap();
        let end = (at + bytes.len()).min(segment.len());
        segment[at..end].copy_from_slice(&bytes[..end - at]);
        let storage = storage_of(&files);
        let verified = verify(&storage).unwrap();
        match LocalLog::open(storage, open_options()) {
            Ok((log, _)) => proptest::prop_assert_eq!(log.tail().next_offset, whole),
            Err(_) => proptest::prop_assert!(!verified.is_ok()),
        }
    }
}

/// Somebody trims the log while somebody else reads it.
#[test]
fn what_is_given_up_while_it_is_read_is_said_to_be() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    let receipt = append_for_receipt(&mut writer, &[1; QUARTER]);
    while log.segments().len() < 4 {
        append(&mut writer, &[1; QUARTER]);
    }
    let beside = LocalLog::open_read_only(storage.clone()).unwrap();
    let mut frames = beside.read(Position(0)).unwrap();
    let third = log.segments()[2].first_frame;
    log.trim(third).unwrap();
    let error = frames.next().unwrap().unwrap_err();
    assert!(matches!(error, ReadError::Trimmed { first, .. } if first == third), "{error}");
    assert_eq!(beside.standing(&receipt).unwrap(), Standing::Unverifiable);
    // One that is missing in the middle was not given up.
    storage.remove(&log.segments()[1].name()).unwrap();
    let gap = LocalLog::read(&log, third).unwrap().find_map(Result::err).unwrap();
    assert!(matches!(gap, ReadError::Io { .. }), "{gap}");
}
