//! The rules that every commit log keeps, whatever it is made of. An implementation runs [`all`] with a maker of empty logs.
//!
//! # Panics
//! Each function panics where a rule is broken: they are tests.

use crate::frame::{Epoch, Frame, FrameKind, Lineage, MAX_FRAME_PAYLOAD, Position};
use crate::log::{ClaimError, CommitLog, CommitLogWriter, ReadError, Receipt, Resolution, Standing, TrimError};

/// Every rule, each on a log of its own, which is made with the smallest segments that it can have.
pub fn all<L: CommitLog>(make: impl Fn() -> L) {
    reads_back_in_order(make());
    splits_large_transactions(make());
    refuses_a_wrong_tail_and_an_old_epoch(make());
    voids_a_stale_writer(make());
    poisons_what_follows_a_failure(make());
    refuses_frames_that_do_not_fit(make());
    reads_from_a_byte(make());
    trims(make());
    certifies_when_it_is_idle(make());
    knows_its_receipts(make());
}

fn frame(offset: u64, text: &str) -> Frame {
    Frame::transactions(offset, 1, text.as_bytes().to_vec())
}

fn append_all<W: CommitLogWriter>(writer: &mut W, texts: &[&str]) {
    for text in texts {
        let tail = writer.tail();
        writer.append(tail.position, &frame(tail.next_offset, text));
    }
    assert!(writer.settle().iter().all(|(_, resolution)| matches!(resolution, Resolution::Durable(_))));
}

fn claim<L: CommitLog>(log: &mut L, epoch: u64) -> L::Writer {
    let position = log.tail().position;
    log.claim(position, Epoch(epoch)).unwrap_or_else(|error| panic!("claim: {error}"))
}

fn payloads<L: CommitLog>(log: &L) -> Vec<Vec<u8>> {
    let frames: Vec<_> =
        log.read(Position(0)).and_then(Iterator::collect).unwrap_or_else(|error| panic!("read: {error}"));
    for (expected, frame) in frames.iter().enumerate() {
        assert_eq!(frame.position, Position(expected as u64), "positions have no gaps");
    }
    frames.into_iter().filter(|frame| !frame.frame.payload.is_empty()).map(|frame| frame.frame.payload).collect()
}

fn reads_back_in_order<L: CommitLog>(mut log: L) {
    let mut writer = claim(&mut log, 1);
    append_all(&mut writer, &["a", "b"]);
    append_all(&mut writer, &["c"]);
    assert_eq!(payloads(&log), [b"a", b"b", b"c"]);
    assert_eq!(log.tail(), writer.tail());
    assert_eq!(log.tail().next_offset, 3);
    let end = log.tail().position;
    assert!(log.read(end).is_ok_and(|frames| frames.count() == 0), "reading from the end gives nothing");
    assert!(matches!(log.read(Position(end.0 + 1)).map(|_| ()), Err(ReadError::Regressed { .. })));
}

fn splits_large_transactions<L: CommitLog>(mut log: L) {
    let mut writer = claim(&mut log, 1);
    let payload = vec![7; 2 * MAX_FRAME_PAYLOAD + 1];
    for part in Frame::split(0, &payload) {
        let position = writer.tail().position;
        writer.append(position, &part);
    }
    writer.settle();
    assert_eq!(payloads(&log).concat(), payload);
    assert_eq!(log.tail().next_offset, 1, "only the last part completes an offset");
}

/// What is read is the same, whatever the byte is that the reader noted; frames of several segments, parts among them.
fn reads_from_a_byte<L: CommitLog>(mut log: L) {
    let mut writer = claim(&mut log, 1);
    for offset in 0..40 {
        let size = if offset == 20 { MAX_FRAME_PAYLOAD + 1 } else { 2_000 };
        for part in Frame::split(offset, &vec![offset as u8; size]) {
            let position = writer.tail().position;
            writer.append(position, &part);
        }
        writer.settle();
    }
    let frames: Vec<_> = log.read(Position(0)).and_then(Iterator::collect).expect("it was read");
    for (number, frame) in frames.iter().enumerate() {
        let bytes = [frame.byte, 0, frame.byte + 8, frame.byte.saturating_sub(8), frames[number / 2].byte, u64::MAX];
        for byte in bytes {
            let read: Result<Vec<_>, _> = log.read_at(frame.position, byte).and_then(Iterator::collect);
            assert_eq!(read.expect("it was read"), frames[number..], "frame {number} at byte {byte}");
        }
    }
}

fn refuses_a_wrong_tail_and_an_old_epoch<L: CommitLog>(mut log: L) {
    claim(&mut log, 5);
    let tail = log.tail().position;
    assert!(matches!(log.claim(Position(tail.0 + 1), Epoch(9)).map(|_| ()), Err(ClaimError::WrongTail { .. })));
    assert!(matches!(log.claim(tail, Epoch(5)).map(|_| ()), Err(ClaimError::OldEpoch { .. })));
    assert_eq!(log.tail().position, tail, "a refused claim appends nothing");
}

/// A writer with fifty frames in flight, and another one that claims the log before they settle.
fn voids_a_stale_writer<L: CommitLog>(mut log: L) {
    let mut stale = claim(&mut log, 1);
    append_all(&mut stale, &["kept"]);
    for _ in 0..50 {
        let tail = stale.tail();
        stale.append(tail.position, &frame(tail.next_offset, "stale"));
    }
    let mut writer = claim(&mut log, 2);
    append_all(&mut writer, &["new"]);
    let resolved = stale.settle();
    assert_eq!(resolved.len(), 50);
    assert!(resolved.iter().all(|(_, resolution)| !matches!(resolution, Resolution::Durable(_))));
    append_all(&mut writer, &["newer"]);
    assert_eq!(payloads(&log), [&b"kept"[..], b"new", b"newer"]);
}

/// Fifty frames in flight, the twenty-sixth of which names a position that is not the next one.
fn poisons_what_follows_a_failure<L: CommitLog>(mut log: L) {
    let mut writer = claim(&mut log, 1);
    let start = writer.tail().position;
    for offset in 0..50 {
        let position = if offset == 25 { start } else { writer.tail().position };
        writer.append(position, &frame(offset, "good"));
    }
    let resolved = writer.settle();
    let tickets: Vec<_> = resolved.iter().map(|(ticket, _)| ticket.0).collect();
    assert!(tickets.is_sorted() && tickets.len() == 50, "acknowledgements are in order");
    for (number, (_, resolution)) in resolved.iter().enumerate() {
        match number {
            0..25 => {
                assert!(matches!(resolution, Resolution::Durable(receipt) if receipt.next_offset == number as u64 + 1));
            }
            25 => assert!(matches!(resolution, Resolution::Fenced { .. })),
            _ => assert_eq!(*resolution, Resolution::Poisoned),
        }
    }
    let position = writer.tail().position;
    writer.append(position, &frame(25, "later"));
    assert_eq!(writer.settle()[0].1, Resolution::Poisoned);
    assert_eq!(payloads(&log), [b"good"; 25]);
}

/// What cannot be read back in order is refused before it is written.
fn refuses_frames_that_do_not_fit<L: CommitLog>(mut log: L) {
    let parts = Frame::split(0, &vec![7; MAX_FRAME_PAYLOAD + 1]);
    let misfits = [
        frame(1, "a hole in the offsets"),
        parts[1].clone(),
        Frame { count: 1, ..parts[0].clone() },
        Frame { count: 1, ..Frame::marker(FrameKind::Seal, 0) },
        Frame::transactions(0, 1, vec![0; MAX_FRAME_PAYLOAD + 1]),
    ];
    for (epoch, misfit) in (1..).zip(&misfits) {
        let mut writer = claim(&mut log, epoch);
        let position = writer.tail().position;
        writer.append(position, misfit);
        assert!(matches!(writer.settle()[..], [(_, Resolution::Fenced { .. })]), "misfit {epoch}");
    }
    assert_eq!(payloads(&log), [b""; 0]);
    append_all(&mut claim(&mut log, 99), &["fits"]);
}

fn trims<L: CommitLog>(mut log: L) {
    let mut writer = claim(&mut log, 1);
    append_all(&mut writer, &["a", "b", "c"]);
    let end = log.tail().position;
    assert!(matches!(log.trim(Position(end.0 + 1)), Err(TrimError::Regressed { .. })));
    log.trim(Position(2)).unwrap_or_else(|error| panic!("trim: {error}"));
    let kept = log.read(Position(2)).map(Iterator::count);
    assert_eq!(kept.ok(), Some((end.0 - 2) as usize), "what is not trimmed is still there");
}

fn certifies_when_it_is_idle<L: CommitLog>(mut log: L) {
    let mut writer = claim(&mut log, 1);
    let tail = writer.tail();
    writer.append(tail.position, &frame(0, "waits"));
    let resolved = writer.seal();
    assert!(
        matches!(resolved[..], [(_, Resolution::Durable(_)), (_, Resolution::Durable(_))]),
        "what waits, then the seal"
    );
    assert_eq!(log.tail().position.0, tail.position.0 + 2);
    assert_eq!(log.tail().next_offset, 1, "a seal takes no offset");
    append_all(&mut writer, &["after"]);
    assert_eq!(payloads(&log), [&b"waits"[..], b"after"]);
    claim(&mut log, 2);
    assert!(
        matches!(writer.seal()[..], [(_, Resolution::Fenced { .. })]),
        "a writer that was replaced certifies nothing"
    );
}

/// Receipts of transactions and of a seal, before and after the frames of some of them were given up.
fn knows_its_receipts<L: CommitLog>(mut log: L) {
    let mut writer = claim(&mut log, 1);
    let mut receipts = Vec::new();
    for offset in 0..4 {
        let position = writer.tail().position;
        writer.append(position, &Frame::transactions(offset, 1, vec![offset as u8; MAX_FRAME_PAYLOAD]));
        receipts.extend(writer.settle().iter().map(|(_, resolution)| receipt(resolution)));
    }
    let last = receipts[3];
    let sealed = receipt(&writer.seal()[0].1);
    let standing =
        |log: &L, receipt: &Receipt| log.standing(receipt).unwrap_or_else(|error| panic!("standing: {error}"));
    assert!(receipts.iter().chain([&sealed]).all(|receipt| standing(&log, receipt) == Standing::Held));
    let never_given = [
        Receipt { next_offset: 5, ..last },
        Receipt { next_offset: 3, ..last },
        Receipt { chain: [9; 32], ..last },
        Receipt { lineage: Lineage([9; 16]), ..last },
        Receipt { next_offset: 0, ..last },
    ];
    for receipt in &never_given {
        assert_eq!(standing(&log, receipt), Standing::Diverged, "{receipt:?}");
    }
    let position = Position(log.tail().position.0 - 2);
    log.trim(position).unwrap_or_else(|error| panic!("trim: {error}"));
    assert!(
        matches!(log.read(Position(0)).map(|_| ()), Err(ReadError::Trimmed { .. })),
        "the segments are small enough"
    );
    assert_eq!(standing(&log, &receipts[0]), Standing::Unverifiable);
    assert_eq!(standing(&log, &Receipt { chain: [9; 32], ..receipts[0] }), Standing::Unverifiable);
    assert!([&last, &sealed].iter().all(|receipt| standing(&log, receipt) == Standing::Held));
    for receipt in &never_given[..1] {
        assert_eq!(standing(&log, receipt), Standing::Diverged, "{receipt:?}");
    }
    assert_eq!(standing(&log, &Receipt { chain: [9; 32], ..last }), Standing::Diverged);
}

fn receipt(resolution: &Resolution) -> Receipt {
    match resolution {
        Resolution::Durable(receipt) => *receipt,
        other => panic!("the append is not durable: {other:?}"),
    }
}
