//! Tables under another schema.

use crate::{TABLE, new_store, row, schema};
use interstice_store::table::{ApplyError, IndexId};
use interstice_store::write::WriteError;
use interstice_types::schema::{ColumnSchema, IndexSchema};
use interstice_types::ty::Type;
use std::sync::Arc;

#[test]
fn a_new_column_gets_its_default_and_the_rest_stays() {
    let mut tx = new_store().begin();
    tx.insert(TABLE, &row(0, "ada", 3)).unwrap();
    let mut wider = schema();
    let level = ColumnSchema { default: Some("05".to_owned()), ..ColumnSchema::new("level", Type::U8) };
    wider.columns.insert(1, level);
    wider.indexes[0].columns = vec![2];
    wider.indexes[1].columns = vec![3];
    tx.alter_table(TABLE, Arc::new(wider), vec![(1, vec![5])]).unwrap();
    let table = tx.store().table(TABLE).unwrap();
    let altered = table.scan(IndexId(2), &interstice_store::range::KeyRange::all(), false).next().unwrap();
    assert_eq!(altered[..9], [1, 0, 0, 0, 0, 0, 0, 0, 5]);
    assert_eq!(altered[9..], row(0, "ada", 3)[8..]);
    assert_eq!(table.sequences().collect::<Vec<_>>(), [(0, 2)], "the sequence goes on");
}

#[test]
fn a_unique_index_over_duplicates_is_refused_and_nothing_changes() {
    let mut tx = new_store().begin();
    tx.insert(TABLE, &row(0, "ada", 3)).unwrap();
    tx.insert(TABLE, &row(0, "bob", 3)).unwrap();
    let digest = tx.store().digest();
    let mut stricter = schema();
    stricter.indexes[1] = IndexSchema { unique: true, ..stricter.indexes[1].clone() };
    let refused = tx.alter_table(TABLE, Arc::new(stricter), Vec::new());
    assert!(matches!(refused, Err(WriteError::Apply(ApplyError::DuplicateKey { .. }))));
    assert_eq!(tx.store().digest(), digest);
}
