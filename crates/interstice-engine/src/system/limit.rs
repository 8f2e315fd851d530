//! `interstice.limit`: what one call may cost on this node, one row each. What a call came to depends on it, so it is history: to run it
//! again takes the numbers of then.

use super::{named, table, upsert, values_of};
use crate::limits::Limits;
use interstice_store::range::KeyRange;
use interstice_store::store::Store;
use interstice_store::table::IndexId;
use interstice_store::write::{WriteError, WriteTx};
use interstice_types::schema::TableSchema;
use interstice_types::ty::Type;
use interstice_types::value::Value;

/// The name of the table.
const NAME: &str = "limit";

/// The table, as a node makes it.
pub(super) fn schema() -> TableSchema {
    table(NAME, &[("name", Type::String), ("value", Type::U64)], 1)
}

/// The limits that are noted; `None` in a store that was made by a node that did not note them. What is not noted is as it is by default.
pub(crate) fn noted(store: &Store) -> Option<Limits> {
    let table = named(store, NAME)?;
    let mut rows = table.scan(IndexId::PRIMARY, &KeyRange::all(), false).peekable();
    rows.peek()?;
    let mut limits = Limits::default();
    for row in rows {
        match &values_of(table, row)[..] {
            [Value::String(name), Value::U64(value)] => limits.set(name, *value),
            _ => panic!("invariant: the columns of interstice.limit"),
        }
    }
    Some(limits)
}

/// Notes them; the table is there.
pub(crate) fn note(tx: &mut WriteTx, limits: &Limits) -> Result<(), WriteError> {
    let table = named(tx.store(), NAME).expect("invariant: the system tables were just made").id();
    limits
        .values()
        .iter()
        .try_for_each(|(name, value)| upsert(tx, table, &[("name", Value::from(*name)), ("value", Value::U64(*value))]))
}
