//! A table under another schema: columns are found by name, new ones get a default, indexes are built anew.

use crate::table::{ApplyError, FIRST_SEQUENCE_VALUE, Table};
use interstice_types::change::Change;
use interstice_types::layout::RowLayout;
use interstice_types::row::RowBytes;
use interstice_types::schema::TableSchema;
use std::sync::Arc;

/// The table with `schema`, its rows rebuilt; `defaults` holds the encoded value of each column that is new.
///
/// # Errors
/// [`ApplyError::DuplicateKey`] if two rows would share a key under the new schema.
///
/// # Panics
/// If a column is neither in the old schema with the same type nor among the defaults: whoever plans an alteration
/// checks that.
pub fn alter(table: &Table, schema: &Arc<TableSchema>, defaults: &[(u16, Vec<u8>)]) -> Result<Table, ApplyError> {
    let rebuild = RowRebuild::new(table.schema(), Arc::clone(table.layout()), schema, defaults);
    let rows = table.scan(crate::table::IndexId::PRIMARY, &crate::range::KeyRange::all(), false);
    let rows = rows.map(|row| Ok(rebuild.row(row)));
    let mut altered = Table::of_rows(table.id(), Arc::clone(table.module()), Arc::clone(schema), rows)?;
    let mut scratch = Vec::new();
    for (column, next) in altered_sequences(table.schema(), table.sequences(), schema) {
        altered.apply(&mut Change::Sequence { table: table.id(), column, next, previous: 0 }, &mut scratch)?;
    }
    Ok(altered)
}

/// The sequences under `schema`: a column that had one keeps its next value, a new one begins.
pub fn altered_sequences(
    old: &TableSchema,
    sequences: impl Iterator<Item = (u16, u64)>,
    schema: &TableSchema,
) -> Vec<(u16, u64)> {
    let before: Vec<_> = sequences.map(|(column, next)| (&old.columns[usize::from(column)].name, next)).collect();
    let columns = (0..).zip(&schema.columns).filter(|(_, column)| column.auto_inc);
    let next_of =
        |name: &str| before.iter().find(|(old, _)| *old == name).map_or(FIRST_SEQUENCE_VALUE, |(_, next)| *next);
    columns.map(|(number, column)| (number, next_of(&column.name))).collect()
}

/// Rebuilds rows of one schema for the next one.
#[derive(Debug)]
pub struct RowRebuild {
    layout: Arc<RowLayout>,
    sources: Vec<Source>,
}

#[derive(Debug)]
enum Source {
    Column(usize),
    Default(Vec<u8>),
}

impl RowRebuild {
    /// From rows of `old`, laid out as `layout`, to rows of `schema`; `defaults` holds the encoded value of each new column.
    ///
    /// # Panics
    /// If a column is neither in the old schema with the same type nor among the defaults.
    pub fn new(old: &TableSchema, layout: Arc<RowLayout>, schema: &TableSchema, defaults: &[(u16, Vec<u8>)]) -> Self {
        let sources = (0..schema.columns.len()).map(|column| source(old, schema, defaults, column)).collect();
        Self { layout, sources }
    }

    /// The row under the new schema.
    pub fn row(&self, row: &[u8]) -> RowBytes {
        let bytes = self.sources.iter().flat_map(|source| match source {
            Source::Column(column) => self.layout.column(row, *column).iter().copied(),
            Source::Default(bytes) => bytes.iter().copied(),
        });
        bytes.collect()
    }
}

fn source(old: &TableSchema, schema: &TableSchema, defaults: &[(u16, Vec<u8>)], column: usize) -> Source {
    if let Some((_, bytes)) = defaults.iter().find(|(new, _)| usize::from(*new) == column) {
        return Source::Default(bytes.clone());
    }
    let column = &schema.columns[column];
    let number = old.column(&column.name).expect("invariant: a column is old or has a default");
    assert_eq!(old.columns[usize::from(number)].ty, column.ty, "invariant: a kept column keeps its type");
    Source::Column(usize::from(number))
}
