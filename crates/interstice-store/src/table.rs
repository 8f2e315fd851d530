//! One table: rows by primary key, further ordered indexes, sequences.

use crate::alter::Unfit;
use crate::range::KeyRange;
use crate::sequence;
use crate::tree::{self, Tree, TreeBuilder, Value};
use crate::{check, digest};
use interstice_types::change::Change;
use interstice_types::codec;
use interstice_types::filter::Predicate;
use interstice_types::id::TableId;
use interstice_types::json;
use interstice_types::key::Key;
use interstice_types::layout::RowLayout;
use interstice_types::row::RowBytes;
use interstice_types::schema::{Durability, IndexSchema, TableSchema};
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
    rows: Tree,
    indexes: Vec<Index>,
    sequences: Vec<Sequence>,
    /// Of the schema, compiled.
    checks: Arc<[Predicate]>,
    digest: u128,
}

/// Keys of an index, each with the primary key of its row. In an index that is not unique the primary key follows the
/// index key, which makes every entry one of a kind and orders ties.
#[derive(Debug, Clone)]
struct Index {
    columns: Vec<u16>,
    unique: bool,
    entries: Tree,
}

impl Index {
    fn new(index: &IndexSchema, table: &TableSchema, layout: &RowLayout) -> Self {
        let rest = if index.unique { &[][..] } else { &table.primary_key };
        let size = layout.key_size(&index.columns).zip(layout.key_size(rest)).map(|(columns, rest)| columns + rest);
        Self { columns: index.columns.clone(), unique: index.unique, entries: Tree::new(size) }
    }

    fn add(&mut self, entry: &Key, primary: &Key) {
        assert!(
            self.entries.insert(entry, Value::Bytes(primary.as_bytes())),
            "invariant: an entry that is new is not there"
        );
    }

    fn remove(&mut self, entry: &Key) {
        self.entries.remove(entry).expect("invariant: every row has its index entry");
    }
}

/// Rows of a table; see [`Table::scan`].
#[derive(Debug)]
pub enum Scan<'t> {
    /// By the primary key.
    Rows(tree::Range<'t>),
    /// By another index.
    Entries(&'t Table, tree::Range<'t>),
}

impl<'t> Iterator for Scan<'t> {
    type Item = &'t [u8];

    #[inline]
    fn next(&mut self) -> Option<&'t [u8]> {
        match self {
            Self::Rows(rows) => rows.next(),
            Self::Entries(table, entries) => entries.next().map(|primary| table.row_of_entry(primary)),
        }
    }
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
    /// Nothing says what a column is to hold in the rows that are there.
    #[error("nothing says what column `{column}` of table `{table}` holds in the rows that are there")]
    NoWay {
        /// The table's name.
        table: String,
        /// The column's name.
        column: String,
    },
    /// A row has a value that the new schema has no place for.
    #[error("row {key} of table `{table}`: {misfit}")]
    DoesNotConvert {
        /// The table's name.
        table: String,
        /// The values of the primary key as JSON.
        key: String,
        /// The column, the value, and the type that it should have.
        misfit: String,
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
        let layout = Arc::new(schema.layout());
        let rows = Tree::new(layout.key_size(&schema.primary_key));
        let indexes = schema.indexes.iter().map(|index| Index::new(index, &schema, &layout)).collect();
        let columns = schema.columns.iter().enumerate().filter(|(_, column)| column.auto_inc);
        let sequences: Vec<_> =
            columns.map(|(column, _)| Sequence { column: column as u16, next: FIRST_SEQUENCE_VALUE }).collect();
        let digest = sequences.iter().map(|s| digest::of_sequence(id, s.column, s.next)).fold(0, u128::wrapping_add);
        let checks = check::compile(&schema, &layout).into();
        Self { id, module, schema, layout, rows, indexes, sequences, checks, digest }
    }

    /// A table of `rows`, in any order, with sequences that begin. Rows must be canonical.
    ///
    /// # Errors
    /// [`ApplyError::DuplicateKey`], and the first error among `rows`.
    pub fn of_rows(
        id: TableId,
        module: Arc<str>,
        schema: Arc<TableSchema>,
        rows: impl IntoIterator<Item = Result<RowBytes, ApplyError>>,
    ) -> Result<Self, ApplyError> {
        let mut this = Self::new(id, module, schema);
        let mut scratch = Vec::new();
        for row in rows {
            let row = row?;
            let key = this.primary_key(&row, &mut scratch);
            if !this.rows.insert(&key, Value::Row(&row)) {
                return Err(this.duplicate(None, &row));
            }
            this.digest = this.digest.wrapping_add(digest::of_row(id, &row));
        }
        (0..this.indexes.len()).try_for_each(|position| this.fill_index(position))?;
        Ok(this)
    }

    /// Builds an index from the rows: its entries are sorted once.
    fn fill_index(&mut self, position: usize) -> Result<(), ApplyError> {
        let mut scratch = Vec::new();
        let rows = self.rows.range(&KeyRange::all(), false);
        let entry = |row| {
            let primary = self.primary_key(row, &mut scratch);
            (self.entry(position, row, &primary, &mut scratch), primary)
        };
        let mut entries: Vec<_> = rows.map(entry).collect();
        entries.sort_unstable();
        let mut builder = TreeBuilder::new(self.indexes[position].entries.key_size());
        for (entry, primary) in entries {
            if !builder.push(entry, Value::Bytes(primary.as_bytes())) {
                return Err(self.duplicate(Some(position), self.row_of_entry(primary.as_bytes())));
            }
        }
        self.indexes[position].entries = builder.finish();
        Ok(())
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

    /// The checks of its schema, in that order.
    #[inline]
    pub(crate) fn predicates(&self) -> &[Predicate] {
        &self.checks
    }

    /// How many rows it has.
    pub fn count(&self) -> usize {
        self.rows.count()
    }

    /// Bytes that its rows and its further indexes have allocated, without what an allocator adds.
    pub fn allocated_sizes(&self) -> (usize, usize) {
        let indexes = self.indexes.iter().map(|index| index.entries.allocated_size()).sum();
        (self.rows.allocated_size(), indexes)
    }

    /// The sum over its rows and sequences; 0 if they are not there for good.
    pub fn digest(&self) -> u128 {
        if self.schema.durability == Durability::Durable { self.digest } else { 0 }
    }

    /// The row with this primary key.
    pub fn get(&self, key: &Key) -> Option<&[u8]> {
        self.rows.get(key)
    }

    /// The row with this key of `index`, if that is the primary key or a unique one.
    ///
    /// # Panics
    /// If there is no such index, or not a unique one.
    pub fn get_by(&self, index: IndexId, key: &Key) -> Option<&[u8]> {
        if index == IndexId::PRIMARY {
            return self.get(key);
        }
        let index = &self.indexes[usize::from(index.0) - 1];
        assert!(index.unique, "invariant: one row by one key needs a unique index");
        index.entries.get(key).map(|primary| self.row_of_entry(primary))
    }

    /// The columns of an index in key order; `None` if there is no such index.
    pub fn index_columns(&self, index: IndexId) -> Option<&[u16]> {
        match index.0 {
            0 => Some(&self.schema.primary_key),
            n => self.indexes.get(usize::from(n) - 1).map(|index| index.columns.as_slice()),
        }
    }

    /// Whether no two rows have the same values in the columns of an index.
    ///
    /// # Panics
    /// If there is no such index.
    pub fn index_is_unique(&self, index: IndexId) -> bool {
        index == IndexId::PRIMARY || self.indexes[usize::from(index.0) - 1].unique
    }

    /// The rows of `range` in the order of `index`, or against it; ties in primary-key order.
    ///
    /// # Panics
    /// If there is no such index.
    pub fn scan(&self, index: IndexId, range: &KeyRange, reverse: bool) -> Scan<'_> {
        if index == IndexId::PRIMARY {
            return Scan::Rows(self.rows.range(range, reverse));
        }
        Scan::Entries(self, self.indexes[usize::from(index.0) - 1].entries.range(range, reverse))
    }

    fn row_of_entry(&self, primary: &[u8]) -> &[u8] {
        self.rows.get(&Key::new(primary)).expect("invariant: an index entry has its row")
    }

    /// The next value of each sequence, by column.
    pub fn sequences(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.sequences.iter().map(|sequence| (sequence.column, sequence.next))
    }

    /// The key under which `index` has `row`.
    ///
    /// # Panics
    /// If there is no such index.
    pub fn index_key(&self, index: IndexId, row: &[u8], scratch: &mut Vec<u8>) -> Key {
        let primary = self.primary_key(row, scratch);
        match index.0 {
            0 => primary,
            n => self.entry(usize::from(n) - 1, row, &primary, scratch),
        }
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

    /// Makes `change`, which must be about rows or a sequence of this table, and completes it: with the old row and the
    /// previous sequence value. Rows must be canonical; [`ApplyError::InvalidRow`] is only for keys.
    ///
    /// # Errors
    /// If it does not fit; nothing was changed then.
    pub fn apply(&mut self, change: &mut Change, scratch: &mut Vec<u8>) -> Result<(), ApplyError> {
        match change {
            Change::Insert { row, .. } => self.insert(row, scratch)?,
            Change::Update { old, new, .. } => *old = Some(self.update(new, scratch)?),
            Change::Delete { key, old, .. } => *old = Some(self.delete(key, scratch)?),
            Change::Sequence { column, next, previous, .. } => *previous = self.set_sequence(*column, *next)?,
            Change::CreateTable { .. }
            | Change::AlterTable { .. }
            | Change::ClearTable { .. }
            | Change::DropTable { .. } => {
                panic!("invariant: the store itself makes, alters, clears and drops tables")
            }
        }
        Ok(())
    }

    /// The same rows under a schema that they fit as they are; indexes that it adds are built.
    ///
    /// # Errors
    /// [`ApplyError::DuplicateKey`] if two rows would share a key of a new index.
    pub(crate) fn under(&self, schema: &Arc<TableSchema>) -> Result<Self, ApplyError> {
        let mut this = Self::new(self.id, Arc::clone(&self.module), Arc::clone(schema));
        let of_sequences = |table: &Self| {
            let parts = table.sequences.iter().map(|one| digest::of_sequence(table.id, one.column, one.next));
            parts.fold(0, u128::wrapping_add)
        };
        let of_rows = self.digest.wrapping_sub(of_sequences(self));
        this.digest = this.digest.wrapping_add(of_rows);
        this.rows = self.rows.clone();
        for position in 0..this.indexes.len() {
            let (columns, unique) = (&this.indexes[position].columns, this.indexes[position].unique);
            let there = self.indexes.iter().find(|index| index.columns == *columns && index.unique == unique);
            match there {
                Some(index) => this.indexes[position].entries = index.entries.clone(),
                None => this.fill_index(position)?,
            }
        }
        Ok(this)
    }

    /// The same table without rows; its sequences go on.
    pub(crate) fn cleared(&self) -> Self {
        let mut this = Self::new(self.id, Arc::clone(&self.module), Arc::clone(&self.schema));
        for sequence in &self.sequences {
            this.set_sequence(sequence.column, sequence.next).expect("invariant: the same columns have sequences");
        }
        this
    }

    /// The error of a row with a value that another schema has no place for.
    #[cold]
    pub(crate) fn does_not_convert(&self, row: &[u8], unfit: &Unfit) -> ApplyError {
        let (key, misfit) = (self.key_text_of(row), unfit.to_string());
        ApplyError::DoesNotConvert { table: self.schema.name.clone(), key, misfit }
    }

    fn insert(&mut self, row: &RowBytes, scratch: &mut Vec<u8>) -> Result<(), ApplyError> {
        let key = self.primary_key(row, scratch);
        let mut entries = Vec::with_capacity(self.indexes.len());
        for position in 0..self.indexes.len() {
            let entry = self.entry(position, row, &key, scratch);
            if self.indexes[position].unique && self.indexes[position].entries.get(&entry).is_some() {
                return Err(self.duplicate(Some(position), row));
            }
            entries.push(entry);
        }
        if !self.rows.insert(&key, Value::Row(row)) {
            return Err(self.duplicate(None, row));
        }
        for (index, entry) in self.indexes.iter_mut().zip(entries) {
            index.add(&entry, &key);
        }
        self.digest = self.digest.wrapping_add(digest::of_row(self.id, row));
        Ok(())
    }

    fn update(&mut self, new: &RowBytes, scratch: &mut Vec<u8>) -> Result<RowBytes, ApplyError> {
        let key = self.primary_key(new, scratch);
        if !self.indexes.is_empty() {
            self.move_entries(&key, new, scratch)?;
        }
        let Some(old) = self.rows.replace(&key, Value::Row(new)) else { return Err(self.no_such_row(new)) };
        let difference = digest::of_row(self.id, new).wrapping_sub(digest::of_row(self.id, &old));
        self.digest = self.digest.wrapping_add(difference);
        Ok(old)
    }

    fn move_entries(&mut self, key: &Key, new: &RowBytes, scratch: &mut Vec<u8>) -> Result<(), ApplyError> {
        let Some(old) = self.rows.get(key) else { return Err(self.no_such_row(new)) };
        let mut moves = Vec::new();
        for position in 0..self.indexes.len() {
            let before = self.entry(position, old, key, scratch);
            let after = self.entry(position, new, key, scratch);
            if before == after {
                continue;
            }
            if self.indexes[position].unique && self.indexes[position].entries.get(&after).is_some() {
                return Err(self.duplicate(Some(position), new));
            }
            moves.push((position, before, after));
        }
        for (position, before, after) in moves {
            let index = &mut self.indexes[position];
            index.remove(&before);
            index.add(&after, key);
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
            self.indexes[position].remove(&entry);
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
    #[inline]
    pub fn lookup_key(&self, key_values: &[u8], scratch: &mut Vec<u8>) -> Result<Key, ApplyError> {
        let columns = &self.schema.primary_key;
        match self.layout.lookup_key(key_values, columns, scratch) {
            Ok((key, covered)) if covered == columns.len() => Ok(key),
            Ok(_) => {
                let expected = format!("a key of {} columns", columns.len());
                let position = key_values.len();
                Err(self.invalid_row(codec::DecodeError::Truncated { expected, needed: 1, left: 0, position }))
            }
            Err(source) => Err(self.invalid_row(source)),
        }
    }

    #[cold]
    fn invalid_row(&self, source: codec::DecodeError) -> ApplyError {
        ApplyError::InvalidRow { table: self.schema.name.clone(), source }
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
        ApplyError::NoSuchRow { table: self.schema.name.clone(), key: self.key_text_of(row) }
    }

    /// The values of the primary key of `row` as JSON.
    pub fn key_text_of(&self, row: &[u8]) -> String {
        self.key_text(&self.primary_key_values(row))
    }

    /// The greatest value that a column with a sequence holds, if it holds one that a sequence may give.
    ///
    /// # Panics
    /// If the column is no integer.
    pub fn greatest_sequence_value(&self, column: u16) -> Option<u64> {
        let ty = &self.layout.types()[usize::from(column)];
        let rows = self.scan(IndexId::PRIMARY, &KeyRange::all(), false);
        rows.filter_map(|row| sequence::given(self.layout.column(row, usize::from(column)), ty)).max()
    }

    /// Encoded values of the primary key as JSON.
    pub(crate) fn key_text(&self, key_values: &[u8]) -> String {
        self.values_text(&self.schema.primary_key, key_values)
    }

    fn values_text(&self, columns: &[u16], values: &[u8]) -> String {
        let types: Vec<_> = columns.iter().map(|column| &self.layout.types()[usize::from(*column)]).collect();
        match codec::decode_all(types.iter().copied(), values) {
            Ok(values) => {
                let texts = types.iter().zip(&values).map(|(ty, value)| json::to_text(ty, value));
                texts.collect::<Vec<_>>().join(", ")
            }
            Err(error) => format!("({error})"),
        }
    }
}
