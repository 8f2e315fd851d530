//! Code that tells what it does does what it did, for the same fuel, and says it.

use crate::support::{artefact, module, schema, text};
use interstice_engine::engine::{Engine, Input, Request};
use interstice_engine::execution::trace::{Ending, Step, Trace};
use interstice_engine::limits::Limits;
use interstice_engine::module::ModuleLoader;
use interstice_engine::publish::PublishOptions;
use interstice_engine::rerun::{Likeness, Rerun};
use interstice_types::codec;
use interstice_types::id::Identity;
use interstice_types::problem::Problem;
use interstice_types::time::Timestamp;
use interstice_types::ty::Type;
use interstice_types::value::Value;
use interstice_wasm::runtime::Runtime;
use std::sync::Arc;

/// Publishes `wasm` and calls its reducer, then runs that again with code that tells. Gives the answer, and what ran again.
fn again(wasm: &[u8]) -> (Result<Vec<u8>, Problem>, Option<Rerun>) {
    let runtime = Arc::new(Runtime::new().unwrap());
    let mut engine = Engine::new(Arc::clone(&runtime) as Arc<dyn ModuleLoader>, Limits::default());
    let mut log = Vec::new();
    let mut step = |engine: &mut Engine, request| {
        let output = engine.step(Input { now: Timestamp(1), seed: [7; 16], request });
        log.extend(output.transaction);
        output.reply
    };
    step(&mut engine, Request::Genesis { node: [0; 16] }).unwrap();
    let (caller, loaded) = (Identity([1; 32]), runtime.load(wasm).unwrap());
    let options = PublishOptions::default();
    step(&mut engine, Request::Publish { artefact: wasm.to_vec(), loaded, caller, options }).unwrap();
    let args = codec::encode_all([&Type::U64, &Type::U64], &[Value::U64(0), Value::U64(5)]);
    let call = Request::Call { module: "guest".into(), function: "run".into(), args, caller };
    let reply = step(&mut engine, call);
    let tracing = Arc::new(Runtime::for_tracing().unwrap());
    let mut second = Engine::new(tracing as Arc<dyn ModuleLoader>, Limits::default());
    let mut last = None;
    for transaction in &log {
        let rerun = second.rerun(transaction, true).unwrap();
        assert_eq!(rerun.likeness, Likeness::Same, "offset {}", transaction.offset);
        last = Some(rerun).filter(|_| transaction.offset == 2);
    }
    assert_eq!(second.store().digest(), engine.store().digest());
    (reply, last)
}

fn traced(wasm: &[u8]) -> Trace {
    let (reply, rerun) = again(wasm);
    reply.unwrap();
    *rerun.unwrap().trace.unwrap()
}

/// Inserts a row through functions that are given nothing, much, and themselves, and through a table; logs nothing.
const DEEP: &str = r"
    (type $of_two (func (param i64 i64) (result i64)))
    (table 2 2 funcref)
    (elem (i32.const 0) func $add $insert_it)
    (func $add (type $of_two) (i64.add (local.get 0) (local.get 1)))
    (func $insert_it (type $of_two)
        (i64.store (i32.const 16) (local.get 0)) (i64.store (i32.const 24) (local.get 1))
        (drop (call $insert (i32.const 0) (i32.const 16) (i32.const 16) (i32.const 32) (i32.const 16)))
        (i64.load (i32.const 32)))
    (func $down (param i32) (result i64)
        (if (result i64) (i32.eqz (local.get 0))
            (then (call_indirect (type $of_two) (i64.const 0) (i64.const 9) (i32.const 1)))
            (else (call $down (i32.sub (local.get 0) (i32.const 1))))))
    (func $nothing)
    (func $loop (param i32)
        (loop (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br_if 0 (local.get 0))))
    (func $call (param i32 i32 i32) (result i32)
        (call $nothing)
        (call $loop (i32.const 1000))
        (i64.store (i32.const 48) (call_indirect (type $of_two) (call $down (i32.const 3)) (i64.const 0) (i32.const 0)))
        (call $result (i32.const 48) (i32.const 8))
        (i32.const 0))";

#[test]
fn every_function_begins_and_ends_for_the_fuel_that_it_takes_without_saying_so() {
    let trace = traced(&module(DEEP));
    let begins = trace.code.iter().filter_map(|step| step.function).count();
    // call, nothing, loop, down four times, insert_it, insert, add, result.
    assert_eq!((begins, trace.code.len()), (11, 22));
    assert_eq!(trace.code_left_out, 0);
    let fuel: Vec<_> = trace.code.iter().map(|step| step.fuel).collect();
    assert!(fuel.is_sorted_by(|before, after| before >= after), "{fuel:?}");
    // The loop burns what its instructions are: six in each of a thousand rounds.
    let starts = trace.code.iter().enumerate().filter_map(|(at, step)| Some((step.function?, at)));
    let spent = starts.map(|(_, at)| trace.code[at].fuel - trace.code[at + 1].fuel);
    assert!(spent.clone().any(|fuel| (6_000..6_010).contains(&fuel)), "{:?}", spent.collect::<Vec<_>>());
    let [Step::Enter { fuel: all, .. }, Step::Host(host), Step::Leave { ending: Ending::Ok(answer), fuel: left }] =
        &trace.steps[..]
    else {
        panic!("{:?}", trace.steps);
    };
    assert_eq!(
        (answer, all > left),
        (&interstice_engine::execution::trace::Bytes::Kept(vec![1, 0, 0, 0, 0, 0, 0, 0]), true)
    );
    // Where the host call is among what code did is known.
    let before = trace.code.iter().filter(|step| step.behind <= 1).count();
    assert_eq!((host.position, before), (0, trace.code.iter().position(|step| step.behind == 2).unwrap()));
}

#[test]
fn code_that_breaks_off_says_no_end_and_one_that_imports_nothing_says_what_it_does() {
    let raises =
        module("(func $call (param i32 i32 i32) (result i32) (call $deeper) (i32.const 0)) (func $deeper unreachable)");
    let (reply, rerun) = again(&raises);
    // A call that traps is in no log.
    assert_eq!((&*reply.unwrap_err().code, rerun.is_none()), ("trap", true));
    let plain = text("(func $call (param i32 i32 i32) (result i32) (i32.const 0))");
    let plain: String = plain.lines().filter(|line| !line.contains("(import")).collect::<Vec<_>>().join("\n");
    let schema = schema().replace(r#""returns":"u64""#, r#""returns":"unit""#);
    // What changes nothing is in no log either, and runs as it is while it loads and is published.
    let (reply, _) = again(&artefact(&plain, &schema));
    assert_eq!(reply, Ok(Vec::new()));
}
