//! A transaction: the store moves in, changes are made and remembered, the store moves out.

use crate::check::CheckFailed;
use crate::range::KeyRange;
use crate::references::{BrokenReference, Links};
use crate::sequence;
use crate::store::Store;
use crate::table::{ApplyError, IndexId, Table};
use interstice_types::change::Change;
use interstice_types::codec::DecodeError;
use interstice_types::id::TableId;
use interstice_types::row::RowBytes;
use interstice_types::schema::{OnDelete, TableSchema};
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
    /// A row that is named is not there, or goes.
    #[error(transparent)]
    Reference(#[from] Box<BrokenReference>),
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
        let (max_size, max_changes) = (MAX_TRANSACTION_SIZE, MAX_TRANSACTION_CHANGES);
        Self { store, changes: Vec::new(), written_size: 0, max_size, max_changes, scratch: Vec::new() }
    }

    /// Lets it write up to [`MAX_LIFTED_SIZE`] bytes in any number of changes: a publish rewrites tables.
    pub fn lift_limits(&mut self) {
        self.max_size = MAX_LIFTED_SIZE;
        self.max_changes = usize::MAX;
    }

    /// Bytes of rows that were written, also those that were taken back: what a loop of writes that are undone costs counts.
    pub fn written_size(&self) -> usize {
        self.written_size
    }

    /// What was written since there were `written` bytes was taken back, and was all of it somebody else's.
    pub fn give_back(&mut self, written: usize) {
        assert!(written <= self.written_size, "invariant: one gives back what was taken");
        self.written_size = written;
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
        self.insert_checked(table, row, true)
    }

    /// As [`insert`](Self::insert), but the rows that it names may come later: see
    /// [`check_references`](Self::check_references).
    ///
    /// # Errors
    /// [`WriteError`]: nothing was changed.
    pub fn insert_ahead(&mut self, table: TableId, row: &[u8]) -> Result<&RowBytes, WriteError> {
        self.insert_checked(table, row, false)
    }

    fn insert_checked(&mut self, table: TableId, row: &[u8], in_order: bool) -> Result<&RowBytes, WriteError> {
        let (mut row, checked) = self.admit(table, row)?;
        let moves = sequence::fill(self.table(table)?, &mut row)?;
        if checked {
            self.table(table)?.check(&row)?;
        }
        if in_order {
            self.check_named(table, &row)?;
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
        self.check_named(table, &new)?;
        self.make(Change::Update { table, old: None, new })?;
        match self.changes.last() {
            Some(Change::Update { old: Some(old), .. }) => Ok(old),
            _ => panic!("invariant: an update is complete"),
        }
    }

    /// Removes the row whose primary key's columns have these encoded values; returns it. Rows that name it go too, or name
    /// nothing any more, if their reference says so.
    ///
    /// # Errors
    /// [`WriteError`], also if there is no such row, or a row that names it is in the way: nothing was changed.
    pub fn delete(&mut self, table: TableId, key: &[u8]) -> Result<&RowBytes, WriteError> {
        let savepoint = self.savepoint();
        self.make(Change::Delete { table, key: key.into(), old: None })?;
        if self.store.links(table).is_some()
            && let Err(error) = self.follow_references(table, key)
        {
            self.rollback_to(savepoint);
            return Err(error);
        }
        match self.changes.get(savepoint.0) {
            Some(Change::Delete { old: Some(old), .. }) => Ok(old),
            _ => panic!("invariant: a delete is complete"),
        }
    }

    /// What becomes of the rows that name the row `key`, which has just gone, and of those that name these.
    fn follow_references(&mut self, table: TableId, key: &[u8]) -> Result<(), WriteError> {
        let Some(references) = self.store.references().cloned() else { return Ok(()) };
        let mut gone = vec![(table, RowBytes::from(key))];
        while let Some((to, key)) = gone.pop() {
            for link in references.links(to).map_or(&[][..], |links| &links.into) {
                let (from, to) = (self.table(link.from)?, self.table(to)?);
                let rows = link.naming(from, &key, to);
                match link.on_delete() {
                    OnDelete::Restrict => {
                        let broken = rows.first().map(|row| link.in_the_way(from, row, (to, &key)));
                        broken.map_or(Ok(()), |broken| Err(Box::new(broken)))?;
                    }
                    OnDelete::Cascade => {
                        let keys: Vec<_> = rows.iter().map(|row| from.primary_key_values(row)).collect();
                        for key in keys {
                            self.make(Change::Delete { table: link.from, key: key.clone(), old: None })?;
                            gone.push((link.from, key));
                        }
                    }
                    OnDelete::SetNull => {
                        let rows: Vec<_> = rows.iter().map(|row| link.forgetting(from, row)).collect();
                        for new in rows {
                            self.make(Change::Update { table: link.from, old: None, new })?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn check_named(&self, table: TableId, row: &[u8]) -> Result<(), WriteError> {
        self.store.links(table).map_or(Ok(()), |links| self.check_links(links, row))
    }

    fn check_links(&self, links: &Links, row: &[u8]) -> Result<(), WriteError> {
        for link in &links.out {
            link.check(self.table(link.from)?, self.table(link.to)?, row).map_err(Box::new)?;
        }
        Ok(())
    }

    /// Whether every row of a table names rows that are there.
    ///
    /// # Errors
    /// [`WriteError::Reference`] with the first that does not.
    pub fn check_references(&self, table: TableId) -> Result<(), WriteError> {
        if self.store.links(table).is_none_or(|links| links.out.is_empty()) {
            return Ok(());
        }
        let rows = self.table(table)?.scan(IndexId::PRIMARY, &KeyRange::all(), false);
        rows.into_iter().try_for_each(|row| self.check_named(table, row))
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

    /// The store as it is now, without rows of event tables, and what was changed, in order.
    pub fn commit(mut self) -> (Store, Vec<Change>) {
        self.store.end_events(&self.changes);
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
        if self.written_size + row.len() > self.max_size {
            return Err(WriteError::TransactionTooLarge);
        }
        self.written_size += row.len();
        Ok((canonical, checked))
    }

    /// Makes a change where it is going to stay: it is too large to be moved about.
    fn make(&mut self, change: Change) -> Result<(), WriteError> {
        if self.changes.len() >= self.max_changes {
            return Err(WriteError::TransactionTooLarge);
        }
        self.changes.push(change);
        let change = self.changes.last_mut().expect("invariant: it was just pushed");
        if let Err(error) = self.store.apply_one(change, &mut self.scratch) {
            self.changes.pop();
            return Err(error.into());
        }
        Ok(())
    }
}
