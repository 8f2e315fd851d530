//! What the tests share: opening, appending one transaction, reading all payloads back.

use interstice_log::frame::{Epoch, Frame, Lineage, Position};
use interstice_log::local::{LocalLog, MIN_SEGMENT_SIZE, OpenOptions};
use interstice_log::log::{CommitLog, CommitLogWriter, Receipt, Resolution};
use interstice_log::segment::{LogId, SEGMENT_HEADER_SIZE};
use interstice_log::storage::hooked::{HookedStorage, Operation};
use interstice_log::storage::memory::MemoryStorage;
use interstice_log::storage::{Storage, StorageFile};
use interstice_log::writer::LocalWriter;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

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

pub(crate) fn bytes_of(storage: &MemoryStorage, name: &str) -> Vec<u8> {
    let file = storage.open(name).unwrap();
    let mut bytes = vec![0; file.size().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Puts `bytes` in place of what the file `name` holds from byte `at` on.
pub(crate) fn overwrite(storage: &MemoryStorage, name: &str, at: usize, bytes: &[u8]) {
    storage.open(name).unwrap().write_all_at(bytes, at as u64).unwrap();
}

/// Turns one bit of the file `name` around.
pub(crate) fn flip(storage: &MemoryStorage, name: &str, byte: usize, bit: usize) {
    let mut file = storage.open(name).unwrap();
    let mut there = [0];
    file.read_exact_at(&mut there, byte as u64).unwrap();
    file.write_all_at(&[there[0] ^ 1 << bit], byte as u64).unwrap();
}

/// Appends one transaction, makes it durable and returns its receipt.
pub(crate) fn append_for_receipt<W: CommitLogWriter>(writer: &mut W, payload: &[u8]) -> Receipt {
    let tail = writer.tail();
    writer.append(tail.position, &Frame::transactions(tail.next_offset, 1, payload.to_vec()));
    let resolved = writer.settle().pop();
    let Some((_, Resolution::Durable(receipt))) = resolved else { panic!("{resolved:?}") };
    receipt
}

/// Seals an idle log.
pub(crate) fn seal<W: CommitLogWriter>(writer: &mut W) {
    let resolved = writer.seal();
    assert!(matches!(resolved[..], [(_, Resolution::Durable(_))]), "{resolved:?}");
}

/// The name of the segment that begins with `offset`.
pub(crate) fn segment_at(offset: u64) -> String {
    format!("{offset:020}.log")
}

/// What is wrong with storage, on demand, and the storage behind.
#[derive(Clone, Default)]
pub(crate) struct Failing {
    pub(crate) inner: MemoryStorage,
    /// No space for new files.
    pub(crate) full: Arc<AtomicBool>,
    /// Nothing behind a segment's header can be read.
    pub(crate) unreadable: Arc<AtomicBool>,
}

pub(crate) fn failing() -> (HookedStorage<MemoryStorage>, Failing) {
    let failing = Failing::default();
    let Failing { inner, full, unreadable } = failing.clone();
    let storage = HookedStorage::new(inner, move |operation| match operation {
        Operation::Create if full.load(SeqCst) => Err(io::ErrorKind::StorageFull.into()),
        Operation::Read { at } if unreadable.load(SeqCst) && at > SEGMENT_HEADER_SIZE as u64 => {
            Err(io::Error::other("unreadable"))
        }
        _ => Ok(()),
    });
    (storage, failing)
}
