//! The debugger against histories of the native modules: however it comes to a place, it sees there what is there; breakpoints stop where a
//! naive walk says; going back does not begin anew.

use expect_test::expect;
use interstice::database::Database;
use interstice::debug::answer::{Answer, Stopped};
use interstice::debug::breakpoint::{Breakpoint, MAX_BREAKPOINTS};
use interstice::debug::command::{Command, Line};
use interstice::debug::{DebugError, Debugger, History, MARK_INTERVAL, MAX_SCENES};
use interstice::framing::Transactions;
use interstice::moment::{Moment, state_at};
use interstice::opened::{Birth, Start};
use interstice::snapshot::Snapshots;
use interstice::snapshot::build::build;
use interstice_engine::engine::{Engine, Input, Request};
use interstice_engine::execution::Execution;
use interstice_engine::limits::Limits;
use interstice_engine::module::{Call, CallError, LoadError, Loaded, Module, ModuleFactory, ModuleLoader};
use interstice_engine::publish::PublishOptions;
use interstice_log::frame::{Lineage, Position};
use interstice_log::log::CommitLog;
use interstice_log::memory::MemoryLog;
use interstice_log::segment::LogId;
use interstice_log::storage::memory::MemoryStorage;
use interstice_sim::bank::{self, NativeLoader};
use interstice_sim::rng::Rng;
use interstice_types::id::Identity;
use interstice_types::problem::Problem;
use interstice_types::time::Timestamp;
use interstice_types::transaction::Transaction;
use std::cell::Cell;
use std::sync::Arc;

/// A history, and snapshots of it.
struct Past {
    log: MemoryLog,
    snapshots: Snapshots<MemoryStorage>,
    end: u64,
}

impl Past {
    /// So many transactions at least; with snapshots behind each `every`.
    fn new(seed: u64, count: u64, every: u64) -> Self {
        let mut rng = Rng::new(seed, 0);
        let log = MemoryLog::new(Lineage([3; 16]));
        let snapshots = Snapshots::new(MemoryStorage::default(), LogId([3; 16]));
        let birth = Birth { node: [1; 16], now: Timestamp(0), seed: [0; 16] };
        let start = Start::empty(Arc::new(NativeLoader), Limits::default());
        let (mut database, _) = Database::open(log.clone(), start, birth).unwrap();
        let (mut now, mut snapshot_at) = (0, every);
        let mut step = |database: &mut Database<MemoryLog>, rng: &mut Rng, request| {
            now += rng.below(3) as i64;
            database.step(Input { now: Timestamp(now), seed: rng.bytes(), request });
            while !database.engine().pending_events().is_empty() {
                database.step(Input { now: Timestamp(now), seed: rng.bytes(), request: Request::NextEvent });
            }
        };
        step(&mut database, &mut rng, publish(bank::BANK));
        let opened = rng.below(4);
        for number in 0..opened {
            step(&mut database, &mut rng, open(number));
        }
        step(&mut database, &mut rng, publish(bank::AUDIT));
        while database.engine().next_offset() < count {
            let request = request(&mut rng);
            step(&mut database, &mut rng, request);
            if rng.one_in(20) {
                database.settle().unwrap();
            }
            if database.engine().next_offset() >= snapshot_at {
                database.settle().unwrap();
                build(&log, &snapshots, &|| Ok(())).unwrap();
                snapshot_at += every;
            }
        }
        database.settle().unwrap();
        Self { end: log.tail().next_offset, log, snapshots }
    }

    fn history(&self, loader: impl ModuleLoader) -> History<MemoryLog, MemoryStorage> {
        History { log: self.log.clone(), snapshots: self.snapshots.clone(), loader: Arc::new(loader) }
    }

    fn at(&self, offset: u64) -> Debugger<MemoryLog, MemoryStorage> {
        Debugger::new(self.history(NativeLoader), 0..self.end, Moment::Behind(offset), &|| true).unwrap()
    }

    fn transactions(&self) -> Vec<Transaction> {
        Transactions::new(self.log.read(Position(0)).unwrap()).map(Result::unwrap).collect()
    }

    /// The states behind all transactions.
    fn states(&self) -> Vec<Engine> {
        let mut engine = Engine::new(Arc::new(NativeLoader), Limits::default());
        let behind = |transaction: &Transaction| {
            engine.apply(transaction).unwrap();
            engine.fork()
        };
        self.transactions().iter().map(behind).collect()
    }
}

fn publish(artefact: &[u8]) -> Request {
    let loaded = NativeLoader.load(artefact).unwrap();
    let (artefact, caller) = (artefact.to_vec(), Identity::of_name("ada"));
    Request::Publish { artefact, loaded, caller, options: PublishOptions::default() }
}

fn call(module: &str, function: &str, args: Vec<u8>) -> Request {
    Request::Call { module: module.into(), function: function.into(), args, caller: Identity::of_name("grace") }
}

fn open(number: u64) -> Request {
    let owner = bank::string(&format!("owner {number}"));
    call("bank", "open", [&owner[..], &(number as i64 % 500).to_le_bytes()].concat())
}

/// What goes on for ever: the first accounts stay, and there are always others to be opened.
fn request(rng: &mut Rng) -> Request {
    match rng.below(8) {
        0 | 1 => open(rng.below(1_000_000)),
        2 => call("audit", "open_twice", bank::string(&format!("twice {}", rng.below(1_000_000)))),
        3 => call("bank", "close", (40 + rng.below(3_000)).to_le_bytes().to_vec()),
        _ => {
            // Never to itself, and never nothing: each changes two rows.
            let from = rng.below(40);
            let (to, amount) = ((from + 1 + rng.below(39)) % 40, 1 + rng.below(200) as i64);
            call("bank", "transfer", [from.to_le_bytes(), to.to_le_bytes(), amount.to_le_bytes()].concat())
        }
    }
}

fn ask(debugger: &mut Debugger<MemoryLog, MemoryStorage>, line: &str) -> Answer {
    try_ask(debugger, line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn try_ask(debugger: &mut Debugger<MemoryLog, MemoryStorage>, line: &str) -> Result<Answer, DebugError> {
    let Line::Command(command) = Line::parse(line, debugger.range().start).unwrap() else { panic!("{line}") };
    debugger.perform(&command, &|| true)
}

fn refused(debugger: &mut Debugger<MemoryLog, MemoryStorage>, line: &str) -> Problem {
    match try_ask(debugger, line) {
        Err(DebugError::Problem(problem)) => problem,
        other => panic!("{line}: {other:?}"),
    }
}

fn stopped(answer: Answer) -> (u64, Stopped) {
    let Answer::Moved(moved) = answer else { panic!("{answer:?}") };
    (moved.at.offset.parse().unwrap(), moved.stopped)
}

/// Everything that can be seen where it stands.
fn view(debugger: &mut Debugger<MemoryLog, MemoryStorage>) -> Vec<Answer> {
    let mut seen = vec![ask(debugger, "step 0")];
    seen.extend(["cause", "changes", "calls", "logs", "tables"].map(|line| ask(debugger, line)));
    let Some(Answer::Tables(tables)) = seen.last().cloned() else { panic!("{seen:?}") };
    seen.extend(tables.iter().map(|(table, _)| ask(debugger, &format!("table {table} 1000000"))));
    seen
}

#[test]
fn however_it_comes_to_a_place_it_sees_what_is_there() {
    for seed in 0..4 {
        // So that walks cross the bounds of what is kept, with and without snapshots.
        let past = Past::new(seed, 5 * MAX_SCENES as u64 / 2, if seed % 2 == 0 { u64::MAX } else { 3_000 });
        let mut rng = Rng::new(seed, 1);
        let mut debugger = past.at(rng.below(past.end));
        ask(&mut debugger, "goto head");
        ask(&mut debugger, "break key bank.account 7");
        ask(&mut debugger, "break when 'select * from bank.account where id < 8 and balance < 10'");
        for _ in 0..40 {
            let far = [1, 3, 40, MAX_SCENES as u64, 2 * MAX_SCENES as u64][rng.below(5) as usize];
            let line = match rng.below(8) {
                0 | 1 => format!("step {}", rng.below(far + 1)),
                2..=4 => format!("back {}", rng.below(far + 1)),
                5 => format!("goto {}", rng.below(past.end)),
                6 => "continue".to_owned(),
                _ => "reverse".to_owned(),
            };
            ask(&mut debugger, &line);
            assert_eq!(view(&mut debugger), view(&mut past.at(debugger.offset())), "seed {seed}: {line}");
        }
    }
}

/// Says of each offset whether a breakpoint stops there, by the rows before and behind alone.
fn naive(past: &Past, hit: impl Fn(&Transaction, Option<&Engine>, &Engine) -> bool) -> Vec<u64> {
    let states = past.states();
    let hits = past.transactions().into_iter().zip(&states).enumerate().filter(|(offset, (transaction, behind))| {
        let before = offset.checked_sub(1).map(|before| &states[before]);
        hit(transaction, before, behind)
    });
    hits.map(|(_, (transaction, _))| transaction.offset).collect()
}

/// The rows of `bank.account`.
fn accounts(state: &Engine) -> Vec<Vec<u8>> {
    let table = state.catalog().table("bank", "account").and_then(|id| state.store().table(id));
    let all = interstice_store::range::KeyRange::all();
    table.map_or(Vec::new(), |table| {
        table.scan(interstice_store::table::IndexId::PRIMARY, &all, false).map(<[u8]>::to_vec).collect()
    })
}

fn with_key(state: &Engine, key: u64) -> Option<Vec<u8>> {
    accounts(state).into_iter().find(|row| row[..8] == key.to_le_bytes())
}

/// One of the first, with little left.
fn is_poor(row: &[u8]) -> bool {
    row[0] < 8 && row[1..8] == [0; 7] && i64::from_le_bytes(row[row.len() - 8..].try_into().unwrap()) < 10
}

#[test]
fn breakpoints_stop_where_a_naive_walk_says_in_both_directions() {
    let past = Past::new(11, 1_500, 400);
    let any = |state: Option<&Engine>| state.is_some_and(|state| accounts(state).iter().any(|row| is_poor(row)));
    let count = |state: Option<&Engine>| state.is_some_and(|state| accounts(state).len() > 30);
    let key = |state: Option<&Engine>| state.and_then(|state| with_key(state, 7));
    let cases: [(&str, Vec<u64>); 5] = [
        ("key bank.account 7", naive(&past, |_, before, behind| key(before) != key(Some(behind)))),
        (
            "when 'select id from bank.account where id < 8 and balance < 10'",
            naive(&past, |_, before, behind| !any(before) && any(Some(behind))),
        ),
        (
            "when 'select * from bank.account limit 1 offset 30'",
            naive(&past, |_, before, behind| !count(before) && count(Some(behind))),
        ),
        (
            "when select count(*) from audit.entry where delta = 29",
            naive(&past, |_, before, behind| {
                let has = |state: &Engine| {
                    let table = state.catalog().table("audit", "entry").and_then(|id| state.store().table(id).cloned());
                    let all = interstice_store::range::KeyRange::all();
                    table.is_some_and(|table| {
                        table
                            .scan(interstice_store::table::IndexId::PRIMARY, &all, false)
                            .any(|row| row[16..] == 29_i64.to_le_bytes())
                    })
                };
                !before.is_some_and(has) && has(behind)
            }),
        ),
        (
            "function audit.on_transfer",
            naive(&past, |transaction, before, _| {
                before.is_some_and(|before| before.function_of(transaction) == "audit.on_transfer")
            }),
        ),
    ];
    for (breakpoint, expected) in &cases {
        assert!(!expected.is_empty(), "{breakpoint} stops nowhere");
        let mut debugger = past.at(past.end - 1);
        let Answer::Breakpoint(1, set) = ask(&mut debugger, &format!("break {breakpoint}")) else { panic!() };
        ask(&mut debugger, "goto 0");
        let mut found = Vec::new();
        loop {
            match stopped(ask(&mut debugger, "continue")) {
                (offset, Stopped::Breakpoints(hits)) => {
                    assert_eq!(hits, [(1, set.clone())]);
                    found.push(offset);
                }
                (offset, why) => {
                    assert_eq!((offset, why), (past.end - 1, Stopped::Last));
                    break;
                }
            }
        }
        assert_eq!(&found, expected, "{breakpoint}");
        let mut found = Vec::new();
        loop {
            match stopped(ask(&mut debugger, "reverse")) {
                (offset, Stopped::Breakpoints(_)) => found.push(offset),
                (offset, why) => {
                    assert_eq!((offset, why), (0, Stopped::First));
                    break;
                }
            }
        }
        let last = past.end - 1;
        found.reverse();
        // From the last one nothing goes back to it.
        let expected: Vec<_> = expected.iter().copied().filter(|offset| *offset != last).collect();
        assert_eq!(found, expected, "{breakpoint} backwards");
    }
}

#[test]
fn a_move_ends_at_the_ends_of_what_is_looked_at() {
    let past = Past::new(5, 300, u64::MAX);
    let moved = |debugger: &mut Debugger<_, _>, line: &str| stopped(ask(debugger, line));
    let mut debugger = Debugger::new(past.history(NativeLoader), 100..200, Moment::Head, &|| true).unwrap();
    assert_eq!(debugger.offset(), 199);
    assert_eq!(moved(&mut debugger, "step"), (199, Stopped::Last));
    assert_eq!(moved(&mut debugger, "back 99"), (100, Stopped::Arrived));
    assert_eq!(moved(&mut debugger, "back"), (100, Stopped::First));
    assert_eq!(moved(&mut debugger, "step 18446744073709551615"), (199, Stopped::Last));
    assert_eq!(moved(&mut debugger, "back 18446744073709551615"), (100, Stopped::First));
    assert_eq!(moved(&mut debugger, "continue"), (199, Stopped::Last));
    assert_eq!(moved(&mut debugger, "reverse"), (100, Stopped::First));
    assert_eq!(moved(&mut debugger, "goto first"), (100, Stopped::Arrived));
    assert_eq!(refused(&mut debugger, "goto 99").code, "unknown-offset");
    assert_eq!(refused(&mut debugger, "goto 200").code, "unknown-offset");
    assert_eq!(debugger.offset(), 100, "what is refused moves nothing");
    let times: Vec<_> = past.transactions().iter().map(|transaction| transaction.time).collect();
    for at in [100, 150, 199] {
        // The last one that is not later, as far as is looked at.
        let expected = times.iter().rposition(|time| *time <= times[at]).unwrap().min(199);
        assert_eq!(moved(&mut debugger, &format!("goto {}", times[at])).0, expected as u64);
    }
    assert!(matches!(try_ask(&mut debugger, "goto 1960-01-01T00:00:00Z"), Err(DebugError::Moment(_))));
    assert!(matches!(try_ask(&mut debugger, "goto 2960-01-01T00:00:00Z"), Ok(Answer::Moved(_))));
}

/// Going back one by one in a long history: what is kept is bounded, and so is what each step costs.
#[test]
fn going_back_does_not_begin_anew() {
    const COUNT: u64 = 100_000;
    let past = Past::new(7, COUNT, u64::MAX);
    let mut debugger = past.at(past.end - 1);
    let cost = |debugger: &mut Debugger<_, _>, lines: &[&str]| {
        let before = debugger.applied();
        lines.iter().for_each(|line| drop(ask(debugger, line)));
        debugger.applied() - before
    };
    let started = std::time::Instant::now();
    // The first step makes what is near; those behind it are free until that is used up.
    assert!(cost(&mut debugger, &["back"]) <= MAX_SCENES as u64 + MARK_INTERVAL);
    assert_eq!(cost(&mut debugger, &["back"; 1_000]), 0);
    let (mut steps, mut most) = (1_001, 0);
    let (mut most_scenes, mut most_marks) = (0, 0);
    let mut applied = 0;
    while debugger.offset() > 0 {
        let one = cost(&mut debugger, &["back"]);
        (steps, most, applied) = (steps + 1, most.max(one), applied + one);
        let (scenes, marks) = debugger.kept();
        (most_scenes, most_marks) = (most_scenes.max(scenes), most_marks.max(marks));
    }
    let elapsed = started.elapsed();
    println!(
        "{steps} steps back in {elapsed:?}: {:.2} transactions applied a step, {most} at most, {most_scenes} scenes, {most_marks} marks",
        applied as f64 / steps as f64
    );
    assert!(applied < steps * 4, "{applied} transactions were applied for {steps} steps");
    assert!(most < past.end / 2, "one step applied {most}");
    assert!(most_scenes <= MAX_SCENES && most_marks <= 4 * 7, "{most_scenes} scenes, {most_marks} marks");
}

#[test]
fn a_walk_that_nobody_waits_for_ends_where_it_is() {
    let past = Past::new(9, 6_000, u64::MAX);
    let mut debugger = past.at(0);
    let patience = |times: u32| {
        let left = Cell::new(times);
        move || left.replace(left.get().saturating_sub(1)) > 0
    };
    let answer = debugger.perform(&Command::Continue, &patience(3)).unwrap();
    let (offset, why) = stopped(answer);
    assert_eq!(why, Stopped::Interrupted);
    assert!((1..2_000).contains(&offset), "{offset}");
    assert_eq!(view(&mut debugger), view(&mut past.at(offset)));
    let error = debugger.perform(&Command::Goto(Moment::Head), &patience(2)).unwrap_err();
    assert!(matches!(error, DebugError::Interrupted));
    assert_eq!(debugger.offset(), offset, "it stands where it stood");
    assert_eq!(view(&mut debugger), view(&mut past.at(offset)));
    ask(&mut debugger, "goto head");
    let (offset, why) = stopped(debugger.perform(&Command::Reverse, &patience(1)).unwrap());
    assert_eq!(why, Stopped::Interrupted);
    assert_eq!(view(&mut debugger), view(&mut past.at(offset)));
}

#[test]
fn what_a_breakpoint_names_must_be_there_now_or_at_the_end() {
    let past = Past::new(2, 60, u64::MAX);
    let mut debugger = past.at(0);
    // Nothing is published yet.
    ask(&mut debugger, "break function bank.transfer");
    ask(&mut debugger, "break table audit.entry");
    let hint = |problem: Problem| (problem.code.to_string(), problem.hint.clone().unwrap_or_default());
    let said = hint(refused(&mut debugger, "break function bank.transfr"));
    assert_eq!(said, ("unknown-function".to_owned(), "did you mean `transfer`?".to_owned()));
    let said = hint(refused(&mut debugger, "break function bnk.transfer"));
    assert_eq!(said, ("unknown-module".to_owned(), "did you mean `bank`?".to_owned()));
    let said = hint(refused(&mut debugger, "break table bank.acount"));
    assert_eq!(said, ("unknown-table".to_owned(), "did you mean `bank.account`?".to_owned()));
    assert_eq!(refused(&mut debugger, "break key bank.account ten").code, "invalid-selection");
    assert_eq!(refused(&mut debugger, "table bank.account").code, "unknown-table");
    let sql = refused(&mut debugger, "break when 'select * from bank.account where balanse > 1'");
    assert_eq!(sql.code, "unknown-column");
    assert!(sql.place.as_deref().unwrap().contains("^^^^^^^"), "{sql}");
    let Answer::Breakpoints(set) = ask(&mut debugger, "breaks") else { panic!() };
    assert_eq!(set.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2], "what is refused is not set");
    assert_eq!(ask(&mut debugger, "delete 1"), Answer::Breakpoint(1, Breakpoint::Function("bank.transfer".to_owned())));
    assert_eq!(refused(&mut debugger, "delete 1").code, "unknown-breakpoint");
    for _ in 1..MAX_BREAKPOINTS {
        ask(&mut debugger, "break table audit.entry");
    }
    assert_eq!(refused(&mut debugger, "break table audit.entry").code, "too-many-breakpoints");
}

/// Host calls with names, keys, rows, results and the fuel between; functions of other modules within.
#[test]
fn calls_are_told_under_the_names_of_then() {
    let past = Past::new(2, 60, u64::MAX);
    let find = |function: &str, skip: usize| {
        let states = past.states();
        let transactions = past.transactions();
        let mut all = transactions.iter().filter(|transaction| {
            let before = transaction.offset.checked_sub(1).map(|before| &states[before as usize]);
            before.is_some_and(|before| before.function_of(transaction) == function)
        });
        all.nth(skip).unwrap_or_else(|| panic!("no {function}")).offset
    };
    let told = |offset: u64| {
        let Answer::Calls(calls) = ask(&mut past.at(offset), "calls") else { panic!() };
        assert_eq!((calls.verdict.verdict, &calls.problem, calls.more), ("same", &None, 0));
        calls.steps.iter().map(|step| step.to_string()).collect::<Vec<_>>().join("\n")
    };
    expect![[r#"
        {"args":{"amount":"83","from":"10","to":"1"},"depth":0,"fuel":"0","function":"bank.transfer","step":"enter"}
        {"call":"get","depth":1,"fuel":"50","key":"10","number":0,"result":{"balance":"482","id":"10","owner":"owner 976982"},"step":"call","table":"bank.account"}
        {"call":"update","depth":1,"fuel":"54","number":1,"row":{"balance":"399","id":"10","owner":"owner 976982"},"step":"call","table":"bank.account"}
        {"call":"get","depth":1,"fuel":"50","key":"1","number":2,"result":{"balance":"0","id":"1","owner":"owner 0"},"step":"call","table":"bank.account"}
        {"call":"update","depth":1,"fuel":"52","number":3,"row":{"balance":"83","id":"1","owner":"owner 0"},"step":"call","table":"bank.account"}
        {"depth":0,"ending":"ok","fuel":"0","step":"leave","value":null}"#]].assert_eq(&told(find("bank.transfer", 0)));
    expect![[r#"
        {"args":{"owner":"twice 709575"},"depth":0,"fuel":"0","function":"audit.open_twice","step":"enter"}
        {"args":{"balance":"1","owner":"twice 709575"},"call":"call","depth":1,"fuel":"51","function":"bank.open","number":0,"result":{"ok":"3"},"step":"call"}
        {"args":{"balance":"1","owner":"twice 709575"},"depth":1,"fuel":"0","function":"bank.open","step":"enter"}
        {"call":"insert","depth":2,"fuel":"52","number":1,"result":{"balance":"1","id":"3","owner":"twice 709575"},"row":{"balance":"1","id":"0","owner":"twice 709575"},"step":"call","table":"bank.account"}
        {"depth":1,"ending":"ok","fuel":"0","step":"leave","value":"3"}
        {"args":{"balance":"1","owner":"twice 709575"},"call":"call","depth":1,"fuel":"51","function":"bank.open","number":2,"step":"call"}
        {"args":{"balance":"1","owner":"twice 709575"},"depth":1,"fuel":"0","function":"bank.open","step":"enter"}
        {"call":"insert","depth":2,"fuel":"52","number":3,"result":"refused","row":{"balance":"1","id":"0","owner":"twice 709575"},"step":"call","table":"bank.account"}
        {"depth":1,"ending":"refused","fuel":"0","step":"leave","value":"duplicate-key"}
        {"depth":0,"ending":"ok","fuel":"0","step":"leave","value":"3"}"#]].assert_eq(&told(find("audit.open_twice", 0)));
    expect![[r#"
        {"args":{"row":{"balance":"317","id":"2","owner":"owner 550317"}},"depth":0,"fuel":"0","function":"audit.on_open","step":"enter"}
        {"call":"insert","depth":1,"fuel":"51","number":0,"result":{"account":"2","delta":"317","seq":"1"},"row":{"account":"2","delta":"317","seq":"0"},"step":"call","table":"audit.entry"}
        {"depth":0,"ending":"ok","fuel":"0","step":"leave","value":null}"#]].assert_eq(&told(find("audit.on_open", 0)));
    let Answer::Calls(few) = ask(&mut past.at(find("bank.transfer", 0)), "calls 2") else { panic!() };
    assert_eq!((few.steps.len(), few.more), (2, 4));
    let Answer::Calls(none) = ask(&mut past.at(0), "calls") else { panic!() };
    assert_eq!((none.verdict.verdict, none.steps.len(), none.problem), ("same", 0, None));
}

/// Does not load `bank`, for this reason; without one as a module that does nothing.
struct Otherwise(Option<&'static str>);

/// Does nothing, whatever is called.
struct Idle;

impl ModuleLoader for Otherwise {
    fn load(&self, artefact: &[u8]) -> Result<Loaded, LoadError> {
        let loaded = NativeLoader.load(artefact)?;
        match self.0 {
            _ if artefact != bank::BANK => Ok(loaded),
            Some(reason) => Err(LoadError { problem: Problem::new("invalid-artefact", reason) }),
            None => Ok(Loaded { factory: Arc::new(Idle), ..loaded }),
        }
    }
}

impl ModuleFactory for Idle {
    fn instantiate(&self) -> Result<Box<dyn Module>, LoadError> {
        Ok(Box::new(Self))
    }
}

impl Module for Idle {
    fn call(&mut self, _: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
        (execution, Ok(Vec::new()))
    }
}

#[test]
fn a_module_that_does_not_load_or_does_otherwise_is_said_and_the_rest_works() {
    let past = Past::new(2, 60, u64::MAX);
    let transfer = naive(&past, |transaction, before, _| {
        before.is_some_and(|before| before.function_of(transaction) == "bank.transfer")
    })[0];
    let with = |reason| {
        Debugger::new(past.history(Otherwise(reason)), 0..past.end, Moment::Behind(transfer), &|| true).unwrap()
    };
    let same = |debugger: &mut Debugger<_, _>| {
        for line in ["cause", "changes", "tables", "table bank.account", "sql select count(*) from bank.account"] {
            assert_eq!(ask(debugger, line), ask(&mut past.at(transfer), line), "{line}");
        }
    };
    let mut debugger = with(Some("it needs what is not here"));
    let Answer::Calls(calls) = ask(&mut debugger, "calls") else { panic!() };
    let problem = calls.problem.unwrap();
    assert_eq!((calls.verdict.verdict, calls.steps.len()), ("incomparable", 0));
    assert_eq!((&*problem.code, &*problem.message), ("invalid-artefact", "it needs what is not here"));
    assert_eq!(calls.verdict.text.unwrap(), "invalid-artefact: it needs what is not here");
    same(&mut debugger);
    let mut debugger = with(None);
    let Answer::Calls(calls) = ask(&mut debugger, "calls") else { panic!() };
    assert_eq!(calls.verdict.verdict, "divergent");
    assert!(calls.verdict.text.unwrap().starts_with(&format!("offset {transfer} (bank.transfer): changes")));
    same(&mut debugger);
}

#[test]
fn the_state_behind_is_the_state_of_the_moment() {
    let past = Past::new(3, 200, 70);
    for offset in 0..past.end {
        let mut debugger = past.at(offset);
        let Answer::Tables(tables) = ask(&mut debugger, "tables") else { panic!() };
        let start = Start::empty(Arc::new(NativeLoader), Limits::default());
        let state = state_at(&past.log, start, Moment::Behind(offset)).unwrap();
        for (name, count) in tables {
            let (module, table) = name.split_once('.').unwrap();
            let id = state.catalog().table(module, table).unwrap();
            assert_eq!(state.store().table(id).unwrap().count(), count, "{name} at {offset}");
        }
    }
}
