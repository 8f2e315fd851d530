//! Schedules of native modules: what is refused when it is made, what becomes of those whose reducer is gone, limits, and times that
//! another node worked out.

use crate::native::{NativeLoader, Node, STUMBLES};
use interstice_engine::engine::{Engine, Input, Output, Request};
use interstice_engine::limits::Limits;
use interstice_engine::module::{HOST_FAULT, ModuleLoader};
use interstice_engine::publish::PublishOptions;
use interstice_engine::recheck::Verdict;
use interstice_engine::system;
use interstice_types::change::Change;
use interstice_types::id::{Identity, ScheduleId};
use interstice_types::time::Timestamp;
use interstice_types::transaction::{Cause, Outcome, ScheduleAction, Transaction};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

fn at(node: &mut Node, micros: i64, request: Request) -> Output {
    let output = node.engine.step(Input { now: Timestamp(micros), seed: [5; 16], request });
    node.log.extend(output.transaction.clone());
    output
}

fn publish(node: &mut Node, artefact: &[u8]) {
    let (artefact, caller) = (artefact.to_vec(), Identity::default());
    let loaded = NativeLoader.load(&artefact).unwrap();
    node.step(Request::Publish { artefact, loaded, caller, options: PublishOptions::default() }).reply.unwrap();
}

/// Every transaction comes out the same again, and gives the same engine.
fn assert_replays(node: &Node) {
    let mut again = Engine::new(Arc::new(NativeLoader), node.engine.limits());
    for transaction in &node.log {
        assert_eq!(again.recheck(transaction).unwrap(), Verdict::Same);
    }
    assert_eq!(again.store().digest(), node.engine.store().digest());
    assert_eq!(again.pending_schedules().count("alarm"), node.engine.pending_schedules().count("alarm"));
    assert_eq!(node.replayed().next_wakeup(), node.engine.next_wakeup());
}

fn letters(node: &Node) -> Vec<(String, String)> {
    let letters = system::dead_letter::all(node.engine.store()).into_iter();
    letters.map(|letter| (letter.function, letter.problem.code.to_string())).collect()
}

#[test]
fn what_no_schedule_could_run_is_refused_when_it_is_made() {
    let mut node = Node::new(&["alarm"], Limits::default());
    for (function, code) in
        [("set_wrong", "invalid-arguments"), ("set_unknown", "unknown-function"), ("set_query", "wrong-kind")]
    {
        assert_eq!(node.call("alarm", function).reply.unwrap_err().code, code);
    }
    let asked = Request::Call {
        module: "alarm".into(),
        function: "ring".into(),
        args: vec![0; 8],
        caller: Identity::default(),
    };
    assert_eq!(node.step(asked).reply.unwrap_err().code, "wrong-kind", "nobody calls what is internal");
    assert_eq!(node.engine.next_wakeup(), None);
}

#[test]
fn a_schedule_runs_when_it_is_due_and_is_gone() {
    let mut node = Node::new(&["alarm"], Limits::default());
    node.call("alarm", "set").reply.unwrap();
    assert_eq!(node.engine.next_wakeup(), Some(Timestamp(100)));
    assert_eq!(at(&mut node, 99, Request::NextSchedule).reply.unwrap_err().code, "no-schedule");
    let output = at(&mut node, 500, Request::NextSchedule);
    let transaction = output.transaction.unwrap();
    let Cause::Schedule { schedule: ScheduleId(1), function: Some(1), due: Timestamp(100), .. } = transaction.cause
    else {
        panic!("{:?}", transaction.cause)
    };
    assert_eq!((transaction.time, node.rows("alarm", "bell")), (Timestamp(500), 1));
    assert!(at(&mut node, 900, Request::NextSchedule).transaction.is_none());
    assert_replays(&node);
}

#[test]
fn a_schedule_whose_reducer_is_another_one_is_a_dead_letter_when_it_is_due() {
    let mut node = Node::new(&["alarm"], Limits::default());
    node.call("alarm", "set").reply.unwrap();
    publish(&mut node, b"alarm with text");
    at(&mut node, 100, Request::NextSchedule);
    assert_eq!(letters(&node), [("alarm.ring".to_owned(), "schedule-changed".to_owned())]);
    publish(&mut node, b"alarm");
    node.call("alarm", "set").reply.unwrap();
    publish(&mut node, b"alarm without ring");
    let output = at(&mut node, 100, Request::NextSchedule).transaction.unwrap();
    assert!(matches!(output.cause, Cause::Schedule { function: None, .. }), "{:?}", output.cause);
    assert_eq!(letters(&node)[1], ("alarm.ring".to_owned(), "schedule-without-reducer".to_owned()));
    // One that is back in time is not.
    publish(&mut node, b"alarm");
    node.call("alarm", "set").reply.unwrap();
    publish(&mut node, b"alarm without ring");
    publish(&mut node, b"alarm");
    at(&mut node, 100, Request::NextSchedule);
    assert_eq!((letters(&node).len(), node.rows("alarm", "bell")), (2, 1));
    assert_replays(&node);
}

#[test]
fn a_module_has_as_many_schedules_as_it_may_and_no_more() {
    let mut node = Node::new(&["alarm", "ringer"], Limits { schedules: 3, ..Limits::default() });
    // Those that are undone with their call do not count, nor do those of a call within one.
    assert!(node.call("alarm", "set_two_and_fail").reply.is_err());
    node.call("ringer", "insist").reply.unwrap();
    (0..2).for_each(|_| drop(node.call("alarm", "set").reply.unwrap()));
    let refused = node.call("alarm", "set").reply.unwrap_err();
    assert_eq!(refused.code, "too-many-schedules");
    assert_eq!(node.replayed().pending_schedules().count("alarm"), 3);
    node.call("alarm", "unset_one_and_set").reply.unwrap();
    at(&mut node, 100, Request::NextSchedule);
    node.call("alarm", "set").reply.unwrap();
    assert_eq!(node.call("alarm", "set").reply.unwrap_err().code, "too-many-schedules");
    assert_replays(&node);
}

#[test]
fn somebody_pauses_resumes_runs_and_cancels_schedules() {
    let mut node = Node::new(&["alarm"], Limits::default());
    node.call("alarm", "set").reply.unwrap();
    node.call("alarm", "set").reply.unwrap();
    let control = |node: &mut Node, action, id| {
        let request = Request::Control { action, schedule: ScheduleId(id), caller: Identity::of_name("ada") };
        at(node, 50, request).reply.map_err(|problem| problem.code.to_string())
    };
    control(&mut node, ScheduleAction::Pause, 1).unwrap();
    control(&mut node, ScheduleAction::Pause, 2).unwrap();
    assert_eq!(node.engine.next_wakeup(), None);
    assert_eq!(control(&mut node, ScheduleAction::Run, 1).unwrap_err(), "schedule-paused");
    control(&mut node, ScheduleAction::Resume, 1).unwrap();
    control(&mut node, ScheduleAction::Run, 1).unwrap();
    assert_eq!(node.engine.next_wakeup(), Some(Timestamp(50)));
    at(&mut node, 50, Request::NextSchedule);
    assert_eq!(control(&mut node, ScheduleAction::Run, 1).unwrap_err(), "unknown-schedule");
    control(&mut node, ScheduleAction::Cancel, 2).unwrap();
    assert_eq!(node.rows("alarm", "bell"), 1);
    assert_replays(&node);
}

/// The transaction that published a module, as a node would have recorded it that thought all times to be later.
fn published_later(node: &Node, by: i64) -> Transaction {
    let mut transaction = node.log.last().unwrap().clone();
    let id = node.engine.catalog().schedules().unwrap();
    let table = node.engine.store().table(id).unwrap();
    for change in &mut transaction.changes {
        if let Change::Insert { table: changed, row } = change
            && *changed == id
        {
            let mut bytes = row.to_vec();
            let place = table.layout().reader_at(&bytes, 6).position();
            let due = i64::from_le_bytes(bytes[place..place + 8].try_into().unwrap()) + by;
            bytes[place..place + 8].copy_from_slice(&due.to_le_bytes());
            *row = bytes.into();
        }
    }
    let mut before = Engine::new(Arc::new(NativeLoader), Limits::default());
    node.log[..node.log.len() - 1].iter().for_each(|earlier| before.apply(earlier).unwrap());
    let mut after = before.store().clone();
    after.apply(&mut transaction.changes.clone()).unwrap();
    transaction.state_digest = after.digest();
    transaction
}

#[test]
fn times_of_clocks_are_those_of_the_record_and_times_of_intervals_are_worked_out_again() {
    for (module, same) in [("clock", true), ("interval", false)] {
        let node = Node::new(&[module], Limits::default());
        let mut again = Engine::new(Arc::new(NativeLoader), Limits::default());
        again.recheck(&node.log[0]).unwrap();
        let verdict = again.recheck(&published_later(&node, 3_600_000_000)).unwrap();
        assert_eq!(verdict == Verdict::Same, same, "{module}: {verdict:?}");
        assert!(again.next_wakeup() > node.engine.next_wakeup(), "it goes on from the record");
    }
}

#[test]
fn a_declared_schedule_goes_on_changes_and_goes_with_what_declares_it() {
    let mut node = Node::new(&["interval"], Limits::default());
    let first = node.engine.next_wakeup().unwrap();
    assert_eq!(first, Timestamp(1 + 3_600_000_000));
    at(&mut node, 1_000_000, Request::NextEvent);
    publish(&mut node, b"interval");
    assert_eq!(node.engine.next_wakeup(), Some(first), "the same again goes on");
    publish(&mut node, b"shorter interval");
    assert_eq!(node.engine.next_wakeup(), Some(Timestamp(1 + 60_000_000)));
    let paused =
        Request::Control { action: ScheduleAction::Pause, schedule: ScheduleId(1), caller: Identity::default() };
    at(&mut node, 1, paused).reply.unwrap();
    publish(&mut node, b"interval");
    assert_eq!(node.engine.next_wakeup(), None, "what is paused stays so");
    publish(&mut node, b"no interval");
    assert_eq!(node.engine.pending_schedules().count("interval"), 0);
    assert_replays(&node);
}

/// It says nothing about the module: the schedule stays due, and nothing is recorded.
#[test]
fn a_host_that_cannot_run_a_schedule_does_not_consume_it() {
    let mut node = Node::new(&["shaky interval"], Limits::default());
    let due = node.engine.next_wakeup().unwrap();
    STUMBLES.store(2, SeqCst);
    for _ in 0..2 {
        let output = at(&mut node, due.0, Request::NextSchedule);
        assert!(output.transaction.is_none() && output.reply.unwrap_err().code == HOST_FAULT);
        assert_eq!(node.engine.next_wakeup(), Some(due));
    }
    assert!(at(&mut node, due.0, Request::NextSchedule).transaction.is_some());
    assert_eq!(node.engine.next_wakeup(), Some(Timestamp(due.0 + 3_600_000_000)));
    assert!(letters(&node).is_empty());
    assert_replays(&node);
}

#[test]
fn an_interval_at_the_end_of_time_ends() {
    let mut node = Node::new(&["interval"], Limits::default());
    let output = at(&mut node, i64::MAX - 1, Request::NextSchedule);
    assert!(matches!(output.transaction.unwrap().outcome, Outcome::Ok(_)));
    assert_eq!(node.engine.next_wakeup(), None);
    assert_replays(&node);
}
