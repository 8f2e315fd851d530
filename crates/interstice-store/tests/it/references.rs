//! References between tables: what is refused, what goes with a row, what forgets it; against a naive model.

use interstice_store::references::BrokenReference;
use interstice_store::store::Store;
use interstice_store::table::IndexId;
use interstice_store::write::{WriteError, WriteTx};
use interstice_types::id::TableId;
use interstice_types::schema::TableSchema;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const PARENT: TableId = TableId(0);
const CHILD: TableId = TableId(1);

fn table(json: &str) -> Arc<TableSchema> {
    Arc::new(serde_json::from_str(json).unwrap())
}

fn store(on_delete: &str) -> WriteTx {
    let mut tx = Store::new().begin();
    let parent = r#"{"name":"parent","primary_key":[0],"columns":[{"name":"id","type":"u8"}]}"#;
    let child = format!(
        r#"{{"name":"child","primary_key":[0],"columns":[{{"name":"id","type":"u8"}},{{"name":"of","type":{{"option":"u8"}}}},
        {{"name":"parent","type":{{"option":"u8"}}}}],
        "indexes":[{{"name":"parent","columns":[2,0]}},{{"name":"of","columns":[1]}}],
        "references":[{{"name":"parent","columns":[2],"table":"parent","on_delete":"{on_delete}"}},
                      {{"name":"of","columns":[1],"table":"child","on_delete":"{on_delete}"}}]}}"#
    );
    tx.create_table("m".into(), table(parent)).unwrap();
    tx.create_table("m".into(), table(&child)).unwrap();
    tx
}

fn child(id: u8, of: Option<u8>, parent: Option<u8>) -> Vec<u8> {
    let option = |value: Option<u8>| value.map_or(vec![0], |value| vec![1, value]);
    [vec![id], option(of), option(parent)].concat()
}

fn children(tx: &WriteTx) -> Vec<Vec<u8>> {
    let table = tx.store().table(CHILD).unwrap();
    table.scan(IndexId::PRIMARY, &interstice_store::range::KeyRange::all(), false).map(|row| row.to_vec()).collect()
}

#[test]
fn a_row_names_one_that_is_there_or_itself_or_none() {
    let mut tx = store("restrict");
    tx.insert(PARENT, &[7]).unwrap();
    tx.insert(CHILD, &child(1, None, Some(7))).unwrap();
    tx.insert(CHILD, &child(2, Some(2), None)).unwrap();
    let refused = tx.insert(CHILD, &child(3, None, Some(8))).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "row 3 of table `child` refers to row 8 of table `parent`, which is not there (reference `parent`)"
    );
    let refused = tx.update(CHILD, &child(1, Some(9), None)).unwrap_err();
    assert!(matches!(refused, WriteError::Reference(broken) if matches!(*broken, BrokenReference::Missing { .. })));
    assert_eq!(children(&tx), [child(1, None, Some(7)), child(2, Some(2), None)]);
}

#[test]
fn a_row_that_is_named_stays() {
    let mut tx = store("restrict");
    tx.insert(PARENT, &[7]).unwrap();
    tx.insert(CHILD, &child(1, None, Some(7))).unwrap();
    let digest = tx.store().digest();
    assert_eq!(
        tx.delete(PARENT, &[7]).unwrap_err().to_string(),
        "row 7 of table `parent` cannot go: row 1 of table `child` refers to it (reference `parent`)"
    );
    assert_eq!(tx.store().digest(), digest);
    tx.delete(CHILD, &[1]).unwrap();
    tx.delete(PARENT, &[7]).unwrap();
}

/// Rows may name each other in a circle: whoever goes takes all of them along.
#[test]
fn what_goes_with_a_row_goes_once() {
    let mut tx = store("cascade");
    tx.insert(CHILD, &child(1, None, None)).unwrap();
    tx.insert(CHILD, &child(2, Some(1), None)).unwrap();
    tx.insert(CHILD, &child(3, Some(2), None)).unwrap();
    tx.update(CHILD, &child(1, Some(3), None)).unwrap();
    let before = tx.store().clone();
    let savepoint = tx.savepoint();
    assert_eq!(&**tx.delete(CHILD, &[2]).unwrap(), child(2, Some(1), None));
    assert_eq!(children(&tx), Vec::<Vec<u8>>::new());
    tx.rollback_to(savepoint);
    assert_eq!(tx.store().digest(), before.digest());
    assert_eq!(children(&tx).len(), 3);
}

/// Rows of the child by id: whom they name.
type Model = BTreeMap<u8, (Option<u8>, Option<u8>)>;

#[derive(Debug, Clone)]
enum Op {
    Parent(u8),
    Put(u8, Option<u8>, Option<u8>),
    DeleteParent(u8),
    DeleteChild(u8),
}

fn op() -> impl Strategy<Value = Op> {
    let id = || 0..12_u8;
    let named = || proptest::option::of(0..12_u8);
    prop_oneof![
        id().prop_map(Op::Parent),
        (id(), named(), named()).prop_map(|(id, of, parent)| Op::Put(id, of, parent)),
        id().prop_map(Op::DeleteParent),
        id().prop_map(Op::DeleteChild),
    ]
}

struct Naive {
    on_delete: &'static str,
    parents: std::collections::BTreeSet<u8>,
    children: Model,
}

impl Naive {
    fn put(&mut self, id: u8, of: Option<u8>, parent: Option<u8>) -> bool {
        let there = of.is_none_or(|of| of == id || self.children.contains_key(&of))
            && parent.is_none_or(|parent| self.parents.contains(&parent));
        if there {
            self.children.insert(id, (of, parent));
        }
        there
    }

    /// Takes away what `names` says, and what hangs on it; nothing, if that is refused.
    fn delete(&mut self, parent: Option<u8>, child: Option<u8>) -> bool {
        let there = parent.is_some_and(|id| self.parents.contains(&id))
            || child.is_some_and(|id| self.children.contains_key(&id));
        if !there {
            return false;
        }
        let mut after = self.children.clone();
        if let Some(id) = child {
            after.remove(&id);
        }
        let (mut parent, mut gone) = (parent, Vec::from_iter(child));
        loop {
            let hanging = |(of, named): &(Option<u8>, Option<u8>)| {
                (named.is_some() && *named == parent) || of.is_some_and(|of| gone.contains(&of))
            };
            let names: Vec<u8> = after.iter().filter(|(_, row)| hanging(row)).map(|(id, _)| *id).collect();
            if names.is_empty() {
                break;
            }
            match self.on_delete {
                "restrict" => return false,
                "cascade" => {
                    for id in &names {
                        after.remove(id);
                    }
                    gone.extend(names);
                }
                _ => {
                    for (of, named) in after.values_mut() {
                        *of = of.filter(|of| !gone.contains(of));
                        *named = named.filter(|named| Some(*named) != parent);
                    }
                }
            }
        }
        self.children = after;
        if let Some(id) = parent.take() {
            self.parents.remove(&id);
        }
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn references_hold_whatever_is_done(
        on_delete in prop_oneof![Just("restrict"), Just("cascade"), Just("set_null")],
        ops in proptest::collection::vec(op(), 1..80),
    ) {
        let mut tx = store(on_delete);
        let mut naive = Naive { on_delete, parents: std::collections::BTreeSet::new(), children: Model::new() };
        for op in ops {
            let before = tx.store().digest();
            let (done, expected) = match op {
                Op::Parent(id) => (tx.insert(PARENT, &[id]).is_ok(), naive.parents.insert(id)),
                Op::Put(id, of, parent) => {
                    let row = child(id, of, parent);
                    let there = naive.children.contains_key(&id);
                    let done = if there { tx.update(CHILD, &row).is_ok() } else { tx.insert(CHILD, &row).is_ok() };
                    (done, naive.put(id, of, parent))
                }
                Op::DeleteParent(id) => (tx.delete(PARENT, &[id]).is_ok(), naive.delete(Some(id), None)),
                Op::DeleteChild(id) => (tx.delete(CHILD, &[id]).is_ok(), naive.delete(None, Some(id))),
            };
            prop_assert_eq!(done, expected);
            prop_assert!(done || tx.store().digest() == before);
            let rows: Vec<_> = naive.children.iter().map(|(id, (of, parent))| child(*id, *of, *parent)).collect();
            prop_assert_eq!(children(&tx), rows);
            tx.check_references(CHILD).unwrap();
        }
    }
}
