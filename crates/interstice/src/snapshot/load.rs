//! Loading a snapshot: rows into tables, checked against the log and against themselves.
//!
//! 1. The newest snapshot first. Its receipt must stand in the log: a log that ends before it has lost what the snapshot
//!    proves durable, and one that has another frame there is another history. Both are refused.
//! 2. Every chunk is checked by its hash, all rows together by the state digest. A damaged snapshot is left aside and said
//!    to be so; the one before it is as good, with more of the log behind it.
//! 3. Events that were pending are queued again from the transactions that raised them.

use super::Snapshots;
use super::build::{BuildError, transactions_from};
use super::manifest::Manifest;
use super::run::SnapshotRows;
use super::shapes::Shapes;
use crate::framing::UnpackError;
use crate::opened::Start;
use interstice_engine::engine::Engine;
use interstice_engine::limits::Limits;
use interstice_engine::module::ModuleLoader;
use interstice_log::frame::Position;
use interstice_log::log::{CommitLog, ReadError, Standing};
use interstice_log::planted::{self, Bug};
use interstice_log::snapshot::{SnapshotError, SnapshotReader};
use interstice_log::storage::{Storage, StorageFile};
use interstice_store::store::Store;
use interstice_types::change::Change;
use interstice_types::id::{Offset, TableId};
use interstice_types::row::RowBytes;
use interstice_types::time::Timestamp;
use std::io;
use std::sync::Arc;

/// Why the state cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A snapshot cannot be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The log cannot be read.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// The log does not hold what a snapshot was made of.
    #[error(
        "snapshot {next_offset} was made of another history than the log's, or of transactions that the log has lost: the log ends at offset {log_end}"
    )]
    Diverged {
        /// The count of offsets that it stands for.
        next_offset: Offset,
        /// The log's.
        log_end: Offset,
    },
    /// The log's beginning was given up, and no snapshot stands for it.
    #[error("the log begins at frame {first}, and no snapshot that can be read stands for what is asked for")]
    NoBeginning {
        /// The first frame that there is.
        first: u64,
    },
    /// The storage failed.
    #[error("listing the snapshots: {0}")]
    Io(#[from] io::Error),
}

impl From<LoadError> for BuildError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Snapshot(error) => Self::Snapshot(error),
            LoadError::Unpack(error) => Self::Unpack(error),
            LoadError::Io(error) => Self::Io(error),
            LoadError::NoBeginning { .. } => Self::NoBeginning,
            LoadError::Diverged { .. } => Self::DoesNotFit,
        }
    }
}

/// Where recovery begins: the newest good snapshot, or the beginning of the log. Beside it what was left aside, and why.
///
/// # Errors
/// [`LoadError`].
pub fn load<L: CommitLog, S: Storage>(
    log: &L,
    snapshots: &Snapshots<S>,
    kit: (Arc<dyn ModuleLoader>, Limits),
) -> Result<(Start, Vec<SnapshotError>), LoadError> {
    load_before(log, snapshots, Offset::MAX, kit)
}

/// As [`load`], but with no more than `most` offsets behind it: where telling or checking begins.
///
/// # Errors
/// [`LoadError`].
pub fn load_before<L: CommitLog, S: Storage>(
    log: &L,
    snapshots: &Snapshots<S>,
    most: Offset,
    (loader, limits): (Arc<dyn ModuleLoader>, Limits),
) -> Result<(Start, Vec<SnapshotError>), LoadError> {
    let mut left_aside = Vec::new();
    for next_offset in snapshots.list()?.into_iter().rev().filter(|next_offset| *next_offset <= most) {
        match restore(log, open(log, snapshots, next_offset), (Arc::clone(&loader), limits)) {
            Ok(start) => return Ok((start, left_aside)),
            Err(LoadError::Snapshot(error @ (SnapshotError::Damaged { .. } | SnapshotError::Io { .. }))) => {
                left_aside.push(error);
            }
            Err(error) => return Err(error),
        }
    }
    match log.read(Position(0)) {
        Ok(_) => Ok((Start::empty(loader, limits), left_aside)),
        Err(ReadError::Trimmed { first, .. }) => {
            let nothing = LoadError::NoBeginning { first: first.0 };
            Err(left_aside.pop().map_or(nothing, LoadError::Snapshot))
        }
        Err(error) => Err(UnpackError::from(error).into()),
    }
}

/// A snapshot with its manifest, confirmed by the log.
pub(super) fn open<L: CommitLog, S: Storage>(
    log: &L,
    snapshots: &Snapshots<S>,
    next_offset: Offset,
) -> Result<(SnapshotReader<S::File>, Manifest), LoadError> {
    let reader = SnapshotReader::open(&snapshots.storage, next_offset)?;
    let manifest = Manifest::decode(reader.manifest()).map_err(|reason| reader.contradicts(&reason))?;
    let log_end = log.tail().next_offset;
    let diverged = LoadError::Diverged { next_offset, log_end };
    if reader.header().log_id != snapshots.log_id || manifest.next_offset != next_offset {
        return Err(diverged);
    }
    match log.standing(&manifest.receipt()).map_err(UnpackError::from)? {
        Standing::Held => Ok((reader, manifest)),
        // Trimmed right behind it, or the snapshot is too old to be of use: reading on from it tells.
        Standing::Unverifiable if log.read(manifest.end()).is_ok() => Ok((reader, manifest)),
        Standing::Unverifiable | Standing::Diverged => Err(diverged),
    }
}

/// Gives the rows of the tables up to `last` in a snapshot to `take`, in the order of table and key. Of these chunks every one is checked.
///
/// # Errors
/// [`LoadError`].
pub fn rows_up_to<L: CommitLog, S: Storage>(
    log: &L,
    snapshots: &Snapshots<S>,
    next_offset: Offset,
    (last, mut take): (TableId, impl FnMut(TableId, RowBytes)),
) -> Result<Manifest, LoadError> {
    let (reader, manifest) = open(log, snapshots, next_offset)?;
    let mut rows = SnapshotRows::new(reader, Shapes::of(&manifest));
    while let Some((table, row)) = rows.next_row()? {
        if table > last {
            break;
        }
        take(table, row);
    }
    Ok(manifest)
}

/// Reads all of a snapshot, which must then be whole.
pub(super) fn checked<F: StorageFile>((mut reader, _): (SnapshotReader<F>, Manifest)) -> Result<(), LoadError> {
    Ok(reader.check_rest()?)
}

fn restore<L: CommitLog, F: StorageFile>(
    log: &L,
    opened: Result<(SnapshotReader<F>, Manifest), LoadError>,
    (loader, limits): (Arc<dyn ModuleLoader>, Limits),
) -> Result<Start, LoadError> {
    let (reader, manifest) = opened?;
    let store = store_of(reader, &manifest)?;
    let time = if planted::is(Bug::SnapshotTimeForgotten) { 0 } else { manifest.time };
    let moment = (manifest.next_offset, Timestamp(time));
    let mut engine = Engine::restored(loader, limits, store, moment);
    let from = manifest.events_from;
    if from.offset < manifest.next_offset {
        let before = transactions_from(log, Position(from.position))?;
        let pending = before
            .skip_while(|one| one.as_ref().is_ok_and(|one| one.offset < from.offset))
            .take_while(|one| one.as_ref().map_or(true, |one| one.offset < manifest.next_offset));
        engine.queue_again(pending)?;
    }
    Ok(Start { engine, position: manifest.end(), from_snapshot: Some(manifest.next_offset) })
}

fn store_of<F: StorageFile>(reader: SnapshotReader<F>, manifest: &Manifest) -> Result<Store, LoadError> {
    let mut rows = SnapshotRows::new(reader, Shapes::of(manifest));
    let (mut store, mut scratch) = (Store::new(), Vec::new());
    let misfit =
        |rows: &SnapshotRows<F>| LoadError::Snapshot(rows.contradicts("a row or table does not fit the others"));
    for table in &manifest.tables {
        let id = table.table();
        let (module, schema) = (table.module.as_str().into(), Arc::new(table.schema.clone()));
        let mut create = Change::CreateTable { table: id, module, schema };
        store.apply_one(&mut create, &mut scratch).map_err(|_| misfit(&rows))?;
        for (column, next) in &table.sequences {
            let mut change = Change::Sequence { table: id, column: *column, next: *next, previous: 0 };
            store.apply_one(&mut change, &mut scratch).map_err(|_| misfit(&rows))?;
        }
    }
    while let Some((table, row)) = rows.next_row()? {
        store.apply_one(&mut Change::Insert { table, row }, &mut scratch).map_err(|_| misfit(&rows))?;
    }
    store.skip_table_ids(TableId(manifest.next_table_id));
    if store.digest() != manifest.state_digest() && !planted::is(Bug::SnapshotDigestUnchecked) {
        return Err(rows.contradicts("the rows do not add up to the state digest").into());
    }
    Ok(store)
}
