//! Connections that are told to several modules, what is told of a publish, and who owns a module.

use crate::evolve::{ByName, Node, put, row};
use interstice_engine::engine::{Engine, Output, Request};
use interstice_engine::execution::{Execution, IndexId};
use interstice_engine::limits::Limits;
use interstice_engine::module::{CallError, HOST_FAULT};
use interstice_engine::recheck::{Reason, Verdict};
use interstice_engine::system;
use interstice_store::write::MAX_TRANSACTION_CHANGES;
use interstice_types::change::Change;
use interstice_types::id::Identity;
use interstice_types::problem::Problem;
use interstice_types::transaction::{Cause, Transaction};
use serde_json::json;
use std::sync::Arc;

/// What these functions do, by name.
pub(crate) fn run(name: &str, execution: &mut Execution) -> Option<Result<(), CallError>> {
    Some(match name {
        "greets" | "waves" | "renews" => put(execution, 0, &row(0, name)),
        "burns" => {
            let _ = execution.insert(0, &row(0, name));
            while execution.get(0, IndexId::PRIMARY, &[0; 8]).is_ok() {}
            Ok(())
        }
        "fills" | "fills_and_fails" => fill(execution, name),
        "shouts" => Err(CallError::Trapped(Problem::new("panic", "\n".repeat(9 << 20)))),
        "faults" => Err(CallError::Trapped(Problem::new(HOST_FAULT, "on purpose"))),
        "breaks" => Err(CallError::Trapped(Problem::new("panic", "on purpose"))),
        _ => return None,
    })
}

/// As many changes as a transaction may have, or, to fail, bytes until it takes no more.
fn fill(execution: &mut Execution, name: &str) -> Result<(), CallError> {
    if name == "fills" {
        return (0..MAX_TRANSACTION_CHANGES / 2).try_for_each(|_| put(execution, 0, &row(0, "")));
    }
    for size in [1 << 20, 1 << 10, 1 << 4] {
        let row = row(0, &"x".repeat(size - 12));
        while put(execution, 0, &row).is_ok() {}
    }
    put(execution, 0, &row(0, name))
}

/// A module with a table `seen` and these functions, each `name` of `kind`; an `event` is of a row that is added to it.
fn module(name: &str, version: &str, functions: &[(&str, &str)]) -> Vec<u8> {
    let function = |(name, kind): &(&str, &str)| {
        let (kind, args) = match *kind {
            "event" => (
                json!({"event": {"on": "insert", "table": {"table": "seen"}}}),
                json!([{"name": "row", "type": {"struct": {"name": "Seen", "fields": [
                    {"name": "id", "type": "u64"}, {"name": "name", "type": "string"}]}}}]),
            ),
            kind => (json!(kind), json!([])),
        };
        json!({"name": name, "kind": kind, "args": args, "returns": "unit",
            "handles": [{"table": "seen", "access": "write"}]})
    };
    let mut functions: Vec<_> = functions.iter().map(function).collect();
    functions.sort_by_key(|function| function["name"].to_string());
    let schema = json!({"module": name, "version": version, "functions": functions, "tables": [{"name": "seen",
        "public": true, "primary_key": [0], "columns": [{"name": "id", "type": "u64", "auto_inc": true},
        {"name": "name", "type": "string"}]}]});
    serde_json::to_vec(&schema).unwrap()
}

fn node(modules: &[(&str, &[(&str, &str)])]) -> Node {
    let mut node = Node::empty();
    for (name, functions) in modules {
        node.publish_artefact(module(name, "1.0.0", functions)).unwrap();
    }
    node
}

fn connect(node: &mut Node, who: &str) -> u64 {
    let number = node.step(Request::Connect { caller: Identity::of_name(who) }).reply.unwrap();
    u64::from_le_bytes(number.try_into().unwrap())
}

fn seen(node: &Node, module: &str) -> usize {
    node.rows_of(module, "seen").len()
}

/// Every transaction is the same when its cause runs again, and the log alone gives the same state.
fn assert_same_again(node: &Node) {
    let mut again = Engine::new(Arc::new(ByName), Limits::default());
    for transaction in &node.log {
        let verdict = again.recheck(transaction).unwrap();
        if is_limited(transaction) {
            // What used its fuel up says nothing: another engine would have given it another one.
            assert!(
                matches!(&verdict, Verdict::Incomparable(Reason::ResourceLimit(problem)) if problem.code == "out-of-fuel"),
                "{verdict:?}"
            );
        } else {
            assert_eq!(verdict, Verdict::Same, "{:?}", transaction.cause);
        }
    }
    assert_eq!(again.store().digest(), node.engine.store().digest());
}

/// Whether a reducer that it told of a connection used its fuel up.
fn is_limited(transaction: &Transaction) -> bool {
    let says_so = |change: &Change| matches!(change, Change::Insert { table: system::DEAD_LETTER, row } if row.windows(11).any(|bytes| bytes == b"out-of-fuel"));
    transaction.changes.iter().any(says_so)
}

#[test]
fn every_module_is_told_whatever_another_makes_of_it() {
    let mut node = node(&[
        ("a", &[("greets", "connect")]),
        ("b", &[("burns", "connect"), ("breaks", "disconnect")]),
        ("c", &[("greets", "connect"), ("waves", "disconnect")]),
    ]);
    let connection = connect(&mut node, "ada");
    assert_eq!([seen(&node, "a"), seen(&node, "b"), seen(&node, "c")], [1, 0, 1]);
    let letters = system::dead_letter::all(node.engine.store());
    assert_eq!((letters.len(), &*letters[0].function, &*letters[0].problem.code), (1, "b.burns", "out-of-fuel"));
    assert!(is_limited(node.log.last().unwrap()));
    assert_eq!(node.engine.connections(), [connection]);
    node.step(Request::Disconnect { connection }).reply.unwrap();
    assert_eq!((seen(&node, "c"), node.engine.connections()), (2, vec![]));
    let letters = system::dead_letter::all(node.engine.store());
    assert_eq!((letters.len(), &*letters[1].function), (2, "b.breaks"));
    assert!(matches!(node.log.last().unwrap().cause, Cause::Disconnect { connection: noted } if noted == connection));
    assert_same_again(&node);
}

#[test]
fn what_became_of_a_reducer_is_said_however_full_its_transaction_is() {
    let mut node = node(&[
        ("a", &[("greets", "connect")]),
        ("b", &[("fills_and_fails", "connect"), ("shouts", "disconnect")]),
        ("c", &[("greets", "connect")]),
    ]);
    let connection = connect(&mut node, "ada");
    assert_eq!([seen(&node, "a"), seen(&node, "b"), seen(&node, "c")], [1, 0, 1], "what was undone is not c's");
    node.step(Request::Disconnect { connection }).reply.unwrap();
    let letters = system::dead_letter::all(node.engine.store());
    let codes: Vec<_> = letters.iter().map(|letter| &*letter.problem.code).collect();
    assert_eq!(codes, ["transaction-too-large", "panic"]);
    assert!(letters[1].problem.message.ends_with("\n… (9437184 bytes)"), "and short");
    assert!(letters[1].problem.message.len() < 2_000);
    assert_same_again(&node);
}

#[test]
fn an_event_whose_reducer_leaves_no_room_is_consumed() {
    for (reducer, rows, letters) in
        [("fills_and_fails", 1, 1), ("fills", MAX_TRANSACTION_CHANGES / 2 + 1, 0), ("shouts", 1, 1)]
    {
        let mut node = node(&[("m", &[("greets", "reducer"), (reducer, "event")])]);
        let (module, function) = ("m".into(), "greets".into());
        let call = Request::Call { module, function, args: Vec::new(), caller: Identity::of_name("ada") };
        node.step(call).reply.unwrap();
        let output = node.step(Request::NextEvent);
        assert!(output.transaction.is_some(), "{reducer}");
        assert_eq!(
            (seen(&node, "m"), system::dead_letter::all(node.engine.store()).len()),
            (rows, letters),
            "{reducer}"
        );
        assert_same_again(&node);
    }
}

#[test]
fn where_the_host_cannot_run_a_module_nothing_is_done() {
    let mut node = node(&[("a", &[("greets", "connect")]), ("b", &[("faults", "disconnect")])]);
    let connection = connect(&mut node, "ada");
    let (offset, digest) = (node.engine.next_offset(), node.engine.store().digest());
    let Output { transaction, reply, .. } = node.step(Request::Disconnect { connection });
    assert_eq!((transaction, reply.unwrap_err().code.as_ref()), (None, HOST_FAULT));
    assert_eq!((node.engine.next_offset(), node.engine.store().digest()), (offset, digest));
    assert_eq!(node.engine.connections(), [connection], "it ends when it can be told");
    assert_eq!(seen(&node, "a"), 1);
}

#[test]
fn a_connection_that_nobody_asks_for_is_no_transaction() {
    let mut node = node(&[("a", &[("greets", "reducer")])]);
    let offset = node.engine.next_offset();
    let refused = node.step(Request::Connect { caller: Identity::of_name("ada") });
    assert_eq!(refused.reply.unwrap_err().code, "not-noted");
    let unknown = node.step(Request::Disconnect { connection: 7 });
    assert_eq!(unknown.reply.unwrap_err().code, "no-connection");
    assert_eq!((node.engine.next_offset(), node.engine.connections()), (offset, vec![]));
}

#[test]
fn other_code_is_told_of_its_publish_and_the_same_code_is_not() {
    let mut node = Node::empty();
    let functions: &[_] = &[("greets", "init"), ("renews", "upgrade")];
    for (version, expected) in [("1.0.0", 1), ("1.0.0", 1), ("1.0.1", 2), ("1.0.2", 3), ("1.0.1", 4)] {
        node.publish_artefact(module("m", version, functions)).unwrap();
        assert_eq!(seen(&node, "m"), expected, "{version}");
    }
    let (offset, digest) = (node.engine.next_offset(), node.engine.store().digest());
    let problem = node.publish_artefact(module("m", "2.0.0", &[("breaks", "upgrade")])).unwrap_err();
    assert_eq!((&*problem.code, problem.hint.as_deref()), ("panic", Some("nothing was published")));
    assert_eq!((node.engine.next_offset(), node.engine.store().digest()), (offset, digest));
    assert_same_again(&node);
}

#[test]
fn the_owner_is_who_published_first() {
    let mut node = Node::empty();
    let publish = |node: &mut Node, who: &str, version: &str| {
        let artefact = module("m", version, &[("greets", "owner")]);
        let loaded = interstice_engine::module::ModuleLoader::load(&ByName, &artefact).unwrap();
        let (caller, options) = (Identity::of_name(who), interstice_engine::publish::PublishOptions::default());
        node.step(Request::Publish { artefact, loaded, caller, options }).reply.unwrap();
    };
    let call = |node: &mut Node, who: &str| {
        let (module, function) = ("m".into(), "greets".into());
        let request = Request::Call { module, function, args: Vec::new(), caller: Identity::of_name(who) };
        node.step(request).reply.map_err(|problem| problem.code.to_string())
    };
    publish(&mut node, "ada", "1.0.0");
    publish(&mut node, "grace", "1.0.1");
    assert_eq!(call(&mut node, "grace"), Err("not-allowed".to_owned()));
    assert_eq!(call(&mut node, "ada"), Ok(Vec::new()));
    assert_same_again(&node);
}
