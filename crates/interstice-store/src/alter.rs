//! A table under another schema: columns are found by name, or by the name that they had; values are converted where the types
//! say how, new columns get a default, indexes are built anew.

use crate::range::KeyRange;
use crate::table::{ApplyError, FIRST_SEQUENCE_VALUE, IndexId, Table};
use interstice_types::change::Change;
use interstice_types::codec::{self, Reader};
use interstice_types::convert::{self, Fit, Misfit};
use interstice_types::layout::RowLayout;
use interstice_types::row::RowBytes;
use interstice_types::schema::TableSchema;
use interstice_types::schema::diff::former_column;
use interstice_types::ty::Type;
use std::sync::Arc;

/// The table with `schema`, its rows rebuilt; `defaults` holds the encoded value of each column that is new.
///
/// # Errors
/// [`ApplyError::NoWay`] if there are rows and the schemas do not say what becomes of them, [`ApplyError::DoesNotConvert`] for the
/// first row with a value that the new schema has no place for, [`ApplyError::DuplicateKey`] if two rows would share a key.
pub fn alter(table: &Table, schema: &Arc<TableSchema>, defaults: &[(u16, Vec<u8>)]) -> Result<Table, ApplyError> {
    let sequences = altered_sequences(table.schema(), table.sequences(), schema);
    let (id, module) = (table.id(), Arc::clone(table.module()));
    let mut scratch = Vec::new();
    let mut altered = if table.count() == 0 {
        Table::new(id, module, Arc::clone(schema))
    } else {
        let rebuild = RowRebuild::new(table.schema(), Arc::clone(table.layout()), schema, defaults);
        let rebuild = rebuild.map_err(|column| ApplyError::NoWay { table: schema.name.clone(), column })?;
        if rebuild.is_identity() {
            table.under(schema)?
        } else {
            let rows = table.scan(IndexId::PRIMARY, &KeyRange::all(), false);
            let rows = rows.map(|row| rebuild.row(row).map_err(|unfit| table.does_not_convert(row, &unfit)));
            Table::of_rows(id, module, Arc::clone(schema), rows)?
        }
    };
    for (column, next) in sequences {
        altered.apply(&mut Change::Sequence { table: table.id(), column, next, previous: 0 }, &mut scratch)?;
    }
    Ok(altered)
}

/// The first `most` rows with a value that `schema` has no place for: which, and why.
pub fn unfit_rows(table: &Table, schema: &TableSchema, defaults: &[(u16, Vec<u8>)], most: usize) -> Vec<String> {
    let rebuild = RowRebuild::new(table.schema(), Arc::clone(table.layout()), schema, defaults);
    let Ok(rebuild) = rebuild else { return Vec::new() };
    let rows = table.scan(IndexId::PRIMARY, &KeyRange::all(), false);
    let unfit = rows.filter_map(|row| Some(table.does_not_convert(row, &rebuild.row(row).err()?).to_string()));
    unfit.take(most).collect()
}

/// The sequences under `schema`: a column that had one keeps its next value, a new one begins.
pub fn altered_sequences(
    old: &TableSchema,
    sequences: impl Iterator<Item = (u16, u64)>,
    schema: &TableSchema,
) -> Vec<(u16, u64)> {
    let before: Vec<_> = sequences.collect();
    let columns = (0..).zip(&schema.columns).filter(|(_, column)| column.auto_inc);
    let next_of = |former: Option<u16>| before.iter().find(|(old, _)| Some(*old) == former).map(|(_, next)| *next);
    let sequence = |(number, column)| (number, next_of(former_column(old, column)).unwrap_or(FIRST_SEQUENCE_VALUE));
    columns.map(sequence).collect()
}

/// Rebuilds rows of one schema for the next one.
#[derive(Debug)]
pub struct RowRebuild {
    layout: Arc<RowLayout>,
    sources: Vec<Source>,
    keeps_key: bool,
}

#[derive(Debug)]
enum Source {
    /// The bytes of a column as they are.
    Column(usize),
    /// The value of a column as a value of another type.
    Converted { column: usize, name: String, ty: Type },
    /// The same bytes for every row.
    Default(Vec<u8>),
}

/// A row with a value that the new schema has no place for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}`: {misfit}")]
pub struct Unfit {
    /// The column, by its new name.
    pub column: String,
    /// The value and the type that it should have.
    pub misfit: Misfit,
}

impl RowRebuild {
    /// From rows of `old`, laid out as `layout`, to rows of `schema`; `defaults` holds the encoded value of each new column.
    ///
    /// # Errors
    /// The name of the first column of which neither says what it is to hold.
    pub fn new(
        old: &TableSchema,
        layout: Arc<RowLayout>,
        schema: &TableSchema,
        defaults: &[(u16, Vec<u8>)],
    ) -> Result<Self, String> {
        let columns = (0..).zip(&schema.columns);
        let sources = columns.map(|(number, column)| {
            let default = defaults.iter().find(|(new, _)| *new == number);
            if let Some((_, bytes)) = default {
                return Some(Source::Default(bytes.clone()));
            }
            let former = usize::from(former_column(old, column)?);
            let (name, ty) = (column.name.clone(), column.ty.clone());
            Some(match convert::fit(&old.columns[former].ty, &ty)? {
                Fit::Same => Source::Column(former),
                Fit::All | Fit::Some => Source::Converted { column: former, name, ty },
            })
        });
        let sources: Vec<_> = sources.collect();
        if let Some(missing) = sources.iter().position(Option::is_none) {
            return Err(schema.columns[missing].name.clone());
        }
        let sources: Vec<_> = sources.into_iter().flatten().collect();
        let source = |column: &u16| match &sources[usize::from(*column)] {
            Source::Column(former) => Some(*former),
            Source::Converted { .. } | Source::Default(_) => None,
        };
        let before = old.primary_key.iter().map(|column| Some(usize::from(*column)));
        let keeps_key = schema.primary_key.iter().map(source).eq(before);
        Ok(Self { layout, sources, keeps_key })
    }

    /// Whether every row has the primary key that it had.
    pub fn keeps_key(&self) -> bool {
        self.keeps_key
    }

    /// Whether every row stays as it is.
    pub fn is_identity(&self) -> bool {
        let stays = |(number, source): (usize, &Source)| matches!(source, Source::Column(former) if *former == number);
        let count = self.layout.types().len();
        self.keeps_key && count == self.sources.len() && self.sources.iter().enumerate().all(stays)
    }

    /// The row under the new schema.
    ///
    /// # Errors
    /// [`Unfit`] if a value of it has no counterpart there.
    pub fn row(&self, row: &[u8]) -> Result<RowBytes, Unfit> {
        let mut out = Vec::with_capacity(row.len() + 16);
        for source in &self.sources {
            match source {
                Source::Column(column) => out.extend_from_slice(self.layout.column(row, *column)),
                Source::Default(bytes) => out.extend_from_slice(bytes),
                Source::Converted { column, name, ty } => {
                    let from = &self.layout.types()[*column];
                    let value = codec::decode(from, &mut Reader::new(self.layout.column(row, *column)))
                        .expect("invariant: stored rows are canonical");
                    let value = convert::convert(from, ty, &value);
                    let value = value.map_err(|misfit| Unfit { column: name.clone(), misfit })?;
                    codec::encode(ty, &value, &mut out);
                }
            }
        }
        Ok(out.into())
    }
}
