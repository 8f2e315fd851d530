//! The power fails behind every single operation of filling, preparing and changing segments, sealing the log and marking it.
//!
//! What must hold each time: the log opens; every frame that was reported durable is there, with the bytes that were written;
//! the mark was never damaged, and still proves what it proved when the log was idle; every segment has its whole size; nothing is left of what was being prepared; the log goes on and changes segments again.

use interstice_log::frame::{Epoch, Frame, Lineage, Position};
use interstice_log::local::{LocalLog, MIN_SEGMENT_SIZE, OpenOptions};
use interstice_log::log::{CommitLog, CommitLogWriter, Preparation, Resolution};
use interstice_log::segment::LogId;
use interstice_log::storage::{Storage, StorageFile};
use interstice_log::verify::verify;
use interstice_sim::faulty::FaultyStorage;
use interstice_sim::rng::Rng;

/// A segment takes two of these.
const HALF: usize = MIN_SEGMENT_SIZE as usize / 2;
const FRAMES: u64 = 9;
/// The log is idle each time that this many more are there.
const FRAMES_BEFORE_SEAL: u64 = 2;

/// When what the writer gives out is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prepare {
    Never,
    AtOnce,
    /// After three more frames: the writer did not wait for it.
    Late,
    /// Never, but it is given back each time.
    Dropped,
}

fn open(storage: &FaultyStorage) -> std::io::Result<LocalLog<FaultyStorage>> {
    let options = OpenOptions {
        segment_size: MIN_SEGMENT_SIZE,
        log_id: LogId([1; 16]),
        lineage: Lineage([2; 16]),
        salt_seed: [3; 16],
    };
    LocalLog::open(storage.clone(), options).map(|(log, _)| log).map_err(std::io::Error::other)
}

fn payload(offset: u64) -> Vec<u8> {
    vec![offset as u8 + 1; HALF]
}

/// Appends until there are `FRAMES` transactions more, or nothing works any more; returns how many are durable, and whether
/// all that was to be done was done.
fn fill(storage: &FaultyStorage, prepare: Prepare) -> (u64, bool) {
    let Ok(mut log) = open(storage) else { return (0, false) };
    let tail = log.tail();
    let Ok(mut writer) = log.claim(tail.position, Epoch(tail.epoch.0 + 1)) else { return (tail.next_offset, false) };
    let mut durable = tail.next_offset;
    let mut waiting: Option<(Preparation, u64)> = None;
    for number in 0..FRAMES {
        let tail = writer.tail();
        writer.append(tail.position, &Frame::transactions(tail.next_offset, 1, payload(tail.next_offset)));
        match writer.settle().pop() {
            Some((_, Resolution::Durable(receipt))) => durable = receipt.next_offset,
            _ => return (durable, false),
        }
        if number % FRAMES_BEFORE_SEAL == 1 && !writer.seal().iter().all(|(_, it)| matches!(it, Resolution::Durable(_)))
        {
            return (durable, false);
        }
        if waiting.is_none() {
            waiting = writer.prepare().map(|work| (work, number)).filter(|_| prepare != Prepare::Dropped);
        }
        let due = |since| prepare == Prepare::AtOnce || prepare == Prepare::Late && number >= since + 3;
        if waiting.as_ref().is_some_and(|(_, since)| due(*since)) {
            // Its failure is not the log's.
            let _ = waiting.take().map(|(work, _)| work());
        }
    }
    (durable, !storage.is_off())
}

fn check(storage: &FaultyStorage, durable: u64) {
    let log = open(storage).unwrap_or_else(|error| panic!("the log does not open: {error}"));
    let frames = log.read(Position(0)).unwrap().map(|frame| frame.unwrap().frame);
    let payloads: Vec<_> = frames.map(|frame| frame.payload).filter(|payload| !payload.is_empty()).collect();
    assert!(payloads.len() as u64 >= durable, "{durable} frames were durable, {} are there", payloads.len());
    payloads.iter().zip(0..).for_each(|(there, offset)| assert!(*there == payload(offset), "frame {offset}"));
    let verified = verify(storage).unwrap();
    assert!(verified.is_ok());
    let notices = verified.segments.iter().flat_map(|segment| &segment.notices);
    assert!(notices.into_iter().all(|notice| notice.kind != "mark"), "{verified:?}");
    for name in storage.list().unwrap() {
        assert!(!name.starts_with("spare-"), "{name} is left");
        let is_segment = std::path::Path::new(&name).extension().is_some_and(|ending| ending == "log");
        assert!(!is_segment || storage.open(&name).unwrap().size().unwrap() > MIN_SEGMENT_SIZE, "{name} is not whole");
    }
}

#[test]
fn power_may_fail_behind_every_operation() {
    let mut cuts = 0;
    for prepare in [Prepare::Never, Prepare::AtOnce, Prepare::Late, Prepare::Dropped] {
        for n in 0.. {
            let mut done = false;
            for seed in 0..8 {
                let storage = FaultyStorage::new();
                storage.cut_power_in(n);
                let durable;
                (durable, done) = fill(&storage, prepare);
                cuts += u64::from(!done);
                storage.crash(&mut Rng::new(seed, n));
                check(&storage, durable);
                let (more, whole) = fill(&storage, prepare);
                assert!(whole && more >= durable + FRAMES, "{prepare:?}, {n}, {seed}: the log does not go on");
                check(&storage, more);
            }
            if done {
                assert!(n > 56, "{prepare:?} was done with {n} operations");
                break;
            }
        }
    }
    println!("{cuts} power cuts");
}

/// Once the log was idle, the power may fail behind every operation of what comes then: without its newest segment the log is
/// refused, for the mark still says how far it was.
#[test]
fn what_was_marked_stays_marked_whatever_power_does() {
    for n in 0..40 {
        for seed in 0..8 {
            let storage = FaultyStorage::new();
            let (marked, whole) = fill(&storage, Prepare::Never);
            assert!(whole);
            let mut log = open(&storage).unwrap();
            let tail = log.tail();
            log.claim(tail.position, Epoch(tail.epoch.0 + 1)).unwrap().seal();
            let newest = log.segments().last().copied().unwrap();
            assert!(newest.first_offset < marked);
            drop(log);
            storage.cut_power_in(n);
            let more = fill(&storage, Prepare::Never).0;
            storage.crash(&mut Rng::new(seed, n));
            let names = storage.list().unwrap();
            let segments = names.iter().filter(|name| name.starts_with(|first: char| first.is_ascii_digit()));
            segments.filter(|name| **name >= newest.name()).for_each(|name| storage.remove(name).unwrap());
            assert!(
                open(&storage).is_err(),
                "{n}, {seed}: {marked} were marked, {more} durable, and nobody misses them"
            );
        }
    }
}
