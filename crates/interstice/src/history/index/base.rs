//! What stands before the first transaction that can be told: nothing, or a snapshot where the log's beginning was given up.

use super::IndexError;
use super::outline::Outline;
use super::stretch::End;
use crate::snapshot::Snapshots;
use crate::snapshot::load::{LoadError, rows_up_to};
use interstice_engine::system;
use interstice_log::frame::Position;
use interstice_log::log::{CommitLog, ReadError};
use interstice_log::storage::Storage;
use interstice_types::change::Change;
use interstice_types::id::{Offset, TableId};
use interstice_types::row::RowBytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where history begins.
pub struct Base<S> {
    snapshot: Option<(Snapshots<S>, Offset)>,
    end: End,
    outline: Outline,
    /// Which snapshots there were, and the first frame: as long as they are the same, so is this.
    seen: Seen,
}

/// Snapshots by their offsets, and the first frame of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen(Vec<Offset>, Position);

/// Rows of system tables by the encoded values of their keys.
pub(super) type SystemRows = BTreeMap<(TableId, Vec<u8>), RowBytes>;

impl<S: Storage> Base<S> {
    /// Of `log`, from the oldest of `snapshots` that it goes on from.
    ///
    /// # Errors
    /// [`IndexError`] if it has no beginning, or what stands there cannot be read.
    pub fn of<L: CommitLog>(log: &L, snapshots: &Snapshots<S>) -> Result<Self, IndexError> {
        let seen = seen(log, snapshots)?;
        if seen.1 == Position(0) {
            let (end, outline) = (End { offset: 0, frame: Position(0) }, Outline::empty());
            return Ok(Self { snapshot: None, end, outline, seen });
        }
        let next_offset = snapshots.earliest(log)?;
        if next_offset == 0 {
            return Err(LoadError::NoBeginning { first: seen.1.0 }.into());
        }
        let mut rows = Vec::new();
        let kept = |table, row| {
            if Outline::has_rows_of(table) {
                rows.push(Change::Insert { table, row });
            }
        };
        let manifest = rows_up_to(log, snapshots, next_offset, (Outline::LAST_WITH_ROWS, kept))?;
        let tables = manifest.tables.iter().map(|table| Change::CreateTable {
            table: TableId(table.id),
            module: table.module.as_str().into(),
            schema: Arc::new(table.schema.clone()),
        });
        let outline = Outline::of(tables.chain(rows).collect())?;
        let end = End { offset: next_offset, frame: manifest.end() };
        Ok(Self { snapshot: Some((snapshots.clone(), next_offset)), end, outline, seen })
    }

    /// Whether it is still where `log` and `snapshots` begin.
    ///
    /// # Errors
    /// What the storage says.
    pub fn holds<L: CommitLog>(&self, log: &L, snapshots: &Snapshots<S>) -> Result<bool, IndexError> {
        Ok(seen(log, snapshots)? == self.seen)
    }

    /// What follows it.
    pub(super) fn end(&self) -> End {
        self.end
    }

    /// The tables and modules there.
    pub(super) fn outline(&self) -> &Outline {
        &self.outline
    }

    /// The row of the table `id` whose primary key has these encoded values.
    pub(super) fn row<L: CommitLog>(&self, log: &L, id: TableId, key: &[u8]) -> Result<Option<RowBytes>, LoadError> {
        let (Some((snapshots, next_offset)), Some(table)) = (&self.snapshot, self.outline.table(id)) else {
            return Ok(None);
        };
        let mut found = None;
        let take = |of, row: RowBytes| {
            if of == id && *table.primary_key_values(&row) == *key {
                found = Some(row);
            }
        };
        rows_up_to(log, snapshots, *next_offset, (id, take))?;
        Ok(found)
    }

    /// Who there is, and who is connected.
    pub(super) fn callers<L: CommitLog>(&self, log: &L) -> Result<SystemRows, LoadError> {
        let Some((snapshots, next_offset)) = &self.snapshot else { return Ok(BTreeMap::new()) };
        let tables = [Some(system::CLIENT), self.outline.find_system("connection")];
        let tables: Vec<_> = tables.into_iter().flatten().filter_map(|id| self.outline.table(id)).collect();
        let last = tables.iter().map(|table| table.id()).max().unwrap_or(TableId(0));
        let mut found = BTreeMap::new();
        let take = |of, row: RowBytes| {
            if let Some(table) = tables.iter().find(|table| table.id() == of) {
                found.insert((of, table.primary_key_values(&row).to_vec()), row);
            }
        };
        rows_up_to(log, snapshots, *next_offset, (last, take))?;
        Ok(found)
    }
}

fn seen<L: CommitLog, S: Storage>(log: &L, snapshots: &Snapshots<S>) -> Result<Seen, IndexError> {
    let first = match log.read(Position(0)) {
        Ok(_) => Position(0),
        Err(ReadError::Trimmed { first, .. }) => first,
        Err(error) => return Err(error.into()),
    };
    Ok(Seen(snapshots.list()?, first))
}
