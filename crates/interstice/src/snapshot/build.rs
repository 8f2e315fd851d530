//! Building a snapshot from the log and the snapshot before.

use super::fold::{Fold, MAX_FOLD_SIZE, OpenBase};
use super::manifest::{EventsFrom, Manifest, digest_text};
use super::run::SnapshotRows;
use super::shapes::Shapes;
use super::{Snapshots, load};
use crate::framing::{Transactions, UnpackError, Unpacker};
use interstice_engine::catalog::Catalog;
use interstice_engine::event::EventQueue;
use interstice_engine::system;
use interstice_log::frame::{Position, StoredFrame};
use interstice_log::log::{CommitLog, ReadError, Tail};
use interstice_log::snapshot::{SnapshotError, SnapshotHeader, SnapshotWriter, USUAL_CHUNK_SIZE};
use interstice_log::snapshot::{remove, remove_unfinished};
use interstice_log::storage::Storage;
use interstice_store::digest;
use interstice_store::store::Store;
use interstice_types::change::Change;
use interstice_types::id::{Offset, TableId, to_hex};
use interstice_types::row::RowBytes;
use interstice_types::time::Timestamp;
use interstice_types::transaction::{Cause, Transaction};
use std::collections::{BTreeMap, VecDeque};
use std::io;

/// A snapshot that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The count of offsets that it stands for.
    pub next_offset: Offset,
    /// Rows in it.
    pub rows: u64,
    /// Bytes of its file.
    pub size: u64,
    /// Transactions that were folded.
    pub folded: u64,
    /// Runs that were spilled because memory was full, or because a table was altered.
    pub spilled: u64,
}

/// Why no snapshot was built. Those that there are stand.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The log cannot be read.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// The snapshot before cannot be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The log has no beginning any more, and there is no snapshot to begin with.
    #[error("the log begins behind offset 0, and there is no snapshot to begin with")]
    NoBeginning,
    /// A transaction changes what is not there.
    #[error("a transaction changes a row, a table or a sequence that is not there")]
    DoesNotFit,
    /// The rows do not add up to what the log recorded.
    #[error("at offset {offset} the rows add up to {found:032x}, the log recorded {recorded:032x}")]
    WrongDigest {
        /// The last transaction.
        offset: Offset,
        /// What they add up to.
        found: u128,
        /// What the log says.
        recorded: u128,
    },
    /// The storage failed.
    #[error("writing the snapshot: {0}")]
    Io(#[from] io::Error),
}

impl From<io::ErrorKind> for BuildError {
    fn from(kind: io::ErrorKind) -> Self {
        Self::Io(kind.into())
    }
}

impl From<ReadError> for BuildError {
    fn from(error: ReadError) -> Self {
        Self::Unpack(error.into())
    }
}

/// Asked between two pieces of work: it may rest, or end the work with an error.
pub type Rest<'a> = &'a dyn Fn() -> io::Result<()>;

/// Builds a snapshot at the end of what is durable in `log`, unless there is one. Surplus ones go by
/// [`prune`](Snapshots::prune), when nobody reads them.
///
/// # Errors
/// [`BuildError`].
pub fn build<L: CommitLog, S: Storage>(
    log: &L,
    snapshots: &Snapshots<S>,
    rest: Rest<'_>,
) -> Result<Option<Built>, BuildError> {
    build_within(log, snapshots, MAX_FOLD_SIZE, rest)
}

/// As [`build`], with so much memory for what is folded.
///
/// # Errors
/// [`BuildError`].
pub fn build_within<L: CommitLog, S: Storage>(
    log: &L,
    snapshots: &Snapshots<S>,
    max_fold_size: usize,
    rest: Rest<'_>,
) -> Result<Option<Built>, BuildError> {
    remove_unfinished(&snapshots.storage)?;
    let tail = log.tail();
    let (newest, damaged) = newest(log, snapshots)?;
    let manifest = newest.as_ref();
    if manifest.map_or(0, |manifest| manifest.next_offset) >= tail.next_offset {
        return Ok(None);
    }
    let base = manifest.map(|manifest| {
        let open = || {
            let (reader, manifest) = load::open(log, snapshots, manifest.next_offset)?;
            Ok(SnapshotRows::new(reader, Shapes::of(&manifest)))
        };
        let open: OpenBase<'_, S::File> = Box::new(open);
        (Shapes::of(manifest), open)
    });
    let mut fold = Fold::new(snapshots.storage.clone(), base, max_fold_size);
    let read = Read::all(log, (manifest, &tail), &mut fold, rest)?;
    let spilled = fold.spilled();
    let header = SnapshotHeader { log_id: snapshots.log_id, next_offset: tail.next_offset };
    let mut writing = Writing::new(SnapshotWriter::create(snapshots.storage.clone(), header)?);
    let shapes = fold.finish(|table, row| writing.add(table, row, rest))?;
    let found = writing.digest.wrapping_add(shapes.digest());
    if found != read.digest {
        return Err(BuildError::WrongDigest { offset: read.next_offset - 1, found, recorded: read.digest });
    }
    let events_from = events_from(log, &writing.system, &shapes, &read)?;
    let manifest = read.manifest(&shapes, &writing.rows, events_from);
    let rows = writing.rows.values().sum();
    let size = writing.finish(&manifest)?;
    // They would be counted as something to fall back on. One of the same offset has just been replaced.
    let damaged = damaged.iter().filter(|next_offset| **next_offset != read.next_offset);
    damaged.into_iter().try_for_each(|next_offset| remove(&snapshots.storage, *next_offset))?;
    Ok(Some(Built { next_offset: read.next_offset, rows, size, folded: read.count, spilled }))
}

/// What to build upon, beside newer snapshots that are damaged.
type Found = (Option<Manifest>, Vec<Offset>);

/// The newest snapshot that the log confirms, beside newer ones that are damaged: those are as good as none.
fn newest<L: CommitLog, S: Storage>(log: &L, snapshots: &Snapshots<S>) -> Result<Found, BuildError> {
    let mut damaged = Vec::new();
    for next_offset in snapshots.list()?.into_iter().rev() {
        match load::open(log, snapshots, next_offset).and_then(load::checked) {
            Ok(()) => return Ok((Some(load::open(log, snapshots, next_offset)?.1), damaged)),
            Err(load::LoadError::Snapshot(SnapshotError::Damaged { .. })) => damaged.push(next_offset),
            // It may be read again one day: it stays, and nothing is built on it.
            Err(load::LoadError::Snapshot(SnapshotError::Io { .. })) => {}
            Err(error) => return Err(error.into()),
        }
    }
    match log.read(Position(0)) {
        Ok(_) => Ok((None, damaged)),
        Err(ReadError::Trimmed { .. }) => Err(BuildError::NoBeginning),
        Err(error) => Err(error.into()),
    }
}

/// What was read of the log.
struct Read {
    next_offset: Offset,
    /// Behind the last frame.
    position: Position,
    time: Timestamp,
    lineage: String,
    chain: String,
    digest: u128,
    count: u64,
    /// No event raised before this is pending.
    quiet_until: EventsFrom,
}

impl Read {
    /// Folds everything from `base` on up to `tail`.
    fn all<L: CommitLog, S: Storage>(
        log: &L,
        (base, tail): (Option<&Manifest>, &Tail),
        fold: &mut Fold<'_, S>,
        rest: Rest<'_>,
    ) -> Result<Self, BuildError> {
        let start = base.map_or(Position(0), Manifest::end);
        let mut read = Self {
            next_offset: base.map_or(0, |manifest| manifest.next_offset),
            position: start,
            time: Timestamp(0),
            lineage: String::new(),
            chain: String::new(),
            digest: 0,
            count: 0,
            quiet_until: base.map_or(EventsFrom { offset: 0, position: 0 }, |manifest| manifest.events_from),
        };
        let mut unpacker = Unpacker::default();
        for stored in log.read(start)? {
            let stored = stored?;
            if stored.position >= tail.position {
                break;
            }
            for transaction in unpacker.unpack(&stored)? {
                read.note(&transaction, &stored);
                fold.add(&transaction.changes)?;
            }
            if stored.frame.last_part {
                read.position = Position(stored.position.0 + 1);
            }
            rest()?;
        }
        assert_eq!(read.next_offset, tail.next_offset, "invariant: a log holds what its tail says");
        Ok(read)
    }

    fn note(&mut self, transaction: &Transaction, stored: &StoredFrame) {
        self.next_offset = transaction.offset + 1;
        self.count += 1;
        self.time = transaction.time;
        self.digest = transaction.state_digest;
        self.lineage = to_hex(&stored.lineage.0);
        self.chain = to_hex(&stored.chain);
        // A publish waits until no event is pending, and raises none.
        if matches!(transaction.cause, Cause::Publish { .. }) {
            // One that takes several frames is alone in them, and its last one is no place to begin at.
            let position = stored.position.0 + u64::from(!stored.frame.first_part);
            self.quiet_until = EventsFrom { offset: self.next_offset, position };
        }
    }

    fn manifest(&self, shapes: &Shapes, rows: &BTreeMap<TableId, u64>, events_from: EventsFrom) -> Manifest {
        Manifest {
            next_offset: self.next_offset,
            position: self.position.0,
            time: self.time.0,
            lineage: self.lineage.clone(),
            chain: self.chain.clone(),
            digest: digest_text(self.digest),
            next_table_id: shapes.next_id(),
            events_from,
            tables: shapes.manifest(rows),
        }
    }
}

/// The system tables that say which events there are and which were consumed.
const OF_EVENTS: [TableId; 3] = [system::MODULE, system::TABLE, system::EVENT_CURSOR];

/// A snapshot that is being written.
struct Writing<S: Storage> {
    writer: SnapshotWriter<S>,
    chunk: Vec<u8>,
    table: Option<TableId>,
    rows: BTreeMap<TableId, u64>,
    /// Over all rows.
    digest: u128,
    /// The rows of [`OF_EVENTS`].
    system: Vec<(TableId, RowBytes)>,
}

impl<S: Storage> Writing<S> {
    fn new(writer: SnapshotWriter<S>) -> Self {
        Self { writer, chunk: Vec::new(), table: None, rows: BTreeMap::new(), digest: 0, system: Vec::new() }
    }

    fn add(&mut self, table: TableId, row: &RowBytes, rest: Rest<'_>) -> Result<(), BuildError> {
        if self.table != Some(table) || self.chunk.len() + row.len() > USUAL_CHUNK_SIZE {
            self.close_chunk()?;
            rest()?;
            self.table = Some(table);
            self.chunk.extend(table.0.to_le_bytes());
        }
        self.chunk.extend((row.len() as u32).to_le_bytes());
        self.chunk.extend(row.iter());
        *self.rows.entry(table).or_default() += 1;
        self.digest = self.digest.wrapping_add(digest::of_row(table, row));
        if OF_EVENTS.contains(&table) {
            self.system.push((table, row.clone()));
        }
        Ok(())
    }

    fn close_chunk(&mut self) -> Result<(), BuildError> {
        if !self.chunk.is_empty() {
            self.writer.chunk(&self.chunk)?;
            self.chunk.clear();
        }
        Ok(())
    }

    fn finish(mut self, manifest: &Manifest) -> Result<u64, BuildError> {
        self.close_chunk()?;
        Ok(self.writer.finish(&manifest.encode())?)
    }
}

/// Where the first event was raised that is pending behind the last transaction.
///
/// Which reducers listen has not changed since the last publish, so the catalog of the end says it for all that is pending.
fn events_from<L: CommitLog>(
    log: &L,
    system_rows: &[(TableId, RowBytes)],
    shapes: &Shapes,
    read: &Read,
) -> Result<EventsFrom, BuildError> {
    let nothing = EventsFrom { offset: read.next_offset, position: read.position.0 };
    let store = system_store(system_rows, shapes)?;
    let catalog = Catalog::build(&store, &Catalog::default());
    if catalog.event_reducers().is_empty() {
        return Ok(nothing);
    }
    let cursor = system::event_cursor(&store);
    let mut queue = EventQueue::default();
    let mut frames = VecDeque::new();
    let mut unpacker = Unpacker::default();
    for stored in log.read(Position(read.quiet_until.position))? {
        let stored = stored?;
        if stored.position >= read.position {
            break;
        }
        if stored.frame.first_part {
            frames.push_back(EventsFrom { offset: stored.frame.first_offset, position: stored.position.0 });
        }
        // The first frame may begin before; what is there belongs to another catalog. Depths do not matter here.
        let later = unpacker.unpack(&stored)?.into_iter().filter(|one| one.offset >= read.quiet_until.offset);
        later.for_each(|transaction| queue.raise(&catalog, transaction.offset, 0, &transaction.changes));
        cursor.into_iter().for_each(|cursor| queue.forget(cursor));
        let first = queue.first().map_or(read.next_offset, |pending| pending.id.of);
        while frames.get(1).is_some_and(|next| next.offset <= first) {
            frames.pop_front();
        }
    }
    let first = queue.first().map(|pending| pending.id.of);
    Ok(first.zip(frames.front()).map_or(nothing, |(offset, frame)| EventsFrom { offset, position: frame.position }))
}

fn system_store(rows: &[(TableId, RowBytes)], shapes: &Shapes) -> Result<Store, BuildError> {
    let mut store = Store::new();
    let tables = OF_EVENTS.iter().filter_map(|table| shapes.create_change(*table));
    let rows = rows.iter().map(|(table, row)| Change::Insert { table: *table, row: row.clone() });
    let mut changes: Vec<_> = tables.chain(rows).collect();
    store.apply(&mut changes).map_err(|_| BuildError::DoesNotFit)?;
    store.skip_table_ids(TableId(shapes.next_id()));
    Ok(store)
}

/// The transactions of `log` in the frames from `from` on.
pub(super) fn transactions_from<L: CommitLog>(log: &L, from: Position) -> Result<Transactions<L::Frames>, UnpackError> {
    Ok(Transactions::new(log.read(from)?))
}
