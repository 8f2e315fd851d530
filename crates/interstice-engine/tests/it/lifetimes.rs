//! Tables whose rows are not there for good: ephemeral ones are in no log, rows of event tables last as long as their transaction.

use crate::evolve::{ByName, Node, put, row};
use interstice_engine::engine::{Engine, Output, Request};
use interstice_engine::execution::Execution;
use interstice_engine::limits::Limits;
use interstice_engine::module::CallError;
use interstice_engine::recheck::{Reason, Verdict};
use interstice_types::change::Change;
use interstice_types::id::Identity;
use interstice_types::transaction::FLAG_TOUCHED_EPHEMERAL;
use serde_json::json;
use std::sync::Arc;

/// Tables `cursor` (ephemeral), `lasting`, `rang` (event), and reducers that add a row to one or two of them.
fn module() -> Vec<u8> {
    let table = |name: &str, durability: &str| {
        json!({"name": name, "public": true, "primary_key": [0], "durability": durability, "columns": [
            {"name": "id", "type": "u64", "auto_inc": true}, {"name": "name", "type": "string"}]})
    };
    let handle = |name: &&str| json!({"table": name, "access": "write"});
    let reducer = |name: &str, tables: &[&str]| json!({"name": name, "kind": "reducer", "returns": "unit", "handles": tables.iter().map(handle).collect::<Vec<_>>()});
    let listener = json!({"name": "heard", "kind": {"event": {"on": "insert", "table": {"table": "rang"}}},
        "returns": "unit", "handles": [handle(&"lasting")],
        "args": [{"name": "row", "type": {"struct": {"name": "Rang", "fields": [
            {"name": "id", "type": "u64"}, {"name": "name", "type": "string"}]}}}]});
    let schema = json!({"module": "m", "version": "1.0.0",
        "tables": [table("cursor", "ephemeral"), table("lasting", "durable"), table("rang", "event")],
        "functions": [reducer("add_both", &["cursor", "lasting"]), reducer("add_one", &["cursor"]), listener,
            reducer("nothing", &[]), reducer("ring", &["rang", "lasting"])]});
    serde_json::to_vec(&schema).unwrap()
}

/// What these functions do, by name.
pub(crate) fn run(name: &str, execution: &mut Execution) -> Option<Result<(), CallError>> {
    Some(match name {
        "add_one" => put(execution, 0, &row(0, "here")),
        "add_both" => put(execution, 0, &row(0, "here")).and_then(|()| put(execution, 1, &row(0, "there"))),
        "heard" => put(execution, 0, &row(0, "heard")),
        "nothing" => Ok(()),
        "ring" => put(execution, 0, &row(0, "bell")).map(|()| assert_eq!(execution.count(0, &[]), Ok(1))),
        _ => return None,
    })
}

fn node() -> Node {
    let mut node = Node::empty();
    node.publish_artefact(module()).unwrap();
    node
}

fn call(node: &mut Node, function: &str) -> Output {
    let (module, function) = ("m".into(), function.into());
    let output = node.step(Request::Call { module, function, args: Vec::new(), caller: Identity::default() });
    assert!(output.reply.is_ok(), "{:?}", output.reply);
    output
}

#[test]
fn ephemeral_rows_are_in_no_log_and_take_no_offset() {
    let mut node = node();
    // The first call of a caller gives it a number, which lasts.
    call(&mut node, "ring");
    let offset = node.engine.next_offset();
    let first = call(&mut node, "add_one");
    assert!(first.transaction.is_none());
    assert_eq!((first.unlogged.changes.len(), first.unlogged.next_offset, first.unlogged.number), (2, offset, 1));
    assert_eq!(call(&mut node, "add_one").unlogged.number, 2);
    let nothing = call(&mut node, "nothing");
    assert!(
        nothing.transaction.is_none() && nothing.unlogged.changes.is_empty(),
        "and neither does what changes nothing"
    );
    assert_eq!((node.engine.next_offset(), node.rows_of("m", "cursor").len()), (offset, 2));
    // With a row that lasts the rest of it is in the log, and says that it saw what is not.
    let both = call(&mut node, "add_both");
    let transaction = both.transaction.unwrap();
    assert_eq!(transaction.flags, FLAG_TOUCHED_EPHEMERAL);
    assert!(transaction.changes.iter().all(|change| change.table() == node.table("m", "lasting").id()));
    assert_eq!((both.unlogged.changes.len(), both.unlogged.number), (2, 0));
    assert_eq!(call(&mut node, "add_one").unlogged.number, 1);
    assert_eq!(node.rows_of("m", "cursor").len(), 4);
}

#[test]
fn after_a_restart_ephemeral_tables_are_empty_and_all_else_is_there() {
    let mut node = node();
    ["ring", "add_one", "add_both", "add_one"].into_iter().for_each(|function| drop(call(&mut node, function)));
    let mut again = Engine::new(Arc::new(ByName), Limits::default());
    let verdicts: Vec<_> = node.log.iter().map(|transaction| again.recheck(transaction).unwrap()).collect();
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Incomparable(Reason::Ephemeral)).count(), 1);
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Same | Verdict::Incomparable(_))), "{verdicts:?}");
    assert_eq!(again.store().digest(), node.engine.store().digest());
    node.engine = again;
    assert_eq!(node.rows_of("m", "cursor").len(), 0);
    assert_eq!(node.rows_of("m", "lasting").len(), 1);
}

#[test]
fn rows_of_an_event_table_are_told_and_gone() {
    let mut node = node();
    for expected in 1..=3 {
        let rang = call(&mut node, "ring").transaction.unwrap();
        let inserts = rang
            .changes
            .iter()
            .filter(|change| matches!(change, Change::Insert { table, .. } if *table == node.table("m", "rang").id()));
        assert_eq!(inserts.count(), 1);
        assert_eq!(node.rows_of("m", "rang").len(), 0);
        assert_eq!(node.table("m", "rang").sequences().next(), Some((0, expected + 1)), "its sequence goes on");
    }
    while !node.engine.pending_events().is_empty() {
        node.step(Request::NextEvent).reply.unwrap();
    }
    assert_eq!(node.rows_of("m", "lasting").len(), 3, "whoever listens hears it");
    node.assert_history();
}
