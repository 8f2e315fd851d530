//! The store against a naive model: random writes, savepoints, aborts and clones on a table with every kind of index.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alter;
#[path = "../../../../fixtures/callgrind.rs"]
mod callgrind;
mod check;
mod instructions;
mod references;
mod tree;

use interstice_store::range::KeyRange;
use interstice_store::store::Store;
use interstice_store::table::IndexId;
use interstice_store::write::{MAX_ROW_SIZE, WriteError, WriteTx};
use interstice_store::{digest, table::ApplyError};
use interstice_types::change::Change;
use interstice_types::id::TableId;
use interstice_types::schema::TableSchema;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const TABLE: TableId = TableId(0);

pub(crate) fn schema() -> TableSchema {
    // id u64 auto_inc, name string unique, score i32 indexed
    let json = r#"{"name": "player", "primary_key": [0], "columns": [
        {"name": "id", "type": "u64", "auto_inc": true}, {"name": "name", "type": "string"}, {"name": "score", "type": "i32"}],
        "indexes": [{"name": "name", "columns": [1], "unique": true}, {"name": "score", "columns": [2]}]}"#;
    serde_json::from_str(json).unwrap()
}

pub(crate) fn row(id: u64, name: &str, score: i32) -> Vec<u8> {
    [&id.to_le_bytes()[..], &(name.len() as u32).to_le_bytes(), name.as_bytes(), &score.to_le_bytes()].concat()
}

pub(crate) fn new_store() -> Store {
    let mut tx = Store::new().begin();
    tx.create_table("game".into(), Arc::new(schema())).unwrap();
    tx.commit().0
}

#[derive(Debug, Clone)]
enum Op {
    Insert(u64, u8, i32),
    Update(u64, u8, i32),
    Delete(u64),
    Savepoint,
    Rollback,
    Commit,
    Abort,
    Clone,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let id = 0_u64..8;
    let op = prop_oneof![
        4 => (id.clone(), 0_u8..8, -2_i32..3).prop_map(|(id, name, score)| Op::Insert(id, name, score)),
        4 => (id.clone(), 0_u8..8, -2_i32..3).prop_map(|(id, name, score)| Op::Update(id, name, score)),
        2 => id.prop_map(Op::Delete),
        1 => Just(Op::Savepoint),
        1 => Just(Op::Rollback),
        1 => Just(Op::Commit),
        1 => Just(Op::Abort),
        1 => Just(Op::Clone),
    ];
    prop::collection::vec(op, 0..60)
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Model {
    rows: BTreeMap<u64, (u8, i32)>,
    last: u64,
}

impl Model {
    fn taken(&self, id: u64, name: u8) -> bool {
        self.rows.iter().any(|(other, (taken, _))| *other != id && *taken == name)
    }

    fn insert(&mut self, id: u64, name: u8, score: i32) -> bool {
        let id = if id == 0 { self.last + 1 } else { id };
        if self.rows.contains_key(&id) || self.taken(id, name) {
            return false;
        }
        self.last = self.last.max(id);
        self.rows.insert(id, (name, score));
        true
    }
}

fn name(n: u8) -> String {
    format!("name-{n}")
}

fn assert_same(store: &Store, model: &Model) {
    let table = store.table(TABLE).unwrap();
    let rows =
        |index, reverse| table.scan(index, &KeyRange::all(), reverse).map(|row| row.to_vec()).collect::<Vec<_>>();
    let mut expected: Vec<_> = model.rows.iter().map(|(id, (n, score))| (*id, *n, *score)).collect();
    let bytes =
        |rows: &[(u64, u8, i32)]| rows.iter().map(|(id, n, score)| row(*id, &name(*n), *score)).collect::<Vec<_>>();
    assert_eq!(rows(IndexId::PRIMARY, false), bytes(&expected));
    let fresh: u128 = bytes(&expected).iter().map(|row| digest::of_row(TABLE, row)).fold(0, u128::wrapping_add);
    assert_eq!(store.digest(), fresh.wrapping_add(digest::of_sequence(TABLE, 0, model.last + 1)));
    expected.sort_by_key(|(id, _, score)| (*score, *id));
    assert_eq!(rows(IndexId(2), false), bytes(&expected));
    expected.reverse();
    assert_eq!(rows(IndexId(2), true), bytes(&expected));
    expected.sort_by_key(|(_, n, _)| *n);
    assert_eq!(rows(IndexId(1), false), bytes(&expected));
}

fn write(tx: &mut WriteTx, model: &mut Model, op: &Op) {
    match op {
        Op::Insert(id, n, score) => {
            let done = tx.insert(TABLE, &row(*id, &name(*n), *score));
            assert_eq!(done.is_ok(), model.insert(*id, *n, *score), "{op:?}: {done:?}");
        }
        Op::Update(id, n, score) => {
            let fits = model.rows.contains_key(id) && !model.taken(*id, *n);
            let done = tx.update(TABLE, &row(*id, &name(*n), *score));
            assert_eq!(done.is_ok(), fits, "{op:?}: {done:?}");
            if fits {
                model.rows.insert(*id, (*n, *score));
            }
        }
        Op::Delete(id) => {
            let done = tx.delete(TABLE, &id.to_le_bytes());
            assert_eq!(done.is_ok(), model.rows.remove(id).is_some());
        }
        _ => panic!("not a write"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn a_store_is_its_model(ops in ops()) {
        let mut store = Some(new_store());
        let mut committed = Model::default();
        let mut clones = Vec::new();
        let mut log = vec![Change::CreateTable { table: TABLE, module: "game".into(), schema: Arc::new(schema()) }];
        let mut ops = ops.into_iter().peekable();
        while ops.peek().is_some() {
            let mut tx = store.take().unwrap().begin();
            let (mut model, mut savepoints) = (committed.clone(), Vec::new());
            let mut keep = true;
            for op in ops.by_ref() {
                match op {
                    Op::Savepoint => savepoints.push((tx.savepoint(), model.clone())),
                    Op::Rollback => if let Some((savepoint, then)) = savepoints.pop() {
                        tx.rollback_to(savepoint);
                        model = then;
                    },
                    Op::Commit => break,
                    Op::Abort => { keep = false; break }
                    Op::Clone => clones.push((tx.store().clone(), model.clone())),
                    write_op => write(&mut tx, &mut model, &write_op),
                }
                assert_same(tx.store(), &model);
            }
            if keep {
                let (after, changes) = tx.commit();
                log.extend(changes.iter().map(|change| change.logged(false)));
                (store, committed) = (Some(after), model);
            } else {
                store = Some(tx.abort());
            }
            assert_same(store.as_ref().unwrap(), &committed);
        }
        for (clone, then) in &clones {
            assert_same(clone, then);
        }
        let mut replayed = Store::new();
        replayed.apply(&mut log).unwrap();
        assert_same(&replayed, &committed);
    }
}

#[test]
fn a_duplicate_names_table_index_and_values() {
    let mut tx = new_store().begin();
    tx.insert(TABLE, &row(0, "ada", 1)).unwrap();
    fn text(result: Result<&interstice_types::row::RowBytes, WriteError>) -> String {
        result.unwrap_err().to_string()
    }
    assert_eq!(text(tx.insert(TABLE, &row(1, "bob", 1))), "table `player` has a row with primary key 1 already");
    assert_eq!(
        text(tx.insert(TABLE, &row(0, "ada", 1))),
        "table `player` has a row with unique index `name` \"ada\" already"
    );
    assert_eq!(text(tx.update(TABLE, &row(9, "eve", 1))), "table `player` has no row with primary key 9");
    assert_eq!(
        text(tx.delete(TABLE, &[1, 2])),
        "not a row of table `player`: u64 needs 6 more bytes at byte 0, 2 are left"
    );
}

#[test]
fn a_sequence_skips_values_that_a_caller_chose_and_ends() {
    let mut tx = new_store().begin();
    tx.insert(TABLE, &row(7, "seven", 0)).unwrap();
    assert_eq!(tx.insert(TABLE, &row(0, "next", 0)).unwrap()[..8], 8_u64.to_le_bytes());
    tx.insert(TABLE, &row(u64::MAX - 1, "last", 0)).unwrap();
    assert!(matches!(tx.insert(TABLE, &row(0, "none left", 0)), Err(WriteError::SequenceExhausted { .. })));
}

#[test]
fn a_row_may_have_the_limit_and_not_one_byte_more() {
    let name = |size: usize| "x".repeat(size - row(0, "", 0).len());
    let mut tx = new_store().begin();
    tx.insert(TABLE, &row(0, &name(MAX_ROW_SIZE), 0)).unwrap();
    assert!(matches!(tx.insert(TABLE, &row(0, &name(MAX_ROW_SIZE + 1), 0)), Err(WriteError::RowTooLarge { .. })));
}

#[test]
fn changes_of_another_store_do_not_fit() {
    let mut store = new_store();
    let change = |change| store.clone().apply(&mut [change]).unwrap_err();
    let absent = TableId(9);
    assert_eq!(change(Change::DropTable { table: absent }), ApplyError::NoSuchTable { table: absent });
    let again = Change::CreateTable { table: TABLE, module: "game".into(), schema: Arc::new(schema()) };
    assert_eq!(change(again), ApplyError::TableExists { table: TABLE });
    let delete = Change::Delete { table: TABLE, key: 5_u64.to_le_bytes().into(), old: None };
    assert!(matches!(store.apply(&mut [delete]), Err(ApplyError::NoSuchRow { .. })));
}
