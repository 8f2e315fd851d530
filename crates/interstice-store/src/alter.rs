//! A table under another schema: columns are found by name, new ones get a default, indexes are built anew.

use crate::table::{ApplyError, Table};
use interstice_types::change::Change;
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
    let sources: Vec<Source<'_>> =
        (0..schema.columns.len()).map(|column| source(table, schema, defaults, column)).collect();
    let mut altered = Table::new(table.id(), Arc::clone(table.module()), Arc::clone(schema));
    let mut scratch = Vec::new();
    for row in table.scan(crate::table::IndexId::PRIMARY, &crate::range::KeyRange::all(), false) {
        let row = rebuild(table, row, &sources);
        altered.apply(&mut Change::Insert { table: table.id(), row }, &mut scratch)?;
    }
    let kept = |column: u16| altered_column(table, schema, column);
    let sequences: Vec<_> = table.sequences().filter_map(|(column, next)| Some((kept(column)?, next))).collect();
    for (column, next) in sequences {
        if schema.columns[usize::from(column)].auto_inc {
            altered.apply(&mut Change::Sequence { table: table.id(), column, next, previous: 0 }, &mut scratch)?;
        }
    }
    Ok(altered)
}

enum Source<'d> {
    Column(usize),
    Default(&'d [u8]),
}

fn source<'d>(table: &Table, schema: &TableSchema, defaults: &'d [(u16, Vec<u8>)], column: usize) -> Source<'d> {
    if let Some((_, bytes)) = defaults.iter().find(|(new, _)| usize::from(*new) == column) {
        return Source::Default(bytes);
    }
    let column = &schema.columns[column];
    let old = table.schema().column(&column.name).expect("invariant: a column is old or has a default");
    assert_eq!(table.schema().columns[usize::from(old)].ty, column.ty, "invariant: a kept column keeps its type");
    Source::Column(usize::from(old))
}

fn rebuild(table: &Table, row: &[u8], sources: &[Source<'_>]) -> RowBytes {
    let bytes = sources.iter().flat_map(|source| match source {
        Source::Column(column) => table.layout().column(row, *column).iter().copied(),
        Source::Default(bytes) => bytes.iter().copied(),
    });
    bytes.collect()
}

fn altered_column(table: &Table, schema: &TableSchema, old: u16) -> Option<u16> {
    schema.column(&table.schema().columns[usize::from(old)].name)
}
