//! What stands before the first transaction that can be told: nothing, or a snapshot where the log's beginning was given up.

use super::outline::Outline;
use super::stretch::End;
use crate::snapshot::Snapshots;
use crate::snapshot::load::{LoadError, rows_up_to};
use interstice_log::frame::Position;
use interstice_log::log::CommitLog;
use interstice_log::storage::Storage;
use interstice_types::change::Change;
use interstice_types::id::{Offset, TableId};
use interstice_types::row::RowBytes;
use interstice_types::time::Timestamp;
use std::io;
use std::sync::Arc;

/// Where history begins.
pub struct Base<S> {
    snapshot: Option<(Snapshots<S>, Offset)>,
}

impl<S: Storage> Base<S> {
    /// Of `log`, from the oldest of `snapshots` that it goes on from.
    ///
    /// # Errors
    /// What the storage of the snapshots says.
    pub fn of<L: CommitLog>(log: &L, snapshots: &Snapshots<S>) -> io::Result<Self> {
        let next_offset = snapshots.earliest(log)?;
        Ok(Self { snapshot: (next_offset > 0).then(|| (snapshots.clone(), next_offset)) })
    }

    /// What follows it.
    pub(super) fn end<L: CommitLog>(&self, log: &L) -> Result<End, LoadError> {
        let Some((snapshots, next_offset)) = &self.snapshot else { return Ok(End { offset: 0, frame: Position(0) }) };
        let manifest = rows_up_to(log, snapshots, *next_offset, (TableId(0), |_, _| ()))?;
        Ok(End { offset: *next_offset, frame: manifest.end() })
    }

    /// The tables and modules there.
    pub(super) fn outline<L: CommitLog>(&self, log: &L) -> Result<Outline, LoadError> {
        let Some((snapshots, next_offset)) = &self.snapshot else { return Ok(Outline::empty()) };
        let mut rows = Vec::new();
        let kept = |table, row| {
            if Outline::has_rows_of(table) {
                rows.push(Change::Insert { table, row });
            }
        };
        let manifest = rows_up_to(log, snapshots, *next_offset, (Outline::LAST_WITH_ROWS, kept))?;
        let tables = manifest.tables.iter().map(|table| Change::CreateTable {
            table: TableId(table.id),
            module: table.module.as_str().into(),
            schema: Arc::new(table.schema.clone()),
        });
        let outline = Outline::of(tables.chain(rows).collect(), (*next_offset, Timestamp(manifest.time)));
        outline.map_err(|_| LoadError::Io(io::Error::other("a snapshot's tables do not fit together")))
    }

    /// The row of `table`, as `outline` has it, whose primary key has these encoded values.
    pub(super) fn row<L: CommitLog>(
        &self,
        log: &L,
        (outline, id): (&Outline, TableId),
        key: &[u8],
    ) -> Result<Option<RowBytes>, LoadError> {
        let (Some((snapshots, next_offset)), Some(table)) = (&self.snapshot, outline.table(id)) else {
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
}
