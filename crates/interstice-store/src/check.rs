//! Checks: conditions of a table's schema that are false of no row. They are compiled once, with the table.

use crate::range::KeyRange;
use crate::table::{IndexId, Table};
use interstice_types::codec::{self, Reader};
use interstice_types::filter::Predicate;
use interstice_types::json;
use interstice_types::layout::RowLayout;
use interstice_types::schema::TableSchema;

/// A row of which a check is false.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("table `{table}` takes no row with {values}: its check is `{expression}`")]
pub struct CheckFailed {
    /// The table's name.
    pub table: String,
    /// The check, as its author wrote it.
    pub expression: String,
    /// The columns that it looks at, with their values as JSON.
    pub values: String,
    /// The values of the row's primary key as JSON.
    pub key: String,
}

/// The checks of `schema`, in its order.
///
/// # Panics
/// If one does not fit the columns: a schema is validated before it is published.
pub(crate) fn compile(schema: &TableSchema, layout: &RowLayout) -> Box<[Predicate]> {
    let checks = schema.checks.iter().map(|check| Predicate::new(&check.filter, layout));
    checks.collect::<Result<_, _>>().expect("invariant: the checks of a schema fit its columns")
}

impl Table {
    /// Whether its schema has checks.
    #[inline]
    pub fn has_checks(&self) -> bool {
        !self.predicates().is_empty()
    }

    /// Whether no check is false of `row`, which must be canonical.
    ///
    /// # Errors
    /// The first one that is.
    #[inline]
    pub fn check(&self, row: &[u8]) -> Result<(), Box<CheckFailed>> {
        match self.predicates().iter().position(|predicate| predicate.fails(row)) {
            None => Ok(()),
            Some(number) => Err(Box::new(self.check_failed(number, row))),
        }
    }

    /// The first row of which the check with this number is false, in the order of primary keys.
    ///
    /// # Panics
    /// If there are not so many checks.
    pub fn first_failing(&self, number: usize) -> Option<CheckFailed> {
        let predicate = &self.predicates()[number];
        let row = self.scan(IndexId::PRIMARY, &KeyRange::all(), false).find(|row| predicate.fails(row))?;
        Some(self.check_failed(number, row))
    }

    #[cold]
    fn check_failed(&self, number: usize, row: &[u8]) -> CheckFailed {
        let schema = self.schema();
        let value = |column: u16| {
            let ty = &self.layout().types()[usize::from(column)];
            let bytes = self.layout().column(row, usize::from(column));
            let value = codec::decode(ty, &mut Reader::new(bytes)).expect("invariant: the row is canonical");
            json::to_json(ty, &value).to_string()
        };
        let check = &schema.checks[number];
        let columns = check.filter.columns().into_iter();
        let named = columns.map(|column| format!("{} = {}", schema.columns[usize::from(column)].name, value(column)));
        let key = schema.primary_key.iter().map(|column| value(*column));
        CheckFailed {
            table: schema.name.clone(),
            expression: check.expression.clone(),
            values: named.collect::<Vec<_>>().join(", "),
            key: key.collect::<Vec<_>>().join(", "),
        }
    }
}
