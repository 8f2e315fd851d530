//! What an opening that failed has left half done, the next one does again.

use interstice_log::frame::{Epoch, FRAME_HEADER_SIZE, Frame, Lineage, Position};
use interstice_log::local::{LocalLog, MIN_SEGMENT_SIZE, OpenError, OpenOptions};
use interstice_log::log::{CommitLog, CommitLogWriter, Resolution};
use interstice_log::segment::{LogId, SEGMENT_HEADER_SIZE};
use interstice_sim::faulty::{FaultyStorage, SyncFailure};
use interstice_sim::rng::Rng;

fn open(storage: &FaultyStorage) -> Result<LocalLog<FaultyStorage>, OpenError> {
    let options = OpenOptions {
        segment_size: MIN_SEGMENT_SIZE,
        log_id: LogId([1; 16]),
        lineage: Lineage([2; 16]),
        salt_seed: [3; 16],
    };
    LocalLog::open(storage.clone(), options).map(|(log, _)| log)
}

/// A new writer appends a transaction to an open log.
fn append(log: &mut LocalLog<FaultyStorage>, payload: &[u8]) {
    let tail = log.tail();
    let mut writer = log.claim(tail.position, Epoch(tail.epoch.0 + 1)).unwrap();
    writer.append(writer.tail().position, &Frame::transactions(tail.next_offset, 1, payload.to_vec()));
    assert!(matches!(writer.settle()[..], [(_, Resolution::Durable(_))]));
}

/// A writer's epoch frame rots, and with it the frame behind it is cut; but the sync of the zeros fails, and the system takes
/// them for written. The next writer's epoch frame is the very same. What was cut must not come back behind it.
#[test]
fn frames_that_were_cut_do_not_come_back_when_the_sync_of_the_cut_failed() {
    for failing in 1..8 {
        for failure in [SyncFailure::KeepsDirty, SyncFailure::DropsDirty, SyncFailure::ClaimsClean] {
            let storage = FaultyStorage::new();
            append(&mut open(&storage).unwrap(), b"kept");
            let mut log = open(&storage).unwrap();
            append(&mut log, b"cut");
            drop(log);
            storage.rot("00000000000000000000.log", SEGMENT_HEADER_SIZE + 2 * FRAME_HEADER_SIZE + 8 + 30, 3);
            storage.fail_sync_in(failing, failure);
            let first = open(&storage).map(|_| ());
            assert!(first.is_err() || failing > 5, "sync {failing} is one of opening: {first:?}");
            storage.restart();
            let mut log = open(&storage).unwrap();
            let tail = log.tail();
            assert_eq!(tail.next_offset, 1);
            drop(log.claim(tail.position, Epoch(tail.epoch.0 + 1)).unwrap());
            drop(log);
            storage.crash(&mut Rng::new(failing, 0));
            let frames = open(&storage).unwrap().read(Position(0)).unwrap().map(|frame| frame.unwrap().frame.payload);
            let payloads: Vec<_> = frames.filter(|payload| !payload.is_empty()).collect();
            assert_eq!(payloads, [b"kept"], "sync {failing}, {failure:?}");
        }
    }
}
