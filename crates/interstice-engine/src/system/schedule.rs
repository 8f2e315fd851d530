//! `interstice.schedule`: what runs at a time of its own, one row each.
//!
//! A row that a reducer made is gone once it has run. One that a module declares stays, and has its next time after each run. The
//! index `by_due` gives the first that is due; those that are paused stand behind all others in it.

use super::{Values, encode, named, system_table, table, values_of};
use interstice_store::range::KeyRange;
use interstice_store::store::Store;
use interstice_store::table::{IndexId, Table};
use interstice_store::write::{WriteError, WriteTx};
use interstice_types::id::{ScheduleId, TableId};
use interstice_types::schema::signature::Signature;
use interstice_types::schema::{IndexSchema, TableSchema};
use interstice_types::time::Timestamp;
use interstice_types::ty::Type;
use interstice_types::value::Value;

/// The name of the table.
const NAME: &str = "schedule";

/// The index by time: (paused, due).
const BY_DUE: IndexId = IndexId(1);

/// The table, as a node makes it.
pub(super) fn schema() -> TableSchema {
    let columns = [
        ("declared", Type::Bool),
        ("id", Type::U64),
        ("module", Type::String),
        ("function", Type::String),
        ("args", Type::Bytes),
        ("shape", Type::U64),
        ("due", Type::Timestamp),
        ("paused", Type::Bool),
        ("times", Type::String),
    ];
    let mut schedules = table(NAME, &columns, 2);
    schedules.columns[1].auto_inc = true;
    schedules.indexes.push(IndexSchema { name: "by_due".to_owned(), columns: vec![7, 6], unique: false });
    schedules
}

/// A row of `interstice.schedule`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Whether the module's schema declares it.
    pub declared: bool,
    /// Names it; 0 before it has a number.
    pub id: ScheduleId,
    /// The module whose reducer runs.
    pub module: String,
    /// The reducer.
    pub function: String,
    /// Canonical argument bytes.
    pub args: Vec<u8>,
    /// The signature of the arguments when they were given.
    pub shape: Signature,
    /// When it runs next.
    pub due: Timestamp,
    /// Whether it does not run until somebody resumes it.
    pub paused: bool,
    /// When it runs again, in words; empty if it runs once.
    pub times: String,
}

/// The table's id; `None` in a store that was made by a node without schedules.
pub(crate) fn find_table(store: &Store) -> Option<TableId> {
    named(store, NAME).map(|table| table.id())
}

impl ScheduleRow {
    fn decode(table: &Table, row: &[u8]) -> Self {
        let values = values_of(table, row);
        let Ok(
            [
                Value::Bool(declared),
                Value::U64(id),
                Value::String(module),
                Value::String(function),
                Value::Bytes(args),
                Value::U64(shape),
                Value::Timestamp(due),
                Value::Bool(paused),
                Value::String(times),
            ],
        ) = <[Value; 9]>::try_from(values)
        else {
            panic!("invariant: the columns of interstice.schedule");
        };
        let (id, shape) = (ScheduleId(id), shape.to_le_bytes());
        Self { declared, id, module, function, args, shape, due, paused, times }
    }

    fn encode(&self, table: &Table) -> Vec<u8> {
        let values: &Values<'_> = &[
            ("declared", Value::Bool(self.declared)),
            ("id", Value::U64(self.id.0)),
            ("module", Value::from(self.module.as_str())),
            ("function", Value::from(self.function.as_str())),
            ("args", Value::Bytes(self.args.clone())),
            ("shape", Value::U64(u64::from_le_bytes(self.shape))),
            ("due", Value::Timestamp(self.due)),
            ("paused", Value::Bool(self.paused)),
            ("times", Value::from(self.times.as_str())),
        ];
        encode(table, values)
    }

    /// Adds the row; gives it its number.
    ///
    /// # Errors
    /// If the transaction is full.
    pub(crate) fn insert(&self, tx: &mut WriteTx, id: TableId) -> Result<ScheduleId, WriteError> {
        let row = self.encode(system_table(tx, id));
        let stored = tx.insert(id, &row)?;
        // Behind `declared`, one byte.
        Ok(ScheduleId(u64::from_le_bytes(stored[1..9].try_into().expect("invariant: id is the second column"))))
    }

    /// Replaces the row of this number.
    ///
    /// # Errors
    /// If the transaction is full.
    pub(crate) fn update(&self, tx: &mut WriteTx, id: TableId) -> Result<(), WriteError> {
        let row = self.encode(system_table(tx, id));
        tx.update(id, &row).map(drop)
    }

    /// Takes the row away.
    ///
    /// # Errors
    /// If the transaction is full.
    pub(crate) fn delete(&self, tx: &mut WriteTx, id: TableId) -> Result<(), WriteError> {
        tx.delete(id, &key_values(self.declared, self.id)).map(drop)
    }
}

fn key_values(declared: bool, id: ScheduleId) -> Vec<u8> {
    let mut key = vec![u8::from(declared)];
    key.extend(id.0.to_le_bytes());
    key
}

/// The one that runs next, if any does.
pub(crate) fn first(table: &Table) -> Option<ScheduleRow> {
    first_row(table).map(|row| ScheduleRow::decode(table, row))
}

fn first_row(table: &Table) -> Option<&[u8]> {
    let running = KeyRange::prefix(&[0]);
    table.scan(BY_DUE, &running, false).next().map(|row| -> &[u8] { row })
}

/// When the next one runs.
pub(crate) fn first_due(table: &Table) -> Option<Timestamp> {
    let row = first_row(table)?;
    let due = table.layout().reader_at(row, 6).array("due").expect("invariant: stored rows are canonical");
    Some(Timestamp(i64::from_le_bytes(due)))
}

/// The schedule with this number.
pub fn find(table: &Table, id: ScheduleId) -> Option<ScheduleRow> {
    let row = |declared: bool| {
        let key = table.lookup_key(&key_values(declared, id), &mut Vec::new());
        table.get(&key.expect("invariant: the values of a primary key"))
    };
    let row = row(false).or_else(|| row(true))?;
    Some(ScheduleRow::decode(table, row))
}

/// Those that modules declare, in the order of their numbers.
pub(crate) fn declared(table: &Table) -> Vec<ScheduleRow> {
    let rows = table.scan(IndexId::PRIMARY, &KeyRange::prefix(&[1]), false);
    rows.map(|row| ScheduleRow::decode(table, row)).collect()
}

/// All of them, the next first; those that are paused last.
pub fn all(table: &Table) -> impl Iterator<Item = ScheduleRow> + '_ {
    table.scan(BY_DUE, &KeyRange::all(), false).map(|row| ScheduleRow::decode(table, row))
}

/// The module of a row.
pub(crate) fn module_in<'r>(table: &Table, row: &'r [u8]) -> &'r str {
    let module = table.layout().reader_at(row, 2).bytes("module").expect("invariant: stored rows are canonical");
    std::str::from_utf8(module).expect("invariant: stored rows are canonical")
}

/// The row of a change that was made to `table`.
pub(crate) fn row_in(table: &Table, row: &[u8]) -> ScheduleRow {
    ScheduleRow::decode(table, row)
}

/// The bytes of a row of `table`.
pub(crate) fn bytes_of(table: &Table, row: &ScheduleRow) -> Vec<u8> {
    row.encode(table)
}
