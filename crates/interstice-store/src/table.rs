//! One table: rows by primary key, further ordered indexes, sequences.
//!
//! The only file that knows which map is behind a table: `imbl::OrdMap`, a persistent B+ tree whose clone is O(1) and
//! which copies a node on write only while a clone holds it.

use crate::digest;
use crate::range::KeyRange;
use imbl::OrdMap;
use interstice_types::change::{Change, RowBytes};
use interstice_types::codec;
use interstice_types::id::TableId;
use interstice_types::json;
use interstice_types::key::Key;
use interstice_types::layout::RowLayout;
use interstice_types::schema::{IndexSchema, TableSchema};
use std::sync::Arc;

/// The value that a sequence gives first.
pub const FIRST_SEQUENCE_VALUE: u64 = 1;

/// Names an index of a table: 0 is the primary key, `n` the schema's index `n - 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexId(pub u16);

impl IndexId {
    /// The primary key.
    pub const PRIMARY: Self = Self(0);
}

/// Rows, indexes and sequences of one table. A clone is O(indexes) and shares all rows.
#[derive(Debug, Clone)]
pub struct Table {
    id: TableId,
    module: Arc<str>,
    schema: Arc<TableSchema>,
    layout: Arc<RowLayout>,
    rows: OrdMap<Key, RowBytes>,
    indexes: Vec<Index>,
    sequences: Vec<Sequence>,
    digest: u128,
}

/// Keys of an index, each with the primary key of its row. In an index that is not unique the primary key follows the
/// index key, which makes every entry one of a kind and orders ties.
#[derive(Debug, Clone)]
struct Index {
    columns: Vec<u16>,
    unique: bool,
    entries: OrdMap<Key, Key>,
}

#[derive(Debug, Clone, Copy)]
struct Sequence {
    column: u16,
    next: u64,
}

/// Why a change does not fit the table as it is. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Two rows would share a primary or unique key.
    #[error("table `{table}` has a row with {index} {key} already")]
    DuplicateKey {
        /// The table's name.
        table: String,
        /// `primary key`, or ``unique index `name` ``.
        index: String,
        /// The values of the key's columns as JSON.
        key: String,
    },
    /// The row to change is not there.
    #[error("table `{table}` has no row with primary key {key}")]
    NoSuchRow {
        /// The table's name.
        table: String,
        /// The values of the key's columns as JSON.
        key: String,
    },
    /// The table is not there.
    #[error("there is no table with id {table}")]
    NoSuchTable {
        /// Its id.
        table: TableId,
    },
    /// The table is there already.
    #[error("there is a table with id {table} already")]
    TableExists {
        /// Its id.
        table: TableId,
    },
    /// The bytes are not a row or key of this table.
    #[error("not a row of table `{table}`: {source}")]
    InvalidRow {
        /// The table's name.
        table: String,
        /// What is wrong with them.
        source: codec::DecodeError,
    },
    /// The column has no sequence.
    #[error("column {column} of table `{table}` has no sequence")]
    NoSuchSequence {
        /// The table's name.
        table: String,
        /// The column's number.
        column: u16,
    },
}

impl Table {
    /// A table without rows.
    pub fn new(id: TableId, module: Arc<str>, schema: Arc<TableSchema>) -> Self {
        let index = |index: &IndexSchema| Index {
            columns: index.columns.clone(),
            unique: index.unique,
            entries: OrdMap::new(),
        };
        let indexes = schema.indexes.iter().map(index).collect();
        let columns = schema.columns.iter().enumerate().filter(|(_, column)| column.auto_inc);
        let sequences: Vec<_> =
            columns.map(|(column, _)| Sequence { column: column as u16, next: FIRST_SEQUENCE_VALUE }).collect();
        let digest = sequences.iter().map(|s| digest::of_sequence(id, s.column, s.next)).fold(0, u128::wrapping_add);
        let layout = Arc::new(schema.layout());
        Self { id, module, schema, layout, rows: OrdMap::new(), indexes, sequences, digest }
    }

    /// Its id.
    pub fn id(&self) -> TableId {
        self.id
    }

    /// The module that owns it.
    pub fn module(&self) -> &Arc<str> {
        &self.module
    }

    /// Its schema.
    pub fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    /// Where the columns are in a row's bytes.
    pub fn layout(&self) -> &Arc<RowLayout> {
        &self.layout
    }

    /// How many rows it has.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// The sum over its rows and sequences.
    pub fn digest(&self) -> u128 {
        self.digest
    }

    /// The row with this primary key.
    pub fn get(&self, key: &Key) -> Option<&RowBytes> {
        self.rows.get(key)
    }

    /// The columns of an index in key order; `None` if there is no such index.
    pub fn index_columns(&self, index: IndexId) -> Option<&[u16]> {
        match index.0 {
            0 => Some(&self.schema.primary_key),
            n => self.indexes.get(usize::from(n) - 1).map(|index| index.columns.as_slice()),
        }
    }

    /// The rows of `range` in the order of `index`, or against it; ties in primary-key order.
    ///
    /// # Panics
    /// If there is no such index.
    pub fn scan(
        &self,
        index: IndexId,
        range: &KeyRange,
        reverse: bool,
    ) -> Box<dyn Iterator<Item = (&Key, &RowBytes)> + '_> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let bounds = (
            std::ops::Bound::Included(range.start.clone()),
            range.end.clone().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded),
        );
        if index == IndexId::PRIMARY {
            let rows = self.rows.range(bounds);
            return if reverse { Box::new(rows.rev()) } else { Box::new(rows) };
        }
        let row = |(key, primary)| (key, self.rows.get(primary).expect("invariant: an index entry has its row"));
        let entries = self.indexes[usize::from(index.0) - 1].entries.range(bounds);
        if reverse { Box::new(entries.rev().map(row)) } else { Box::new(entries.map(row)) }
    }

    /// The next value of each sequence, by column.
    pub fn sequences(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.sequences.iter().map(|sequence| (sequence.column, sequence.next))
    }

    /// The primary key of `row`.
    pub fn primary_key(&self, row: &[u8], scratch: &mut Vec<u8>) -> Key {
        self.layout.key(row, &self.schema.primary_key, scratch)
    }

    /// The encoded values of the primary key's columns of `row`.
    pub fn primary_key_values(&self, row: &[u8]) -> RowBytes {
        let columns = self.schema.primary_key.iter();
        columns.flat_map(|column| self.layout.column(row, usize::from(*column)).iter().copied()).collect()
    }

    /// Makes `change`, which must be about rows or a sequence of this table, and returns it complete: with the old row
    /// and the previous sequence value. `row`s must be canonical; [`ApplyError::InvalidRow`] is only for keys.
    ///
    /// # Errors
    /// If it does not fit; nothing was changed then.
    pub fn apply(&mut self, change: Change, scratch: &mut Vec<u8>) -> Result<Change, ApplyError> {
        match change {
            Change::Insert { table, row } => {
                self.insert(&row, scratch)?;
                Ok(Change::Insert { table, row })
            }
            Change::Update { table, new, .. } => {
                let old = self.update(&new, scratch)?;
                Ok(Change::Update { table, old: Some(old), new })
            }
            Change::Delete { table, key, .. } => {
                let old = self.delete(&key, scratch)?;
                Ok(Change::Delete { table, key, old: Some(old) })
            }
            Change::Sequence { table, column, next, .. } => {
                let previous = self.set_sequence(column, next)?;
                Ok(Change::Sequence { table, column, next, previous })
            }
            Change::CreateTable { .. } | Change::AlterTable { .. } | Change::DropTable { .. } => {
                panic!("invariant: the store itself makes, alters and drops tables")
            }
        }
    }

    fn insert(&mut self, row: &RowBytes, scratch: &mut Vec<u8>) -> Result<(), ApplyError> {
        let key = self.primary_key(row, scratch);
        let mut entries = Vec::with_capacity(self.indexes.len());
        for position in 0..self.indexes.len() {
            let entry = self.entry(position, row, &key, scratch);
            if self.indexes[position].unique && self.indexes[position].entries.contains_key(&entry) {
                return Err(self.duplicate(Some(position), row));
            }
            entries.push(entry);
        }
        if let Some(there) = self.rows.insert(key.clone(), Arc::clone(row)) {
            self.rows.insert(key, there);
            return Err(self.duplicate(None, row));
        }
        for (index, entry) in self.indexes.iter_mut().zip(entries) {
            index.entries.insert(entry, key.clone());
        }
        self.digest = self.digest.wrapping_add(digest::of_row(self.id, row));
        Ok(())
    }

    fn update(&mut self, new: &RowBytes, scratch: &mut Vec<u8>) -> Result<RowBytes, ApplyError> {
        let key = self.primary_key(new, scratch);
        if !self.indexes.is_empty() {
            self.move_entries(&key, new, scratch)?;
        }
        let Some(slot) = self.rows.get_mut(&key) else { return Err(self.no_such_row(new)) };
        let old = std::mem::replace(slot, Arc::clone(new));
        let difference = digest::of_row(self.id, new).wrapping_sub(digest::of_row(self.id, &old));
        self.digest = self.digest.wrapping_add(difference);
        Ok(old)
    }

    fn move_entries(&mut self, key: &Key, new: &RowBytes, scratch: &mut Vec<u8>) -> Result<(), ApplyError> {
        let Some(old) = self.rows.get(key).cloned() else { return Err(self.no_such_row(new)) };
        let mut moves = Vec::new();
        for position in 0..self.indexes.len() {
            let before = self.entry(position, &old, key, scratch);
            let after = self.entry(position, new, key, scratch);
            if before == after {
                continue;
            }
            if self.indexes[position].unique && self.indexes[position].entries.contains_key(&after) {
                return Err(self.duplicate(Some(position), new));
            }
            moves.push((position, before, after));
        }
        for (position, before, after) in moves {
            let entries = &mut self.indexes[position].entries;
            entries.remove(&before).expect("invariant: every row has its index entry");
            entries.insert(after, key.clone());
        }
        Ok(())
    }

    fn delete(&mut self, key_values: &[u8], scratch: &mut Vec<u8>) -> Result<RowBytes, ApplyError> {
        let key = self.lookup_key(key_values, scratch)?;
        let Some(old) = self.rows.remove(&key) else {
            return Err(ApplyError::NoSuchRow { table: self.schema.name.clone(), key: self.key_text(key_values) });
        };
        for position in 0..self.indexes.len() {
            let entry = self.entry(position, &old, &key, scratch);
            self.indexes[position].entries.remove(&entry).expect("invariant: every row has its index entry");
        }
        self.digest = self.digest.wrapping_sub(digest::of_row(self.id, &old));
        Ok(old)
    }

    fn set_sequence(&mut self, column: u16, next: u64) -> Result<u64, ApplyError> {
        let Some(sequence) = self.sequences.iter_mut().find(|sequence| sequence.column == column) else {
            return Err(ApplyError::NoSuchSequence { table: self.schema.name.clone(), column });
        };
        let previous = std::mem::replace(&mut sequence.next, next);
        let difference =
            digest::of_sequence(self.id, column, next).wrapping_sub(digest::of_sequence(self.id, column, previous));
        self.digest = self.digest.wrapping_add(difference);
        Ok(previous)
    }

    /// The primary key whose columns have these encoded values.
    ///
    /// # Errors
    /// [`ApplyError::InvalidRow`] if the bytes are not values of exactly those columns.
    pub fn lookup_key(&self, key_values: &[u8], scratch: &mut Vec<u8>) -> Result<Key, ApplyError> {
        let invalid = |source| ApplyError::InvalidRow { table: self.schema.name.clone(), source };
        let columns = &self.schema.primary_key;
        let (key, covered) = self.layout.lookup_key(key_values, columns, scratch).map_err(invalid)?;
        if covered < columns.len() {
            let expected = format!("a key of {} columns", columns.len());
            return Err(invalid(codec::DecodeError::Truncated {
                expected,
                needed: 1,
                left: 0,
                position: key_values.len(),
            }));
        }
        Ok(key)
    }

    fn entry(&self, position: usize, row: &[u8], primary: &Key, scratch: &mut Vec<u8>) -> Key {
        let index = &self.indexes[position];
        scratch.clear();
        self.layout.encode_key(row, &index.columns, scratch);
        if !index.unique {
            scratch.extend(primary.as_bytes());
        }
        Key::new(scratch)
    }

    fn duplicate(&self, index: Option<usize>, row: &[u8]) -> ApplyError {
        let (name, columns) = match index {
            None => ("primary key".to_owned(), &self.schema.primary_key),
            Some(i) => (format!("unique index `{}`", self.schema.indexes[i].name), &self.schema.indexes[i].columns),
        };
        let values: Vec<u8> =
            columns.iter().flat_map(|column| self.layout.column(row, usize::from(*column)).iter().copied()).collect();
        ApplyError::DuplicateKey {
            table: self.schema.name.clone(),
            index: name,
            key: self.values_text(columns, &values),
        }
    }

    fn no_such_row(&self, row: &[u8]) -> ApplyError {
        ApplyError::NoSuchRow { table: self.schema.name.clone(), key: self.key_text(&self.primary_key_values(row)) }
    }

    fn key_text(&self, key_values: &[u8]) -> String {
        self.values_text(&self.schema.primary_key, key_values)
    }

    fn values_text(&self, columns: &[u16], values: &[u8]) -> String {
        let types: Vec<_> = columns.iter().map(|column| &self.layout.types()[usize::from(*column)]).collect();
        match codec::decode_all(types.iter().copied(), values) {
            Ok(values) => {
                let texts = types.iter().zip(&values).map(|(ty, value)| json::to_json(ty, value).to_string());
                texts.collect::<Vec<_>>().join(", ")
            }
            Err(error) => format!("({error})"),
        }
    }
}
