//! Checks: a write that makes one false is refused and leaves nothing; what is unknown stands; rows that fail are found.

use crate::TABLE;
use interstice_store::store::Store;
use interstice_store::write::{WriteError, WriteTx};
use interstice_types::filter::{Comparison, Filter, Operand, Operator, Place, Step};
use interstice_types::schema::{CheckSchema, TableSchema};
use interstice_types::ty::Type;
use interstice_types::value::Value;
use std::sync::Arc;

/// Columns `id` with a sequence, `balance`, `limit`, which may be missing; `balance >= 0`, `balance <= limit`, `id < 100`.
fn schema(with_checks: bool) -> TableSchema {
    let json = r#"{"name": "account", "primary_key": [0], "columns": [{"name": "id", "type": "u64", "auto_inc": true},
        {"name": "balance", "type": "i64"}, {"name": "limit", "type": {"option": "i64"}}]}"#;
    let mut schema: TableSchema = serde_json::from_str(json).unwrap();
    if with_checks {
        let check = |expression: &str, filter| CheckSchema { expression: expression.to_owned(), filter };
        let limit = Operand::Place(Place::column(2).then(Step::Inside));
        schema.checks = vec![
            check(
                "balance >= 0",
                Filter::compare(Place::column(1), Operator::GreaterOrEqual, &Type::I64, &Value::I64(0)),
            ),
            check(
                "balance <= limit",
                Filter::Compare(Comparison { place: Place::column(1), operator: Operator::LessOrEqual, with: limit }),
            ),
            check("id < 100", Filter::compare(Place::column(0), Operator::Less, &Type::U64, &Value::U64(100))),
        ];
    }
    schema
}

fn row(id: u64, balance: i64, limit: Option<i64>) -> Vec<u8> {
    let limit = limit.map_or(vec![0], |limit| [&[1][..], &limit.to_le_bytes()].concat());
    [&id.to_le_bytes()[..], &balance.to_le_bytes(), &limit].concat()
}

fn begun(with_checks: bool) -> WriteTx {
    let mut tx = Store::new().begin();
    tx.create_table("bank".into(), Arc::new(schema(with_checks))).unwrap();
    tx
}

fn said(result: Result<impl Sized, WriteError>) -> String {
    match result {
        Err(error @ WriteError::Check(_)) => error.to_string(),
        Err(other) => panic!("another refusal: {other}"),
        Ok(_) => panic!("the row was taken"),
    }
}

#[test]
fn a_row_of_which_a_check_is_false_is_refused_and_leaves_nothing() {
    let mut tx = begun(true);
    tx.insert(TABLE, &row(1, 0, Some(0))).unwrap();
    let (digest, count) = (tx.store().digest(), tx.changes().len());
    assert_eq!(
        said(tx.insert(TABLE, &row(2, -1, None))),
        "table `account` takes no row with balance = \"-1\": its check is `balance >= 0`"
    );
    assert_eq!(
        said(tx.update(TABLE, &row(1, 6, Some(5)))),
        "table `account` takes no row with balance = \"6\", limit = \"5\": its check is `balance <= limit`"
    );
    assert_eq!((tx.store().digest(), tx.changes().len()), (digest, count));
}

#[test]
fn a_check_that_is_unknown_stands() {
    let mut tx = begun(true);
    tx.insert(TABLE, &row(1, i64::MAX, None)).unwrap();
    tx.update(TABLE, &row(1, 5, Some(5))).unwrap();
}

#[test]
fn a_check_sees_values_of_sequences() {
    let mut tx = begun(true);
    tx.insert(TABLE, &row(99, 0, None)).unwrap();
    assert!(said(tx.insert(TABLE, &row(0, 0, None))).contains("id = \"100\""));
    assert_eq!(tx.store().table(TABLE).unwrap().sequences().next(), Some((0, 100)));
}

#[test]
fn the_first_row_that_fails_a_check_is_found() {
    let mut tx = begun(false);
    for (id, balance) in [(5, -1), (3, -2), (1, 4)] {
        tx.insert(TABLE, &row(id, balance, Some(4))).unwrap();
    }
    tx.alter_table(TABLE, Arc::new(schema(true)), Vec::new()).unwrap();
    let table = tx.store().table(TABLE).unwrap();
    let failed = table.first_failing(0).unwrap();
    assert_eq!((failed.key.as_str(), failed.values.as_str()), ("\"3\"", "balance = \"-2\""));
    assert_eq!(table.first_failing(1), None);
}
