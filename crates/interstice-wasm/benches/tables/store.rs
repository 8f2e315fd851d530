//! The store alone: write transactions with constraints, changes and digest on; reads of a table.

use super::{FILTERED, Operation, RANGE, ROWS, Subject, TEAMS, TEXT, ascending_key, drawn, key, mixed, team};
use interstice_store::range::KeyRange;
use interstice_store::store::Store;
use interstice_store::table::{IndexId, Table};
use interstice_store::write::WriteTx;
use interstice_types::filter::{Filter, Operator, Place, Predicate};
use interstice_types::id::TableId;
use interstice_types::key::Key;
use interstice_types::schema::TableSchema;
use interstice_types::ty::Type;
use interstice_types::value::Value;
use std::hint::black_box;
use std::ops::Bound;
use std::sync::Arc;

const PLAIN: TableId = TableId(0);
const INDEXED: TableId = TableId(1);

pub(super) struct Tables {
    store: Store,
    scratch: Vec<u8>,
}

fn schema(name: &str, indexes: &str) -> Arc<TableSchema> {
    let json = format!(
        r#"{{"name": "{name}", "primary_key": [0], "indexes": [{indexes}], "columns": [{{"name": "id", "type": "u64"}},
        {{"name": "team", "type": "u32"}}, {{"name": "text", "type": "string"}}]}}"#
    );
    Arc::new(serde_json::from_str(&json).unwrap())
}

fn row(key: u64, number: u64) -> Vec<u8> {
    let length = (TEXT.len() as u32).to_le_bytes();
    [&key.to_le_bytes()[..], &team(number).to_le_bytes(), &length, TEXT.as_bytes()].concat()
}

fn team_of(row: &[u8]) -> u64 {
    u64::from(u32::from_le_bytes(row[8..12].try_into().unwrap()))
}

fn filled(mut store: Store, table: TableId, key: fn(u64) -> u64) -> Store {
    for number in 0..ROWS {
        let mut tx = store.begin();
        tx.insert(table, &row(key(number), number)).unwrap();
        store = tx.commit().0;
    }
    store
}

impl Tables {
    /// And how many bytes a row takes that was inserted at random, in order, and its index entry.
    pub(super) fn new() -> (Self, [f64; 3]) {
        let mut tx = Store::new().begin();
        tx.create_table("bench".into(), schema("row", "")).unwrap();
        tx.create_table("bench".into(), schema("indexed", r#"{"name": "team", "columns": [1]}"#)).unwrap();
        let ascending = tx.create_table("bench".into(), schema("ascending", "")).unwrap();
        let store = filled(filled(tx.commit().0, PLAIN, key), INDEXED, key);
        let with_ascending = filled(store.clone(), ascending, ascending_key);
        let sizes = |table| with_ascending.table(table).unwrap().allocated_sizes();
        let each = |size: usize| size as f64 / ROWS as f64;
        let bytes = [each(sizes(PLAIN).0), each(sizes(ascending).0), each(sizes(INDEXED).1)];
        (Self { store, scratch: Vec::new() }, bytes)
    }

    fn write(&mut self, numbers: std::ops::Range<u64>, one: impl Fn(&mut WriteTx, u64) -> u64) -> u64 {
        let mut read = 0;
        for number in numbers {
            let mut tx = std::mem::take(&mut self.store).begin();
            read += one(&mut tx, number);
            self.store = black_box(tx.commit()).0;
        }
        read
    }

    fn read(
        &mut self,
        table: TableId,
        numbers: std::ops::Range<u64>,
        one: impl Fn(&Table, &mut Vec<u8>, u64) -> u64,
    ) -> u64 {
        let table = self.store.table(table).unwrap();
        numbers.map(|number| one(table, &mut self.scratch, number)).sum()
    }
}

impl Subject for Tables {
    fn run(&mut self, operation: Operation, from: u64, count: u64, _: u64) -> u64 {
        let numbers = from..from + count;
        match operation {
            Operation::Insert => self.write(numbers, |tx, n| {
                black_box(tx.insert(PLAIN, &row(key(n), n)).unwrap());
                0
            }),
            Operation::InsertAscending => self.write(numbers, |tx, n| {
                black_box(tx.insert(PLAIN, &row(ascending_key(n), n)).unwrap());
                0
            }),
            Operation::Update => self.write(numbers, |tx, n| {
                black_box(tx.update(PLAIN, &row(drawn(n), n)).unwrap());
                0
            }),
            Operation::Delete => {
                self.write(numbers, |tx, n| u64::from(tx.delete(PLAIN, &key(n).to_le_bytes()).is_ok()))
            }
            Operation::Lookup => {
                self.read(PLAIN, numbers, |table, _, n| team_of(table.get(&Key::of_u64(drawn(n))).unwrap()))
            }
            Operation::Range => self.read(PLAIN, numbers, |table, _, n| {
                let range = KeyRange::between(Bound::Included(&drawn(n).to_be_bytes()), Bound::Unbounded);
                table.scan(IndexId::PRIMARY, &range, false).take(RANGE as usize).map(team_of).sum()
            }),
            Operation::Index => self.read(INDEXED, numbers, |table, _, n| {
                let team = (mixed(n) % TEAMS) as u32;
                let rows = table.scan(IndexId(1), &KeyRange::prefix(&team.to_be_bytes()), false);
                rows.map(|row| u64::from(row[0] & 1)).sum()
            }),
            Operation::Filter => {
                let value = Value::U32(FILTERED);
                let filter = Filter::compare(Place::column(1), Operator::Less, &Type::U32, &value);
                let table = self.store.table(PLAIN).unwrap();
                let predicate = Predicate::new(&filter, table.layout()).unwrap();
                let rows = table.scan(IndexId::PRIMARY, &KeyRange::all(), false);
                rows.filter(|row| predicate.holds(row)).count() as u64
            }
            Operation::Scan => {
                let table = self.store.table(PLAIN).unwrap();
                table.scan(IndexId::PRIMARY, &KeyRange::all(), false).map(team_of).sum()
            }
        }
    }

    fn remove_ascending(&mut self, from: u64, count: u64) {
        self.write(from..from + count, |tx, n| u64::from(tx.delete(PLAIN, &ascending_key(n).to_le_bytes()).is_ok()));
    }
}
