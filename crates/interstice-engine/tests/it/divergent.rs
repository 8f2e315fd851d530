//! Modules that do not do the same again, each by another source of it that a sandbox must close: all are found, at the very
//! transaction, down to the column and the host call. They are native: in WebAssembly most of them cannot be written
//! (`interstice-wasm`, `tests/it/determinism.rs`).

use crate::native::ending;
use interstice_engine::engine::{Engine, Input, Request};
use interstice_engine::execution::{Execution, IndexId};
use interstice_engine::limits::Limits;
use interstice_engine::module::{Call, CallError, LoadError, Loaded, Module, ModuleFactory, ModuleLoader};
use interstice_engine::publish::PublishOptions;
use interstice_engine::recheck::{Beside, Divergence, Instances, Kind, Reason, Verdict};
use interstice_types::change::Change;
use interstice_types::id::Identity;
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use interstice_types::time::Timestamp;
use interstice_types::transaction::Transaction;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

type Answer = Result<Vec<u8>, CallError>;

/// What a module has kept from the calls before, those that failed among them: nothing, if it were as it should be.
#[derive(Default)]
struct Kept {
    calls: u64,
    buffer: Vec<u8>,
}

/// What a module does: with what it kept, on its tables.
type Quirk = fn(&mut Kept, &mut Execution) -> Answer;

/// Time goes on outside.
static CLOCK: AtomicU64 = AtomicU64::new(0);

/// By name: what it does, and where it must be found.
const QUIRKS: &[(&str, Quirk, Kind, Option<&str>, &str)] = &[
    ("a static counter", |kept, x| insert(x, 0, kept.calls, 0.0), Kind::Changes, Some("value"), "insert"),
    (
        "an order made of addresses",
        |kept, x| {
            let first = kept.calls % 2;
            insert(x, 0, first, 0.0).and_then(|_| insert(x, 0, 1 - first, 0.0))
        },
        Kind::Changes,
        Some("value"),
        "insert",
    ),
    (
        "the payload of a NaN",
        |kept, x| insert(x, 0, 1, f64::from_bits(f64::NAN.to_bits() | kept.calls)),
        Kind::HostCalls,
        None,
        "insert",
    ),
    (
        "memory that does not grow any more",
        |kept, x| insert(x, 0, 1, if kept.calls < 6 { 1.0 } else { -1.0 }),
        Kind::Changes,
        Some("real"),
        "insert",
    ),
    (
        "the depth at which the stack ends",
        |kept, x| insert(x, 0, 1, 0.0).map(|_| (9_000 - kept.calls).to_le_bytes().to_vec()),
        Kind::Outcome,
        None,
        "insert",
    ),
    (
        "padding that nobody wrote",
        |kept, x| {
            kept.buffer.push(7);
            let stale: u64 = kept.buffer.iter().map(|byte| u64::from(*byte)).sum();
            insert(x, 1, 0, 0.0).or_else(|_| update(x, 1, stale))
        },
        Kind::Changes,
        Some("value"),
        "update",
    ),
    ("a sequence of its own", |kept, x| insert(x, 1_000 + kept.calls, 1, 0.0), Kind::Sequence, Some("id"), "insert"),
    (
        "the clock of the machine",
        |_, x| insert(x, 0, CLOCK.fetch_add(1, SeqCst), 0.0),
        Kind::Changes,
        Some("value"),
        "insert",
    ),
    (
        "randomness of the system",
        |_, x| insert(x, 0, RandomState::new().hash_one(1), 0.0),
        Kind::Changes,
        Some("value"),
        "insert",
    ),
    (
        "a result that is kept",
        |kept, x| {
            if kept.calls == 5 {
                x.count(0, &[]).map_err(ending)?;
            }
            insert(x, 0, 1, 0.0)
        },
        Kind::HostCalls,
        None,
        "insert",
    ),
    (
        "work that depends on the machine",
        |kept, x| x.burn(kept.calls).map_err(ending).and_then(|()| insert(x, 0, 1, 0.0)),
        Kind::Fuel,
        None,
        "insert",
    ),
    (
        "an address in a line of the log",
        |kept, x| {
            x.log(3, &format!("at {:#x}", 0x1000 + kept.calls)).map_err(ending)?;
            insert(x, 0, 1, 0.0)
        },
        Kind::HostCalls,
        None,
        "log",
    ),
    (
        "something kept that lets it fail",
        |kept, x| match kept.calls {
            6 => Err(CallError::Refused(Problem::new("no", "not now"))),
            _ => insert(x, 0, 1, 0.0),
        },
        Kind::Outcome,
        None,
        "",
    ),
];

fn insert(execution: &mut Execution, id: u64, value: u64, real: f64) -> Answer {
    let row = [id.to_le_bytes(), value.to_le_bytes(), real.to_le_bytes()].concat();
    execution.insert(0, &row).map(|_| 7_u64.to_le_bytes().to_vec()).map_err(ending)
}

fn update(execution: &mut Execution, id: u64, value: u64) -> Answer {
    let row = [id.to_le_bytes(), value.to_le_bytes(), 0_f64.to_le_bytes()].concat();
    execution.update(0, &row).map(|()| 7_u64.to_le_bytes().to_vec()).map_err(ending)
}

/// Makes modules of the quirk whose number is the artefact.
struct QuirkLoader;

struct Quirky(Quirk);

struct Instance(Quirk, Kept);

impl ModuleLoader for QuirkLoader {
    fn load(&self, artefact: &[u8]) -> Result<Loaded, LoadError> {
        let quirk = QUIRKS[usize::from(artefact[0])].1;
        Ok(Loaded { schema: schema(), factory: Arc::new(Quirky(quirk)) })
    }
}

/// The same modules, on something that counts fuel otherwise than a node.
struct OtherFuelLoader;

impl ModuleLoader for OtherFuelLoader {
    fn load(&self, artefact: &[u8]) -> Result<Loaded, LoadError> {
        QuirkLoader.load(artefact)
    }

    fn counts_fuel(&self) -> bool {
        false
    }
}

impl ModuleFactory for Quirky {
    fn instantiate(&self) -> Result<Box<dyn Module>, LoadError> {
        Ok(Box::new(Instance(self.0, Kept::default())))
    }
}

impl Module for Instance {
    fn call(&mut self, call: &Call<'_>, mut execution: Box<Execution>) -> (Box<Execution>, Answer) {
        let Self(quirk, kept) = self;
        // The other function fails, which is in no log.
        let answer = match call.function {
            0 => quirk(kept, &mut execution),
            _ => Err(CallError::Refused(Problem::new("no", "on purpose"))),
        };
        kept.calls += 1;
        kept.buffer.push(1);
        (execution, answer)
    }
}

fn schema() -> Schema {
    serde_json::from_str(
        r#"{"module":"quirky","version":"1.0.0","tables":[{"name":"thing","primary_key":[0],"public":true,"columns":[
        {"name":"id","type":"u64","auto_inc":true},{"name":"value","type":"u64"},{"name":"real","type":"f64"}]}],"functions":[
        {"name":"act","kind":"reducer","handles":[{"table":"thing","access":"write"}],"args":[],"returns":"u64"},
        {"name":"fail","kind":"reducer","args":[],"returns":"unit"}]}"#,
    )
    .unwrap()
}

/// The offset of the first call, and of the one behind a call that fails.
const FIRST: u64 = 2;
const BEHIND: u64 = FIRST + 5;

/// Five calls, one that fails, five calls.
fn recorded(quirk: usize) -> Vec<Transaction> {
    let mut engine = Engine::new(Arc::new(QuirkLoader), Limits::default());
    let mut log = Vec::new();
    let mut step = |request| {
        let output = engine.step(Input { now: Timestamp(1), seed: [5; 16], request });
        log.extend(output.transaction);
        output.reply
    };
    step(Request::Genesis { node: [1; 16] }).unwrap();
    let (artefact, caller) = (vec![quirk as u8], Identity::default());
    let loaded = QuirkLoader.load(&artefact).unwrap();
    step(Request::Publish { artefact, loaded, caller, options: PublishOptions::default() }).unwrap();
    let call =
        |function: &str| Request::Call { module: "quirky".into(), function: function.into(), args: Vec::new(), caller };
    for _ in 0..5 {
        step(call("act")).unwrap();
    }
    step(call("fail")).unwrap_err();
    for _ in 0..5 {
        // One of them is refused, and in no log either.
        let _ = step(call("act"));
    }
    log
}

fn divergences(log: &[Transaction], fresh: bool) -> Vec<Divergence> {
    divergences_by(QuirkLoader, log, fresh)
}

fn divergences_by(loader: impl ModuleLoader, log: &[Transaction], fresh: bool) -> Vec<Divergence> {
    let mut engine = Engine::new(Arc::new(loader), Limits::default());
    let mut found = Vec::new();
    for transaction in log {
        let verdict = if fresh { engine.recheck_fresh(transaction) } else { engine.recheck(transaction) };
        match verdict.unwrap() {
            Verdict::Same => {}
            Verdict::Divergent(divergence) => found.push(*divergence),
            Verdict::Incomparable(reason) => panic!("{reason:?}"),
        }
    }
    found
}

#[test]
fn whatever_does_not_do_the_same_again_is_found_at_its_transaction() {
    assert!(QUIRKS.len() >= 12);
    for (number, (name, _, kind, column, host_call)) in QUIRKS.iter().enumerate() {
        let log = recorded(number);
        let found = divergences(&log, false);
        let first = found.first().unwrap_or_else(|| panic!("{name}: not found"));
        // Some differ each time, the others where a call was not seen that is in no log.
        let expected = match *name {
            "the clock of the machine" | "randomness of the system" => FIRST,
            "something kept that lets it fail" => BEHIND + 1,
            _ => BEHIND,
        };
        assert_eq!(first.offset, expected, "{name}: {first}");
        assert_eq!((first.kind, first.column.as_deref()), (*kind, *column), "{name}: {first}");
        assert_eq!(first.function, "quirky.act", "{name}");
        // Where fuel is counted otherwise all of it is found but what is fuel alone.
        let place = |found: &Divergence| (found.offset, found.kind);
        let elsewhere = divergences_by(OtherFuelLoader, &log, false).first().map(place);
        assert_eq!(elsewhere, Some(place(first)).filter(|(_, kind)| *kind != Kind::Fuel), "{name}");
        if kind == &Kind::Changes {
            assert_eq!(first.table.as_deref(), Some("quirky.thing"), "{name}");
            assert!(first.key.as_ref().is_some_and(|key| key.is_string()), "{name}: {first}");
            let calls = first.host_calls.as_ref().unwrap();
            assert_eq!((calls.first, calls.name), (calls.last, *host_call), "{name}: {first}");
        }
        if kind == &Kind::HostCalls {
            assert_eq!(first.host_calls.as_ref().unwrap().first, 0, "{name}: {first}");
        }
        // None hides the next: each is compared with the record before it.
        let offsets: BTreeSet<_> = found.iter().map(|divergence| divergence.offset).collect();
        assert_eq!(offsets.len(), found.len());
        if *name == "a static counter" {
            assert_eq!(offsets, (BEHIND..BEHIND + 5).collect(), "all that come behind are found too");
        }
        // In fresh instances nothing is kept: two of them do nothing else then than they did when they were recorded.
        let as_fresh = ["a result that is kept", "something kept that lets it fail"].contains(name);
        let fresh = divergences(&log, true);
        assert_eq!(fresh.is_empty(), as_fresh, "{name}: {fresh:?}");
        assert!(fresh.iter().all(|one| one.instances == Instances::All), "{name}");
        assert!(!as_fresh || first.instances == Instances::Used, "{name}: {first}");
    }
}

/// A counter that a fresh instance does not have is found by the sample, though every call was recorded.
#[test]
fn one_transaction_of_64_runs_in_a_fresh_instance_too() {
    let mut engine = Engine::new(Arc::new(QuirkLoader), Limits::default());
    let mut log = recorded(0);
    log.truncate(2);
    log.iter().for_each(|transaction| engine.apply(transaction).unwrap());
    engine.load_modules();
    for _ in 0..200 {
        let request = Request::Call {
            module: "quirky".into(),
            function: "act".into(),
            args: Vec::new(),
            caller: Identity::default(),
        };
        log.extend(engine.step(Input { now: Timestamp(1), seed: [5; 16], request }).transaction);
    }
    let found = divergences(&log, false);
    let offsets: Vec<_> = found.iter().map(|divergence| divergence.offset).collect();
    assert_eq!(offsets.first(), Some(&64));
    assert_eq!(found[0].instances, Instances::Fresh, "{}", found[0]);
}

/// As a node does it while it goes on: single transactions, some of them, from what there was before.
#[test]
fn a_transaction_runs_again_beside_the_engine_that_goes_on() {
    let act = || Request::Call {
        module: "quirky".into(),
        function: "act".into(),
        args: Vec::new(),
        caller: Identity::default(),
    };
    for quirk in ["a static counter", "padding that nobody wrote"] {
        let number = QUIRKS.iter().position(|(name, ..)| *name == quirk).unwrap();
        let mut log = recorded(number);
        log.truncate(2);
        let mut engine = Engine::new(Arc::new(QuirkLoader), Limits::default());
        log.iter().for_each(|transaction| engine.apply(transaction).unwrap());
        engine.load_modules();
        let mut beside = Beside::new(Arc::new(QuirkLoader), Limits::default());
        let mut found = Vec::new();
        for turn in 0..9 {
            let before = (turn % 3 != 1).then(|| engine.before());
            let Some(transaction) = engine.step(Input { now: Timestamp(1), seed: [5; 16], request: act() }).transaction
            else {
                continue;
            };
            let Some(before) = before else { continue };
            if let Verdict::Divergent(divergence) = beside.recheck(before, &transaction).unwrap() {
                assert_eq!(divergence.offset, transaction.offset);
                found.push(divergence.offset);
            }
        }
        // The instances beside have run fewer calls: from the first one on that was not picked.
        assert_eq!(found.first(), Some(&(FIRST + 2)), "{quirk}: {found:?}");
    }
    // A publish too, which brings its modules along.
    let log = recorded(9);
    let mut engine = Engine::new(Arc::new(QuirkLoader), Limits::default());
    let mut beside = Beside::new(Arc::new(QuirkLoader), Limits::default());
    for transaction in &log[..4] {
        let before = engine.before();
        engine.apply(transaction).unwrap();
        engine.load_modules();
        assert_eq!(beside.recheck(before, transaction).unwrap(), Verdict::Same, "{}", transaction.offset);
    }
}

/// Records that say something else than what the module does, with digests that fit them.
#[test]
fn a_record_that_says_otherwise_is_found_by_what_it_says() {
    let log = recorded(9);
    let forged = |change: &dyn Fn(&mut Transaction)| {
        let mut store = interstice_store::store::Store::new();
        let mut log = log.clone();
        change(&mut log[4]);
        for transaction in &mut log[..5] {
            store.apply(&mut transaction.changes.clone()).unwrap();
            transaction.state_digest = store.digest();
        }
        divergences(&log[..5], false).remove(0)
    };
    let sequence = forged(&|transaction| {
        for change in &mut transaction.changes {
            if let Change::Sequence { next, .. } = change {
                *next += 1;
            }
        }
    });
    assert_eq!((sequence.offset, sequence.kind), (4, Kind::Sequence), "{sequence}");
    assert_eq!((&*sequence.recorded, &*sequence.replayed), ("5", "4"), "{sequence}");
    assert_eq!(sequence.host_calls.unwrap().name, "insert");
    let dropped = forged(&|transaction| drop(transaction.changes.pop()));
    assert_eq!((dropped.kind, &*dropped.recorded), (Kind::Changes, "nothing"), "{}", dropped.replayed);
    let another = forged(&|transaction| transaction.outcome = interstice_types::transaction::Outcome::Ok(vec![0; 8]));
    assert_eq!(another.kind, Kind::Outcome);
    let later = forged(&|transaction| transaction.work.fuel += 1);
    assert_eq!(later.kind, Kind::Fuel);
    let calls = forged(&|transaction| transaction.work.host_hash += 1);
    assert_eq!(calls.kind, Kind::HostCalls);
}

/// Between which marks a long transaction parts.
#[test]
fn of_many_host_calls_a_window_of_64_is_named() {
    // 1,000 reads, one of which another engine answers otherwise, and nothing is made of it.
    const READS: Quirk = |kept, x| {
        for number in 0..1_000_u64 {
            let wanted = if number == 700 { kept.calls } else { number };
            x.get(0, IndexId::PRIMARY, &wanted.to_le_bytes()).map_err(ending)?;
        }
        insert(x, 0, 1, 0.0)
    };
    struct Reading;
    impl ModuleLoader for Reading {
        fn load(&self, _: &[u8]) -> Result<Loaded, LoadError> {
            Ok(Loaded { schema: schema(), factory: Arc::new(Quirky(READS)) })
        }
    }
    let mut engine = Engine::new(Arc::new(Reading), Limits::default());
    let mut log = recorded(0);
    log.truncate(2);
    log.iter().for_each(|transaction| engine.apply(transaction).unwrap());
    engine.load_modules();
    let call = |function: &str| Request::Call {
        module: "quirky".into(),
        function: function.into(),
        args: Vec::new(),
        caller: Identity::default(),
    };
    for function in ["act", "fail", "act"] {
        log.extend(engine.step(Input { now: Timestamp(1), seed: [5; 16], request: call(function) }).transaction);
    }
    assert_eq!(log[3].host_marks.len(), 15);
    // The record goes there and back.
    let mut bytes = Vec::new();
    log[3].encode(|_| false, &mut bytes);
    log[3] = Transaction::decode(&mut &bytes[..]).unwrap();
    let mut checker = Engine::new(Arc::new(Reading), Limits::default());
    let verdicts: Vec<_> = log.iter().map(|transaction| checker.recheck(transaction).unwrap()).collect();
    let Verdict::Divergent(found) = &verdicts[3] else { panic!("{verdicts:?}") };
    let calls = found.host_calls.as_ref().unwrap();
    assert_eq!((found.kind, calls.first, calls.last, calls.name), (Kind::HostCalls, 640, 703, "get"));
    assert!(verdicts[..3].iter().all(|verdict| *verdict == Verdict::Same), "{verdicts:?}");
}

/// A module that is not to be had says nothing about the record.
#[test]
fn what_cannot_run_here_is_not_comparable_and_the_rest_goes_on() {
    struct Missing;
    impl ModuleLoader for Missing {
        fn load(&self, _: &[u8]) -> Result<Loaded, LoadError> {
            Err(LoadError { problem: Problem::new("invalid-wasm", "not here") })
        }
    }
    let mut engine = Engine::new(Arc::new(Missing), Limits::default());
    for transaction in recorded(9) {
        let verdict = engine.recheck(&transaction).unwrap();
        let unavailable = matches!(&verdict, Verdict::Incomparable(Reason::Unavailable(_)));
        assert!(if transaction.offset == 0 { verdict == Verdict::Same } else { unavailable }, "{verdict:?}");
    }
    assert_eq!(engine.next_offset(), 12);
}
