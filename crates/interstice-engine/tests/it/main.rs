//! The engine with native modules: traps that cannot be swallowed, chains of events, what replies rest on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod connections;
mod divergent;
mod evolve;
mod lifetimes;
mod native;
mod schedules;

use interstice_engine::engine::{Engine, Request};
use interstice_engine::limits::Limits;
use interstice_engine::module::HOST_FAULT;
use interstice_engine::read::Reader;
use interstice_engine::recheck::Verdict;
use interstice_engine::system;
use interstice_types::id::Identity;
use interstice_types::transaction::Outcome;
use native::{FAULTS, NativeLoader, Node};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

fn small() -> Limits {
    Limits { fuel: 100_000, event_depth: 5, ..Limits::default() }
}

/// What `outer.function` ends with, and where; nothing of it may be left.
fn trap_of(function: &str) -> (String, String) {
    let mut node = Node::new(&["inner", "outer"], small());
    let problem = node.call("outer", function).reply.unwrap_err();
    assert_eq!((node.rows("outer", "own"), node.rows("inner", "left")), (0, 0), "{function}");
    node.call("inner", "add_left").reply.unwrap();
    assert_eq!(node.rows("inner", "left"), 1, "the next call is not touched by it");
    (problem.code.to_string(), problem.place.clone().unwrap())
}

#[test]
fn a_module_cannot_swallow_a_trap() {
    let at = |place: &str| place.to_owned();
    let cases = [
        ("swallow_trap", "trap", "module `inner`, function `trap`"),
        ("swallow_burn", "out-of-fuel", "module `inner`, function `burn`"),
        ("swallow_missing", "undeclared-call", "module `outer`, function `swallow_missing`"),
        ("burn_itself", "out-of-fuel", "module `outer`, function `burn_itself`"),
    ];
    for (function, code, place) in cases {
        assert_eq!(trap_of(function), (code.to_owned(), at(place)), "{function}");
    }
}

/// Also not by being so deep that the callee never began.
#[test]
fn a_module_cannot_swallow_that_it_is_too_deep() {
    let mut node = Node::new(&["inner", "outer"], Limits { call_depth: 1, ..small() });
    assert_eq!(node.call("outer", "swallow_trap").reply.unwrap_err().code, "call-depth");
    assert_eq!(node.rows("outer", "own"), 0);
}

#[test]
fn a_module_can_swallow_a_refusal_and_keeps_its_own_writes() {
    let mut node = Node::new(&["inner", "outer"], small());
    node.call("outer", "swallow_refusal").reply.unwrap();
    assert_eq!((node.rows("outer", "own"), node.rows("inner", "left")), (2, 0));
}

fn dead_letters(engine: &Engine) -> Vec<String> {
    let table = engine.store().table(system::DEAD_LETTER).unwrap();
    let all = interstice_store::range::KeyRange::all();
    let rows = table.scan(interstice_engine::execution::IndexId::PRIMARY, &all, false);
    rows.map(|row| String::from_utf8_lossy(row).into_owned()).collect()
}

#[test]
fn one_row_is_asked_of_a_unique_index_that_is_there() {
    let mut node = Node::new(&["inner"], small());
    for (function, code) in [("find_many", "not-unique"), ("find_nowhere", "unknown-index")] {
        let problem = node.call("inner", function).reply.unwrap_err();
        assert_eq!(
            (problem.code.as_ref(), problem.place.as_deref()),
            (code, Some(&*format!("module `inner`, function `{function}`")))
        );
    }
}

/// Whoever called the module relies on it, in another module without looking.
#[test]
fn a_typed_error_is_of_the_type_that_is_declared() {
    let mut node = Node::new(&["inner"], small());
    for (function, says) in [("give_error", "declares none"), ("give_text", "is not a string")] {
        let problem = node.call("inner", function).reply.unwrap_err();
        assert_eq!(problem.code, "invalid-answer", "{function}");
        assert!(problem.message.contains(says), "{problem}");
    }
}

#[test]
fn a_chain_of_events_is_cut_at_its_limit() {
    for depth in [1, 5] {
        let mut node = Node::new(&["chain"], Limits { event_depth: depth, ..small() });
        node.call("chain", "start").reply.unwrap();
        let mut delivered = 0;
        while !node.engine.pending_events().is_empty() {
            let output = node.step(Request::NextEvent);
            delivered += 1;
            assert_eq!(output.reply.is_ok(), delivered <= depth, "delivery {delivered}");
            assert!(delivered <= depth + 1, "the chain goes on");
        }
        assert_eq!(node.rows("chain", "link"), 1 + depth as usize);
        let letters = dead_letters(&node.engine);
        assert!(letters.len() == 1 && letters[0].contains("event-depth"), "{letters:?}");
        let last = node.log.last().unwrap();
        assert!(
            matches!(&last.outcome, Outcome::Rejected(problem) if problem.starts_with(b"{\"code\":\"event-depth\""))
        );
    }
}

/// That the host fails says nothing about the module: nothing is recorded, and the event is delivered when it can be.
#[test]
fn a_fault_of_the_host_is_no_outcome_of_an_event() {
    let mut node = Node::new(&["shaky"], small());
    node.call("chain", "start").reply.unwrap();
    let first = |node: &Node| node.engine.pending_events().first().map(|pending| pending.id);
    let (pending, recorded) = (first(&node), node.log.len());
    FAULTS.store(2, SeqCst);
    for _ in 0..2 {
        let output = node.step(Request::NextEvent);
        assert_eq!(output.reply.unwrap_err().code, HOST_FAULT);
        assert!(output.transaction.is_none());
        assert_eq!(first(&node), pending);
        assert_eq!((node.rows("chain", "link"), dead_letters(&node.engine).len()), (1, 0));
    }
    node.step(Request::NextEvent).reply.unwrap();
    assert_eq!((node.rows("chain", "link"), node.log.len()), (2, recorded + 1));
}

/// A queue knows how deep its events are also when it was read from a log, in the middle of a chain.
#[test]
fn a_chain_of_events_is_cut_at_the_same_place_after_a_replay() {
    for cut in 0..=6 {
        let mut node = Node::new(&["chain"], small());
        node.call("chain", "start").reply.unwrap();
        (0..cut).for_each(|_| drop(node.step(Request::NextEvent)));
        let mut engine = node.replayed();
        assert_eq!(engine.pending_events(), node.engine.pending_events());
        assert!(engine.load_modules().is_empty());
        let mut again = Node { engine, log: node.log };
        while !again.engine.pending_events().is_empty() {
            again.step(Request::NextEvent);
        }
        assert_eq!(again.rows("chain", "link"), 6, "replayed after {cut} events");
        assert_eq!(dead_letters(&again.engine).len(), 1);
        assert_eq!(dead_letters(&again.replayed()), dead_letters(&again.engine));
        let mut checker = Engine::new(Arc::new(NativeLoader), small());
        for transaction in &again.log {
            assert_eq!(checker.recheck(transaction).unwrap(), Verdict::Same);
        }
        assert_eq!(checker.last_changed(), again.engine.last_changed());
    }
}

#[test]
fn a_refusal_rests_on_what_its_function_can_see() {
    let mut node = Node::new(&["inner", "outer"], small());
    let catalog = node.engine.next_offset();
    assert_eq!(node.call("inner", "refuse_left").rests_on, catalog);
    node.call("inner", "add_right").reply.unwrap();
    assert_eq!(node.call("inner", "refuse_left").rests_on, catalog, "a write to another table changes nothing for it");
    let left = node.call("inner", "add_left");
    assert_eq!(left.rests_on, node.engine.next_offset(), "a commit rests on itself");
    node.call("inner", "add_right").reply.unwrap();
    assert_eq!(node.call("inner", "refuse_left").rests_on, left.rests_on);
    assert_eq!(node.call("inner", "trap").rests_on, left.rests_on, "so does a trap");
    assert_eq!(node.call("outer", "refuse").rests_on, left.rests_on, "and who may call one that sees it");
    assert_eq!(node.call("inner", "no_such").rests_on, catalog, "a name that is not there is the catalog's answer");
    assert!(node.engine.next_offset() > left.rests_on);
}

#[test]
fn a_query_rests_on_what_it_can_see_also_after_a_replay() {
    let mut node = Node::new(&["inner"], small());
    node.call("inner", "add_left").reply.unwrap();
    let left = node.engine.next_offset();
    node.call("inner", "add_right").reply.unwrap();
    let snapshot = node.engine.snapshot();
    let answer = Reader::new().query(&snapshot, ("inner", "count_left"), &[], Identity::default());
    assert_eq!(answer.unwrap(), 1_u64.to_le_bytes());
    assert_eq!(snapshot.rests_on("inner", "count_left"), left);
    assert_eq!(snapshot.rests_on("inner", "no_such"), snapshot.last_changed.catalog());
    let replayed = node.replayed();
    assert_eq!(replayed.last_changed(), node.engine.last_changed());
    assert_eq!(replayed.snapshot().rests_on("inner", "count_left"), left);
    node.call("inner", "add_left").reply.unwrap();
    assert_eq!(snapshot.rests_on("inner", "count_left"), left, "a snapshot is of its moment");
}
