//! A transaction: the store moves in, changes are made and remembered, the store moves out.

use crate::check::CheckFailed;
use crate::store::Store;
use crate::table::{ApplyError, Table};
use interstice_types::change::Change;
use interstice_types::codec::DecodeError;
use interstice_types::id::TableId;
use interstice_types::row::RowBytes;
use interstice_types::schema::TableSchema;
use interstice_types::ty::Type;
use std::sync::Arc;

/// Largest row, in bytes.
pub const MAX_ROW_SIZE: usize = 16 << 20;
/// Most bytes of rows that a transaction may write.
pub const MAX_TRANSACTION_SIZE: usize = 64 << 20;
/// Most changes of a transaction.
pub const MAX_TRANSACTION_CHANGES: usize = 1_000_000;

/// A transaction in progress.
#[derive(Debug)]
pub struct WriteTx {
    store: Store,
    changes: Vec<Change>,
    written_size: usize,
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
    /// A check is false of the row.
    #[error(transparent)]
    Check(#[from] Box<CheckFailed>),
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
        Self { store, changes: Vec::new(), written_size: 0, scratch: Vec::new() }
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
        let (mut row, checked) = self.admit(table, row)?;
        let moves = sequence_moves(self.table(table)?, &mut row)?;
        if checked {
            self.table(table)?.check(&row)?;
        }
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
        let (new, checked) = self.admit(table, row)?;
        if checked {
            self.table(table)?.check(&new)?;
        }
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

    /// The canonical form of a row that the transaction has room for, and whether its table has checks.
    fn admit(&mut self, id: TableId, row: &[u8]) -> Result<(RowBytes, bool), WriteError> {
        let table = self.table(id)?;
        let checked = table.has_checks();
        let name = || table.schema().name.clone();
        if row.len() > MAX_ROW_SIZE {
            return Err(WriteError::RowTooLarge { table: name(), size: row.len() });
        }
        let canonical = table.layout().canonical(row);
        let canonical = canonical.map_err(|source| WriteError::InvalidRow { table: name(), source })?;
        if self.written_size + row.len() > MAX_TRANSACTION_SIZE || self.changes.len() >= MAX_TRANSACTION_CHANGES {
            return Err(WriteError::TransactionTooLarge);
        }
        self.written_size += row.len();
        Ok((canonical, checked))
    }

    /// Makes a change where it is going to stay: it is too large to be moved about.
    fn make(&mut self, change: Change) -> Result<(), WriteError> {
        self.changes.push(change);
        let change = self.changes.last_mut().expect("invariant: it was just pushed");
        if let Err(error) = self.store.apply_one(change, &mut self.scratch) {
            self.changes.pop();
            return Err(error.into());
        }
        Ok(())
    }
}

/// Fills sequence values into `row`; returns the sequences that move, with the value that each gives next.
///
/// A value that the caller chose moves the sequence behind it, so that it is never given again.
fn sequence_moves(table: &Table, row: &mut RowBytes) -> Result<Vec<(u16, u64)>, WriteError> {
    let mut moves = Vec::new();
    for (column, next) in table.sequences() {
        let ty = &table.layout().types()[usize::from(column)];
        let position = table.layout().reader_at(row, usize::from(column)).position();
        let size = ty.fixed_size().expect("invariant: sequences are integers");
        let field = position..position + size;
        let given = read_integer(&row[field.clone()], ty);
        let exhausted = || WriteError::SequenceExhausted {
            table: table.schema().name.clone(),
            column: table.schema().columns[usize::from(column)].name.clone(),
        };
        match given {
            Some(0) => {
                if next > largest(ty) {
                    return Err(exhausted());
                }
                row.change_unshared(|row| row[field].copy_from_slice(&next.to_le_bytes()[..size]));
                moves.push((column, next + 1));
            }
            Some(given) if given >= next => moves.push((column, given.checked_add(1).ok_or_else(exhausted)?)),
            _ => {}
        }
    }
    Ok(moves)
}

/// The value, unless it is negative.
fn read_integer(field: &[u8], ty: &Type) -> Option<u64> {
    let mut bytes = [0; 8];
    bytes[..field.len()].copy_from_slice(field);
    let value = u64::from_le_bytes(bytes);
    (value <= largest(ty)).then_some(value)
}

/// The largest value that a sequence may give.
fn largest(ty: &Type) -> u64 {
    match ty {
        Type::U32 => u64::from(u32::MAX),
        Type::I32 => i32::MAX as u64,
        Type::I64 => i64::MAX as u64,
        Type::U64 => u64::MAX - 1,
        other => panic!("invariant: {other} has no sequence"),
    }
}
