//! The log, driven through its public surface: conformance, recovery, damage, fences, limits.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bits;
mod damage;
mod directory;
mod keeping;
mod mark;
#[cfg(feature = "planted")]
mod planted;
#[cfg(feature = "planted")]
#[path = "../../../../fixtures/planted.rs"]
mod planted_again;
mod salvaging;
mod spares;
mod support;
mod torn;
mod verifying;
mod writers;

#[cfg(feature = "conformance")]
use interstice_log::conformance;
#[cfg(feature = "conformance")]
use interstice_log::frame::Lineage;
use interstice_log::frame::{Frame, MAX_FRAME_PAYLOAD, Position};
use interstice_log::local::{LocalLog, MIN_SEGMENT_SIZE};
use interstice_log::log::{CommitLog, CommitLogWriter, Resolution};
#[cfg(feature = "conformance")]
use interstice_log::memory::MemoryLog;
use interstice_log::storage::memory::MemoryStorage;
use support::{append, claim, open, open_options, payloads};

#[cfg(feature = "conformance")]
#[test]
fn the_memory_log_conforms() {
    conformance::all(|| MemoryLog::new(Lineage([3; 16])));
}

#[cfg(feature = "conformance")]
#[test]
fn the_local_log_conforms() {
    conformance::all(|| open(&MemoryStorage::default()));
}

#[test]
fn a_reopened_log_has_everything_and_goes_on() {
    let storage = MemoryStorage::default();
    for round in 0..4_u64 {
        let mut log = open(&storage);
        assert_eq!(log.tail().next_offset, round * 3);
        let mut writer = claim(&mut log);
        for n in 0..3 {
            append(&mut writer, &[round as u8, n]);
        }
    }
    let expected: Vec<Vec<u8>> = (0..4).flat_map(|round| (0..3).map(move |n| vec![round, n])).collect();
    assert_eq!(payloads(&open(&storage)), expected);
}

#[test]
fn segments_rotate_by_size_and_read_as_one() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    let payload = vec![5; 10_000];
    for _ in 0..20 {
        append(&mut writer, &payload);
    }
    drop((writer, log));
    let log = open(&storage);
    assert!(log.segments().len() > 4, "{} segments", log.segments().len());
    assert_eq!(payloads(&log), vec![payload; 20]);
    assert_eq!(log.read(Position(9)).unwrap().count() as u64, log.tail().position.0 - 9);
}

#[test]
fn a_payload_may_have_the_limit_and_not_one_byte_more() {
    let mut log = open(&MemoryStorage::default());
    let mut writer = claim(&mut log);
    append(&mut writer, &vec![1; MAX_FRAME_PAYLOAD]);
    assert_eq!(payloads(&log)[0].len(), MAX_FRAME_PAYLOAD);
    let too_long = Frame::transactions(1, 1, vec![1; MAX_FRAME_PAYLOAD + 1]);
    let position = writer.tail().position;
    writer.append(position, &too_long);
    assert!(matches!(writer.settle()[..], [(_, Resolution::Fenced { .. })]));
    assert_eq!(log.tail().next_offset, 1);
}

#[test]
fn trimming_removes_whole_segments_only() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    for _ in 0..20 {
        append(&mut writer, &vec![5; (MIN_SEGMENT_SIZE / 3) as usize]);
    }
    let before = log.segments();
    let cut = Position(before[2].first_frame.0 + 1);
    log.trim(cut).unwrap();
    assert_eq!(log.segments()[0], before[2]);
    assert!(log.read(Position(0)).is_err());
}

#[test]
fn a_second_open_is_refused() {
    let storage = MemoryStorage::default();
    let _log = open(&storage);
    let second = LocalLog::open(storage, open_options());
    assert!(matches!(second.map(|_| ()), Err(interstice_log::local::OpenError::InUse)));
}
