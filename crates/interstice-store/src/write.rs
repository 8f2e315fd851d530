//! A transaction: the store moves in, changes are made and remembered, the store moves out.

use crate::sequence;
use crate::store::Store;
use crate::table::{ApplyError, Table};
use interstice_types::change::Change;
use interstice_types::codec::DecodeError;
use interstice_types::id::TableId;
use interstice_types::row::RowBytes;
use interstice_types::schema::TableSchema;
use std::sync::Arc;

/// Largest row, in bytes.
pub const MAX_ROW_SIZE: usize = 16 << 20;
/// Most bytes of rows that a transaction may write.
pub const MAX_TRANSACTION_SIZE: usize = 64 << 20;
/// Most changes of a transaction.
pub const MAX_TRANSACTION_CHANGES: usize = 1_000_000;

/// Most bytes of rows that a transaction with its limits lifted may write.
pub const MAX_LIFTED_SIZE: usize = 4 << 30;

/// A transaction in progress.
#[derive(Debug)]
pub struct WriteTx {
    store: Store,
    changes: Vec<Change>,
    written_size: usize,
    max_size: usize,
    max_changes: usize,
    scratch: Vec<u8>,
}

/// A moment inside of a transaction to which it can go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Savepoint(usize);

/// Why a write was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A constraint does not allow it, or there is nothing to write to.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The bytes are not a canonical row.
    #[error("not a row of table `{table}`: {source}")]
    InvalidRow {
        /// The table's name.
        table: String,
        /// What is wrong with them.
        source: DecodeError,
    },
    /// More than [`MAX_ROW_SIZE`].
    #[error("a row of {size} bytes for table `{table}`, at most {MAX_ROW_SIZE} are allowed")]
    RowTooLarge {
        /// The table's name.
        table: String,
        /// The row's size.
        size: usize,
    },
    /// More than [`MAX_TRANSACTION_SIZE`] or [`MAX_TRANSACTION_CHANGES`].
    #[error("the transaction writes more than {MAX_TRANSACTION_SIZE} bytes or {MAX_TRANSACTION_CHANGES} changes")]
    TransactionTooLarge,
    /// The sequence has given all values of its column's type.
    #[error("the sequence of column `{column}` of table `{table}` is used up")]
    SequenceExhausted {
        /// The table's name.
        table: String,
        /// The column's name.
        column: String,
    },
}

impl WriteTx {
    pub(crate) fn new(store: Store) -> Self {
        let (max_size, max_changes) = (MAX_TRANSACTION_SIZE, MAX_TRANSACTION_CHANGES);
        Self { store, changes: Vec::new(), written_size: 0, max_size, max_changes, scratch: Vec::new() }
    }

    /// Lets it write up to [`MAX_LIFTED_SIZE`] bytes in any number of changes: a publish rewrites tables.
    pub fn lift_limits(&mut self) {
        self.max_size = MAX_LIFTED_SIZE;
        self.max_changes = usize::MAX;
    }

    /// The tables as they are now, writes of this transaction included.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What was changed so far.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Adds a row. Zeros in columns with a sequence are replaced by its next value; the row is returned as stored.
    ///
    /// # Errors
    /// [`WriteError`]: nothing was changed.
    pub fn insert(&mut self, table: TableId, row: &[u8]) -> Result<&RowBytes, WriteError> {
        let mut row = self.admit(table, row)?;
        let moves = sequence::fill(self.table(table)?, &mut row)?;
        let savepoint = self.savepoint();
        for (column, next) in moves {
            self.make(Change::Sequence { table, column, next, previous: 0 })?;
        }
        if let Err(error) = self.make(Change::Insert { table, row }) {
            self.rollback_to(savepoint);
            return Err(error);
        }
        match self.changes.last() {
            Some(Change::Insert { row, .. }) => Ok(row),
            _ => panic!("invariant: the change was just made"),
        }
    }

    /// Replaces the row with the same primary key; returns the row as it was.
    ///
    /// # Errors
    /// [`WriteError`]: nothing was changed.
    pub fn update(&mut self, table: TableId, row: &[u8]) -> Result<&RowBytes, WriteError> {
        let new = self.admit(table, row)?;
        self.make(Change::Update { table, old: None, new })?;
        match self.changes.last() {
            Some(Change::Update { old: Some(old), .. }) => Ok(old),
            _ => panic!("invariant: an update is complete"),
        }
    }

    /// Removes the row whose primary key's columns have these encoded values; returns it.
    ///
    /// # Errors
    /// [`WriteError`], also if there is no such row: nothing was changed.
    pub fn delete(&mut self, table: TableId, key: &[u8]) -> Result<&RowBytes, WriteError> {
        self.make(Change::Delete { table, key: key.into(), old: None })?;
        match self.changes.last() {
            Some(Change::Delete { old: Some(old), .. }) => Ok(old),
            _ => panic!("invariant: a delete is complete"),
        }
    }

    /// Makes a table.
    ///
    /// # Errors
    /// [`WriteError`]: nothing was changed.
    pub fn create_table(&mut self, module: Arc<str>, schema: Arc<TableSchema>) -> Result<TableId, WriteError> {
        let table = self.store.next_table_id();
        self.make(Change::CreateTable { table, module, schema })?;
        Ok(table)
    }

    /// Puts a table under another schema; see [`alter`](crate::alter::alter).
    ///
    /// # Errors
    /// [`WriteError`]: nothing was changed.
    pub fn alter_table(
        &mut self,
        table: TableId,
        schema: Arc<TableSchema>,
        defaults: Vec<(u16, Vec<u8>)>,
    ) -> Result<(), WriteError> {
        self.make(Change::AlterTable { table, schema, defaults })
    }

    /// Takes all rows of a table away; its sequences go on.
    ///
    /// # Errors
    /// [`WriteError`]: nothing was changed.
    pub fn clear_table(&mut self, table: TableId) -> Result<(), WriteError> {
        self.make(Change::ClearTable { table })
    }

    /// Takes a table away with its rows.
    ///
    /// # Errors
    /// [`WriteError`]: nothing was changed.
    pub fn drop_table(&mut self, table: TableId) -> Result<(), WriteError> {
        self.make(Change::DropTable { table })
    }

    /// Has the sequence of a column give this value next.
    ///
    /// # Errors
    /// [`WriteError`]: nothing was changed.
    pub fn set_sequence(&mut self, table: TableId, column: u16, next: u64) -> Result<(), WriteError> {
        self.make(Change::Sequence { table, column, next, previous: 0 })
    }

    /// This moment, to go back to.
    pub fn savepoint(&self) -> Savepoint {
        Savepoint(self.changes.len())
    }

    /// Takes back all that was changed since `savepoint`, last first.
    pub fn rollback_to(&mut self, savepoint: Savepoint) {
        assert!(savepoint.0 <= self.changes.len(), "invariant: one goes back, not forth");
        while self.changes.len() > savepoint.0 {
            let change = self.changes.pop().expect("invariant: the length was just checked");
            self.store.undo(change, &mut self.scratch);
        }
    }

    /// The store as it is now, and what was changed, in order.
    pub fn commit(self) -> (Store, Vec<Change>) {
        (self.store, self.changes)
    }

    /// The store as it was before.
    pub fn abort(mut self) -> Store {
        self.rollback_to(Savepoint(0));
        self.store
    }

    fn table(&self, id: TableId) -> Result<&Table, ApplyError> {
        self.store.table(id).map(|table| &**table).ok_or(ApplyError::NoSuchTable { table: id })
    }

    /// The canonical form of a row that the transaction has room for.
    fn admit(&mut self, id: TableId, row: &[u8]) -> Result<RowBytes, WriteError> {
        let table = self.table(id)?;
        let name = || table.schema().name.clone();
        if row.len() > MAX_ROW_SIZE {
            return Err(WriteError::RowTooLarge { table: name(), size: row.len() });
        }
        let canonical = table.layout().canonical(row);
        let canonical = canonical.map_err(|source| WriteError::InvalidRow { table: name(), source })?;
        if self.written_size + row.len() > self.max_size || self.changes.len() >= self.max_changes {
            return Err(WriteError::TransactionTooLarge);
        }
        self.written_size += row.len();
        Ok(canonical)
    }

    fn make(&mut self, mut change: Change) -> Result<(), WriteError> {
        self.store.apply_one(&mut change, &mut self.scratch)?;
        self.changes.push(change);
        Ok(())
    }
}
