//! The mark: its bytes, what it proves, what becomes of it when it is damaged, foreign, newer, unreadable or cannot be written.

use crate::support::{append, bytes_of, claim, flip, open, open_options, overwrite, payloads, seal, segment_at};
use crate::writers::{FIRST, QUARTER};
use interstice_log::frame::{Epoch, Frame, Lineage, Position};
use interstice_log::local::{LocalLog, OpenError, OpenOptions};
use interstice_log::log::{ClaimError, CommitLog, CommitLogWriter, Resolution};
use interstice_log::mark::{MARK_NAME, MARK_SIZE};
use interstice_log::segment::{LogId, SEGMENT_HEADER_SIZE};
use interstice_log::storage::hooked::{HookedStorage, Operation};
use interstice_log::storage::memory::MemoryStorage;
use interstice_log::storage::{Storage, StorageFile};
use interstice_log::verify::verify;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

const SLOTS: [usize; 2] = [0, 4096];

/// Refused as corrupt: the segment and the text.
fn refusal(storage: &MemoryStorage) -> (String, String) {
    let before = verify(storage).unwrap();
    assert!(!before.is_ok(), "verify reports what opening refuses");
    match LocalLog::open(storage.clone(), open_options()).map(|_| ()) {
        Err(OpenError::Corrupt { segment, reason, evidence, .. }) => (segment, format!("{reason}; {evidence}")),
        other => panic!("not refused as corrupt: {other:?}"),
    }
}

/// Two segments, the second one with two transactions; the log was idle at the end, or was not.
fn two_segments(idle: bool) -> (MemoryStorage, u64) {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    while log.segments().len() == 1 {
        append(&mut writer, &[4; QUARTER]);
    }
    append(&mut writer, b"newest");
    if idle {
        seal(&mut writer);
    }
    let second = log.segments()[1].first_offset;
    (storage, second)
}

#[test]
fn the_bytes_of_a_mark_are_fixed() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    append(&mut writer, b"hello");
    seal(&mut writer);
    let bytes = bytes_of(&storage, MARK_NAME);
    assert_eq!(bytes.len(), MARK_SIZE);
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let newest = &bytes[4096..4608];
    assert_eq!(
        hex(&newest[..104]),
        GOLDEN,
        "two from opening, one for the segment, and one for the seal in the second slot"
    );
    assert_eq!(hex(&newest[508..]), GOLDEN_CRC);
    assert_eq!(newest[508..], crate::damage::crc32c_of(&newest[..508]).to_le_bytes());
    assert_eq!((bytes[48], bytes[56]), (2, 1), "the one for the segment knows its first transaction");
    assert!(bytes[104..508].iter().chain(&bytes[512..4096]).chain(&bytes[4200..4604]).all(|byte| *byte == 0));
    assert!(bytes[4608..].iter().all(|byte| *byte == 0));
}

const GOLDEN: &str = "4953544d41524b31010000000000000001010101010101010101010101010101020202020202\
    020202020202020202020300000000000000010000000000000003000000000000002e6d0b70\
    81f671c87b6c41702b320ae3e4129fdce0ed2ba331cd89a9f4f730a0";
const GOLDEN_CRC: &str = "582f3bc2";

#[test]
fn a_last_segment_that_is_gone_or_cut_is_found_once_the_log_was_idle() {
    let (storage, second) = two_segments(true);
    let name = segment_at(second);
    storage.remove(&name).unwrap();
    let (segment, text) = refusal(&storage);
    assert_eq!(segment, FIRST);
    assert!(text.contains("`durable.mark`, at byte 0, proves"), "{text}");

    let (storage, _) = two_segments(true);
    let size = bytes_of(&storage, &name).len();
    overwrite(&storage, &name, SEGMENT_HEADER_SIZE, &vec![0; size - SEGMENT_HEADER_SIZE]);
    let (segment, text) = refusal(&storage);
    assert_eq!(segment, name);
    assert!(text.contains("durable.mark"), "{text}");
}

/// Also a log that never pauses marks each segment once, behind the first transactions in it.
#[test]
fn a_segment_that_is_gone_is_missed_though_the_log_was_never_idle() {
    let (storage, second) = two_segments(false);
    storage.remove(&segment_at(second)).unwrap();
    let (segment, text) = refusal(&storage);
    assert_eq!(segment, FIRST);
    assert!(text.contains(&format!("proves {} transactions", second + 1)), "{text}");
    storage.remove(FIRST).unwrap();
    assert!(refusal(&storage).1.contains("there is no segment"));
    // Nor a log of a single segment.
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    append(&mut writer, b"one");
    append(&mut writer, b"two");
    storage.remove(FIRST).unwrap();
    drop((writer, log));
    assert!(refusal(&storage).1.contains("there is no segment"));
}

/// A segment is marked whoever wrote the first transactions in it, and also if the log was idle before there were any.
#[test]
fn a_segment_is_marked_whoever_writes_it() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    seal(&mut writer);
    append(&mut writer, b"one");
    append(&mut claim(&mut log), b"two");
    drop(log);
    storage.remove(FIRST).unwrap();
    assert!(refusal(&storage).1.contains("proves 1 transactions"));
}

/// The mark of a segment fails: what waits then is not acknowledged, and nothing more is.
#[test]
fn a_mark_that_fails_under_load_fences_the_writer() {
    let inner = MemoryStorage::default();
    let (storage, at, seen) = failing_at(&inner, |operation| operation == Operation::Sync);
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    append(&mut writer, b"durable");
    at.store(seen.load(SeqCst), SeqCst);
    let tail = writer.tail();
    writer.append(tail.position, &Frame::transactions(1, 1, b"waits".to_vec()));
    assert!(matches!(writer.settle()[..], [(_, Resolution::Indeterminate { .. })]));
    drop((writer, log));
    assert_eq!(payloads(&open(&inner)), [b"durable"], "its frame was not even written");
}

#[test]
fn a_mark_without_any_segment_is_refused_if_there_were_transactions() {
    let (storage, second) = two_segments(true);
    storage.remove(FIRST).unwrap();
    storage.remove(&segment_at(second)).unwrap();
    assert!(refusal(&storage).1.contains("there is no segment"));
    let storage = MemoryStorage::default();
    drop(open(&storage));
    storage.remove(FIRST).unwrap();
    assert!(verify(&storage).unwrap().is_ok());
    assert_eq!(open(&storage).tail().next_offset, 0, "nothing was in it");
}

#[test]
fn one_slot_is_enough_and_none_is_no_evidence() {
    let (whole, second) = two_segments(true);
    for slot in SLOTS {
        let storage = whole.copy();
        overwrite(&storage, MARK_NAME, slot, &[7; 512]);
        let verified = verify(&storage).unwrap();
        assert!(
            verified.is_ok() && verified.segments[1].notices[0].text.contains(&format!("byte {slot}")),
            "{verified:?}"
        );
        let (_, report) = LocalLog::open(storage.copy(), open_options()).unwrap();
        assert!(report.mark.unwrap().contains("the other one counts"));
        storage.remove(&segment_at(second)).unwrap();
        let opened = LocalLog::open(storage.copy(), open_options());
        assert!(opened.is_err(), "slot {slot}: the other one knows of the segment");
    }
    for size in [MARK_SIZE, 4608, 100] {
        let storage = whole.copy();
        storage.create(MARK_NAME).unwrap().write_all_at(&vec![7; size], 0).unwrap();
        let fault = verify(&storage).unwrap().segments[1].faults[0].clone();
        assert_eq!(fault.kind, "mark");
        let (log, report) = LocalLog::open(storage.clone(), open_options()).unwrap();
        assert!(report.mark.unwrap().contains("both slots are damaged"));
        let tail = log.tail();
        drop(log);
        assert!(verify(&storage).unwrap().is_ok(), "it was written anew");
        let (log, report) = LocalLog::open(storage, open_options()).unwrap();
        assert_eq!((report.mark, log.tail()), (None, tail));
    }
}

#[test]
fn a_log_from_before_there_was_a_mark_opens_and_gets_one() {
    let (storage, _) = two_segments(true);
    storage.remove(MARK_NAME).unwrap();
    let verified = verify(&storage).unwrap();
    assert!(verified.is_ok() && verified.segments[1].notices[0].kind == "mark");
    let (_, report) = LocalLog::open(storage.clone(), open_options()).unwrap();
    assert!(report.mark.unwrap().contains("not there"));
    assert_eq!(bytes_of(&storage, MARK_NAME).len(), MARK_SIZE);
}

/// The mark of another log, and that of another history of this log, prove nothing here, however much they say.
#[test]
fn a_foreign_mark_does_not_count() {
    for options in [
        OpenOptions { log_id: LogId([8; 16]), ..open_options() },
        OpenOptions { lineage: Lineage([8; 16]), ..open_options() },
    ] {
        let other = MemoryStorage::default();
        let (mut log, _) = LocalLog::open(other.clone(), options).unwrap();
        let mut writer = claim(&mut log);
        (0..90).for_each(|n| append(&mut writer, &[n]));
        seal(&mut writer);
        let (storage, _) = two_segments(true);
        let count = verify(&storage).unwrap().transactions;
        overwrite(&storage, MARK_NAME, 0, &bytes_of(&other, MARK_NAME));
        assert_eq!(verify(&storage).unwrap().segments[1].faults[0].kind, "mark");
        let (log, report) = LocalLog::open(storage.clone(), open_options()).unwrap();
        assert_eq!(log.tail().next_offset, count);
        assert!(report.mark.unwrap().contains("another log or history"));
        drop(log);
        assert_eq!(LocalLog::open(storage, open_options()).unwrap().1.mark, None);
    }
}

/// A log that was put back from a copy and then went on is not the one that the mark was written for.
#[test]
fn a_log_with_other_frames_than_the_marked_ones_is_refused() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    append(&mut claim(&mut log), b"common");
    drop(log);
    let copy = storage.copy();
    for (storage, text) in [(&storage, b"one"), (&copy, b"two")] {
        let mut log = open(storage);
        let mut writer = claim(&mut log);
        append(&mut writer, text);
        seal(&mut writer);
        append(&mut writer, b"more");
    }
    overwrite(&storage, MARK_NAME, 0, &bytes_of(&copy, MARK_NAME));
    let (segment, text) = refusal(&storage);
    assert_eq!(segment, FIRST);
    assert!(text.contains("was written for another frame"), "{text}");
}

#[test]
fn a_newer_mark_is_refused_and_left_alone() {
    let (storage, _) = two_segments(true);
    let mut slot = bytes_of(&storage, MARK_NAME)[..512].to_vec();
    slot[8] = 2;
    let crc = crate::damage::crc32c_of(&slot[..508]);
    slot[508..].copy_from_slice(&crc.to_le_bytes());
    overwrite(&storage, MARK_NAME, 0, &slot);
    let before = bytes_of(&storage, MARK_NAME);
    let refused = LocalLog::open(storage.clone(), open_options()).map(|_| ());
    assert!(
        matches!(&refused, Err(OpenError::NewerFormat { segment, found: 2 }) if segment == MARK_NAME),
        "{refused:?}"
    );
    assert!(verify(&storage).unwrap().segments[1].faults.iter().any(|fault| fault.kind == "format"));
    assert_eq!(bytes_of(&storage, MARK_NAME), before);
}

/// Storage of which operation number `at` fails, counted over those that `counts` picks; and how many there were.
fn failing_at(
    inner: &MemoryStorage,
    counts: fn(Operation) -> bool,
) -> (HookedStorage<MemoryStorage>, Arc<AtomicU64>, Arc<AtomicU64>) {
    let (at, seen) = (Arc::new(AtomicU64::new(u64::MAX)), Arc::new(AtomicU64::new(0)));
    let (fails_at, counted) = (Arc::clone(&at), Arc::clone(&seen));
    let storage = HookedStorage::new(inner.clone(), move |operation| {
        let fails = counts(operation) && counted.fetch_add(1, SeqCst) == fails_at.load(SeqCst);
        if fails { Err(io::Error::other("broken")) } else { Ok(()) }
    });
    (storage, at, seen)
}

/// The seal of a segment that has no mark yet writes one, then the frame, then another mark, and syncs each: whichever fails,
/// nothing is written any more.
#[test]
fn a_mark_that_cannot_be_written_fences_the_writer() {
    let changes = |operation| matches!(operation, Operation::Write { .. } | Operation::Sync);
    let steps = ["mark", "sync of the mark", "frame", "sync of the frame", "second mark", "sync of the second mark"];
    for (step, what) in steps.iter().enumerate() {
        let inner = MemoryStorage::default();
        let (storage, at, seen) = failing_at(&inner, changes);
        let mut log = open(&storage);
        let mut writer = claim(&mut log);
        append(&mut writer, b"durable");
        at.store(seen.load(SeqCst) + step as u64, SeqCst);
        assert!(matches!(writer.seal()[..], [(_, Resolution::Indeterminate { .. })]), "{what}");
        let after = seen.load(SeqCst);
        writer.append(writer.tail().position, &Frame::transactions(1, 1, b"after".to_vec()));
        assert!(matches!(writer.settle()[..], [(_, Resolution::Poisoned)]), "{what}");
        assert!(matches!(writer.seal()[..], [(_, Resolution::Poisoned)]), "{what}");
        let tail = log.tail();
        assert!(
            matches!(log.claim(tail.position, Epoch(99)).map(|_| ()), Err(ClaimError::NotWritable { .. })),
            "{what}"
        );
        drop((writer, log));
        assert_eq!(seen.load(SeqCst), after, "{what}: something was tried again");
        assert_eq!(payloads(&open(&inner)), [b"durable"], "{what}");
    }
}

/// What waits when the log is sealed stays durable if only the mark fails.
#[test]
fn what_was_synced_before_a_mark_failed_is_durable() {
    let inner = MemoryStorage::default();
    let (storage, at, seen) = failing_at(&inner, |operation| operation == Operation::Sync);
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    writer.append(writer.tail().position, &Frame::transactions(0, 1, b"waits".to_vec()));
    at.store(seen.load(SeqCst) + 1, SeqCst);
    let resolved = writer.seal();
    assert!(
        matches!(resolved[..], [(_, Resolution::Durable(_)), (_, Resolution::Indeterminate { .. })]),
        "{resolved:?}"
    );
}

/// Every read of opening fails once: refused as a fault, and nothing is changed.
#[test]
fn a_read_error_is_never_taken_for_damage() {
    let (inner, _) = two_segments(true);
    let (storage, at, seen) = failing_at(&inner, |operation| matches!(operation, Operation::Read { .. }));
    verify(&storage).unwrap();
    let files = |storage: &MemoryStorage| {
        let mut names = storage.list().unwrap();
        names.sort();
        names.into_iter().map(|name| (bytes_of(storage, &name), name)).collect::<Vec<_>>()
    };
    let before = files(&inner);
    // As many as the two slots, and of each segment the header, four frames at least and what is behind.
    for number in 0..16 {
        at.store(seen.load(SeqCst) + number, SeqCst);
        let opened = LocalLog::open(storage.clone(), open_options()).map(|_| ());
        assert!(matches!(opened, Err(OpenError::Io { .. })), "read {number}: {opened:?}");
        assert_eq!(files(&inner), before, "read {number}");
        at.store(seen.load(SeqCst) + number, SeqCst);
        assert!(
            verify(&storage)
                .unwrap()
                .segments
                .iter()
                .flat_map(|segment| &segment.faults)
                .any(|fault| fault.kind == "io")
        );
    }
}

/// A reader looks while the writer works: whatever it sees at any moment opens, and holds what was durable before it looked.
#[test]
fn a_reader_beside_a_writer_sees_a_log_that_its_mark_does_not_contradict() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    let done = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        let (storage, durable) = (storage.clone(), Arc::clone(&done));
        scope.spawn(move || {
            let mut looks = 0;
            while durable.load(SeqCst) < 200 || looks < 50 {
                let before = durable.load(SeqCst);
                let read =
                    LocalLog::open_read_only(storage.clone()).unwrap_or_else(|error| panic!("{before}: {error}"));
                assert!(read.tail().next_offset >= before);
                looks += 1;
            }
        });
        for n in 0..200_u64 {
            append(&mut writer, &vec![n as u8; 700]);
            if n % 3 == 0 {
                seal(&mut writer);
            }
            done.store(n + 1, SeqCst);
        }
    });
    assert!(log.segments().len() > 3);
}

/// A seal that is lost with nothing behind it costs no transaction; the marks that knew it are written anew before anything
/// else, so that none of them contradicts what comes in its place.
#[test]
fn no_mark_outlives_a_seal_that_was_cut() {
    let storage = MemoryStorage::default();
    let mut log = open(&storage);
    let mut writer = claim(&mut log);
    append(&mut writer, b"one");
    seal(&mut writer);
    seal(&mut writer);
    drop((writer, log));
    let bytes = bytes_of(&storage, FIRST);
    let end = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
    flip(&storage, FIRST, end - 20, 3);
    let (mut log, report) = LocalLog::open(storage.clone(), open_options()).unwrap();
    assert!(report.torn_tail_bytes > 0 && report.mark.is_none());
    append(&mut claim(&mut log), b"two");
    drop(log);
    for slot in SLOTS {
        let storage = storage.copy();
        overwrite(&storage, MARK_NAME, slot, &[0; 512]);
        assert_eq!(payloads(&open(&storage)), [b"one", b"two"], "with slot {slot} gone");
    }
    assert_eq!(open(&storage).read(Position(0)).unwrap().count(), 5, "two epochs, two transactions, one seal");
}
