//! Snapshots: the state at an offset, made of files that no longer change, never of live memory.
//!
//! A snapshot at offset *n* is a pure function of the snapshot before it and the transactions from there to *n*:
//!
//! 1. Fold the transactions into the last state of each (table, key), in bounded memory, spilled to sorted runs (`fold`).
//! 2. Merge the runs with the snapshot before, newest first, into rows in the order of table and key (`merge`).
//! 3. Add up the state digest meanwhile. It must be the one that the log recorded at *n*: every snapshot verifies itself.
//! 4. Find where the events begin that are still pending at *n*: the log is never trimmed past that.
//!
//! Loading one is the way back ([`load`]): rows into tables, the digest compared, pending events queued again.
//!
//! *Memory*: [`MAX_FOLD_SIZE`] for what is folded, [`MAX_RUNS`] windows of runs, a chunk of the snapshot before and one of the
//! new one: below 128 MiB beside the largest row, whatever the state and its history are.

pub mod build;
mod fold;
pub mod load;
mod manifest;
mod merge;
mod run;
mod shapes;

pub use fold::MAX_FOLD_SIZE;
pub use manifest::{EventsFrom, Manifest};
pub use merge::MAX_RUNS;

use interstice_log::frame::Position;
use interstice_log::log::CommitLog;
use interstice_log::planted::{self, Bug};
use interstice_log::segment::LogId;
use interstice_log::snapshot::{self as files, SnapshotError, SnapshotReader};
use interstice_log::storage::{Storage, StorageFile};
use interstice_types::id::Offset;
use std::io;

/// How many snapshots are kept: the newest, and the one to fall back on.
pub const KEPT_SNAPSHOTS: usize = 2;

/// A snapshot that was looked at.
#[derive(Debug)]
pub struct Looked {
    /// The count of offsets that it stands for.
    pub next_offset: Offset,
    /// Bytes of its file.
    pub bytes: u64,
    /// What it says of itself, or what is wrong.
    pub manifest: Result<Manifest, SnapshotError>,
}

/// Refuses a directory that has a snapshot of a newer format, before anything else in it is touched.
///
/// # Errors
/// [`SnapshotError::NewerFormat`]; what else is wrong with one is said when it is used.
pub fn refuse_newer<S: Storage>(storage: &S) -> Result<(), SnapshotError> {
    for next_offset in files::list(storage).unwrap_or_default() {
        if let Err(error @ SnapshotError::NewerFormat { .. }) = SnapshotReader::open(storage, next_offset) {
            return Err(error);
        }
    }
    Ok(())
}

/// The snapshots of one log.
#[derive(Debug, Clone)]
pub struct Snapshots<S> {
    storage: S,
    log_id: LogId,
}

impl<S: Storage> Snapshots<S> {
    /// Those in `storage`, of the log `log_id`.
    pub fn new(storage: S, log_id: LogId) -> Self {
        Self { storage, log_id }
    }

    /// The log that they are of.
    pub fn log_id(&self) -> LogId {
        self.log_id
    }

    /// The same log's in other storage.
    pub fn on<T: Storage>(&self, storage: T) -> Snapshots<T> {
        Snapshots::new(storage, self.log_id)
    }

    /// Where their files are.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The counts of offsets that there are snapshots of, in ascending order; none where there is no directory.
    ///
    /// # Errors
    /// What the storage says.
    pub fn list(&self) -> io::Result<Vec<u64>> {
        match files::list(&self.storage) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => listed,
        }
    }

    /// The most offsets that a start may have behind it so that as much as possible of `log` is in front: none if the log has
    /// its beginning, else those of the oldest snapshot that is whole and that the log goes on from.
    ///
    /// # Errors
    /// What the storage says.
    pub fn earliest<L: CommitLog>(&self, log: &L) -> io::Result<Offset> {
        if log.read(Position(0)).is_ok() {
            return Ok(0);
        }
        // One that stands before the log's beginning, and was not removed yet, is of no use.
        let begins = |manifest: Manifest| Position(manifest.events_from.position).min(manifest.end());
        let goes_on = |found: &u64| self.manifest(*found, true).is_ok_and(|one| log.read(begins(one)).is_ok());
        Ok(self.list()?.into_iter().find(goes_on).unwrap_or(0))
    }

    /// The frame before which the log may be trimmed: where the older of the kept snapshots, or an event that was pending at
    /// it, has its beginning. `None` while there are not enough snapshots to fall back on. Every byte of both is checked.
    ///
    /// # Errors
    /// [`SnapshotError`] if one of them cannot be read or is damaged.
    pub fn trim_bound(&self) -> Result<Option<Position>, SnapshotError> {
        let found = self.list().map_err(|source| SnapshotError::Io { name: "the snapshots".to_owned(), source })?;
        let Some(oldest) = found.len().checked_sub(KEPT_SNAPSHOTS) else { return Ok(None) };
        let mut bound = None::<Position>;
        for next_offset in &found[oldest + usize::from(planted::is(Bug::TrimPastOlderSnapshot))..] {
            let manifest = self.manifest(*next_offset, true)?;
            let needed = match Position(manifest.events_from.position) {
                _ if planted::is(Bug::TrimPastPendingEvents) => manifest.end(),
                events_from => events_from.min(manifest.end()),
            };
            bound = Some(bound.map_or(needed, |bound| bound.min(needed)));
        }
        Ok(bound)
    }

    /// Each snapshot with the bytes of its file, and its manifest or what is wrong. If `whole`, every byte is looked at, else
    /// header, manifest and footer.
    ///
    /// The newest one that can be read and that `serves`; none where there is none.
    ///
    /// # Errors
    /// What the storage says.
    pub fn newest(&self, serves: impl Fn(&Manifest) -> bool) -> io::Result<Option<Manifest>> {
        let manifests = self.list()?.into_iter().rev().filter_map(|next_offset| self.manifest(next_offset, false).ok());
        Ok(manifests.into_iter().find(serves))
    }

    /// Each of them.
    ///
    /// # Errors
    /// What the storage says when it cannot list them.
    pub fn look(&self, whole: bool) -> io::Result<Vec<Looked>> {
        let look = |next_offset: Offset| {
            let bytes = self.storage.open(&files::name_of(next_offset)).and_then(|file| file.size()).unwrap_or(0);
            Looked { next_offset, bytes, manifest: self.manifest(next_offset, whole) }
        };
        Ok(self.list()?.into_iter().map(look).collect())
    }

    fn manifest(&self, next_offset: Offset, whole: bool) -> Result<Manifest, SnapshotError> {
        let mut reader = SnapshotReader::open(&self.storage, next_offset)?;
        if reader.header().log_id != self.log_id {
            return Err(reader.contradicts("it was made of another log"));
        }
        if whole {
            reader.check_rest()?;
        }
        Manifest::decode(reader.manifest()).map_err(|reason| reader.contradicts(&reason))
    }

    /// Removes all but the newest [`KEPT_SNAPSHOTS`]. Right behind a build, for then the newest is new and the one before was
    /// just read from its beginning to its end.
    ///
    /// # Errors
    /// What the storage says.
    pub fn prune(&self) -> io::Result<()> {
        let found = self.list()?;
        let surplus = found.len().saturating_sub(KEPT_SNAPSHOTS);
        found[..surplus].iter().try_for_each(|next_offset| files::remove(&self.storage, *next_offset))
    }
}
