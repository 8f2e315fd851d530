//! What the tests share: opening, appending one transaction, reading all payloads back.

use interstice_log::frame::{Epoch, Frame, Lineage, Position};
use interstice_log::local::{LocalLog, MIN_SEGMENT_SIZE, OpenOptions};
use interstice_log::log::{CommitLog, CommitLogWriter, Resolution};
use interstice_log::segment::LogId;
use interstice_log::storage::Storage;
use interstice_log::writer::LocalWriter;

pub(crate) fn open_options() -> OpenOptions {
    OpenOptions {
        segment_size: MIN_SEGMENT_SIZE,
        log_id: LogId([1; 16]),
        lineage: Lineage([2; 16]),
        salt_seed: [3; 16],
    }
}

pub(crate) fn open<S: Storage>(storage: &S) -> LocalLog<S> {
    LocalLog::open(storage.clone(), open_options()).unwrap_or_else(|error| panic!("open: {error}")).0
}

pub(crate) fn claim<S: Storage>(log: &mut LocalLog<S>) -> LocalWriter<S> {
    let tail = log.tail();
    log.claim(tail.position, Epoch(tail.epoch.0 + 1)).unwrap()
}

/// Appends one transaction and makes it durable.
pub(crate) fn append<W: CommitLogWriter>(writer: &mut W, payload: &[u8]) {
    let tail = writer.tail();
    writer.append(tail.position, &Frame::transactions(tail.next_offset, 1, payload.to_vec()));
    assert!(matches!(writer.settle()[..], [(_, Resolution::Durable(_))]));
}

pub(crate) fn payloads<L: CommitLog>(log: &L) -> Vec<Vec<u8>> {
    let frames: Vec<_> = log.read(Position(0)).unwrap().collect::<Result<_, _>>().unwrap();
    frames.into_iter().map(|frame| frame.frame.payload).filter(|payload| !payload.is_empty()).collect()
}
