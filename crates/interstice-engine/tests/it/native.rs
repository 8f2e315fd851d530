//! Native modules for the tests: `inner`, `outer`, which calls it and swallows what comes back, and `chain`, whose event
//! reducer listens to what it does itself.

use interstice_engine::engine::{Engine, Input, Output, Request};
use interstice_engine::execution::{Execution, HostError, IndexId};
use interstice_engine::limits::Limits;
use interstice_engine::module::{Call, CallError, HOST_FAULT, LoadError, Loaded, Module, ModuleFactory, ModuleLoader};
use interstice_engine::publish::PublishOptions;
use interstice_types::id::{Identity, ScheduleId, to_hex};
use interstice_types::problem::Problem;
use interstice_types::schema::{Schema, signature};
use interstice_types::time::Timestamp;
use interstice_types::transaction::Transaction;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;

type Answer = Result<Vec<u8>, CallError>;
type Function = fn(&Call<'_>, Box<Execution>) -> (Box<Execution>, Answer);

pub(crate) struct NativeLoader;

impl ModuleLoader for NativeLoader {
    fn load(&self, artefact: &[u8]) -> Result<Loaded, LoadError> {
        let (schema, functions) = match artefact {
            b"inner" => (inner(), INNER),
            b"outer" => (outer(), OUTER),
            b"chain" => (chain(), CHAIN),
            b"shaky" => (chain(), SHAKY),
            b"alarm" => (alarm(r#"[{"name":"value","type":"u64"}]"#, "ring"), ALARM),
            b"alarm with text" => (alarm(r#"[{"name":"value","type":"string"}]"#, "ring"), ALARM),
            b"alarm without ring" => (alarm("[]", "rang"), ALARM),
            b"ringer" => (ringer(), RINGER),
            b"clock" => (timed("clock", r#"{"cron":{"expression":"0 3 * * *","zone":"Europe/Paris"}}"#), IDLE),
            b"interval" => (timed("interval", r#"{"every":{"micros":3600000000}}"#), IDLE),
            b"shorter interval" => (timed("interval", r#"{"every":{"micros":60000000}}"#), IDLE),
            b"shaky interval" => (timed("interval", r#"{"every":{"micros":3600000000}}"#), STUMBLING),
            b"no interval" => {
                (schema(r#"{"module":"interval","version":"1.0.0","tables":[],"functions":[]}"#), NOTHING)
            }
            _ => return Err(LoadError { problem: Problem::new("invalid-artefact", "unknown") }),
        };
        Ok(Loaded { schema, factory: Arc::new(Native(functions)) })
    }
}

#[derive(Clone, Copy)]
struct Native(&'static [Function]);

impl ModuleFactory for Native {
    fn instantiate(&self) -> Result<Box<dyn Module>, LoadError> {
        Ok(Box::new(*self))
    }
}

impl Module for Native {
    fn call(&mut self, call: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Answer) {
        self.0[call.function as usize](call, execution)
    }
}

/// A schema from JSON; `row` is the struct of a table (id u64 auto_inc, value u64).
fn schema(json: &str) -> Schema {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

const COLUMNS: &str = r#""primary_key":[0],"public":true,"columns":[
    {"name":"id","type":"u64","auto_inc":true},{"name":"value","type":"u64"}]"#;

fn inner() -> Schema {
    schema(&format!(
        r#"{{"module":"inner","version":"1.0.0","tables":[{{"name":"left",{COLUMNS}}},{{"name":"right",{COLUMNS},
        "indexes":[{{"name":"value","columns":[1]}}]}}],"functions":[
        {{"name":"add_left","kind":"reducer","handles":[{{"table":"left","access":"insert"}}],"args":[],"returns":"unit"}},
        {{"name":"add_right","kind":"reducer","handles":[{{"table":"right","access":"insert"}}],"args":[],"returns":"unit"}},
        {{"name":"burn","kind":"reducer","handles":[{{"table":"left","access":"write"}}],"args":[],"returns":"unit"}},
        {{"name":"count_left","kind":"query","handles":[{{"table":"left","access":"read"}}],"args":[],"returns":"u64"}},
        {{"name":"find_many","kind":"reducer","handles":[{{"table":"right","access":"read"}}],"args":[],"returns":"unit"}},
        {{"name":"find_nowhere","kind":"reducer","handles":[{{"table":"right","access":"read"}}],"args":[],"returns":"unit"}},
        {{"name":"give_error","kind":"reducer","handles":[],"args":[],"returns":"unit"}},
        {{"name":"give_text","kind":"reducer","handles":[],"args":[],"returns":"unit","error":"string"}},
        {{"name":"refuse_left","kind":"reducer","handles":[{{"table":"left","access":"write"}}],"args":[],"returns":"unit"}},
        {{"name":"trap","kind":"reducer","handles":[{{"table":"left","access":"write"}}],"args":[],"returns":"unit"}}]}}"#
    ))
}

/// The bytes of a string that is not UTF-8.
const NOT_TEXT: [u8; 5] = [1, 0, 0, 0, 0xff];

const INNER: &[Function] = &[
    add,
    add,
    burn,
    count,
    |_, execution| find(execution, IndexId(1)),
    |_, execution| find(execution, IndexId(2)),
    |_, execution| (execution, Err(CallError::Returned(NOT_TEXT.to_vec()))),
    |_, execution| (execution, Err(CallError::Returned(NOT_TEXT.to_vec()))),
    refuse,
    trap,
];

fn outer() -> Schema {
    let inner = inner();
    let import = |name: &str| {
        let (_, function) = inner.function(name).unwrap();
        format!(r#"{{"name":"{name}","signature":"{}"}}"#, to_hex(&signature::of_function(function)))
    };
    let functions = ["burn", "refuse_left", "trap"].map(import).join(",");
    let reducer = |name: &str| {
        format!(
            r#"{{"name":"{name}","kind":"reducer","handles":[{{"table":"own","access":"write"}}],"args":[],"returns":"unit"}}"#
        )
    };
    let reducers = ["burn_itself", "refuse", "swallow_burn", "swallow_missing", "swallow_refusal", "swallow_trap"];
    schema(&format!(
        r#"{{"module":"outer","version":"1.0.0","tables":[{{"name":"own",{COLUMNS}}}],"functions":[{}],
        "imports":[{{"module":"inner","functions":[{functions}],"tables":[]}}]}}"#,
        reducers.map(reducer).join(",")
    ))
}

const OUTER: &[Function] = &[
    burn,
    refuse,
    |_, execution| swallow(execution, 0),
    |_, execution| swallow(execution, 9),
    |_, execution| swallow(execution, 1),
    |_, execution| swallow(execution, 2),
];

fn chain() -> Schema {
    let row = r#"{"struct":{"name":"Link","fields":[{"name":"id","type":"u64"},{"name":"value","type":"u64"}]}}"#;
    schema(&format!(
        r#"{{"module":"chain","version":"1.0.0","tables":[{{"name":"link",{COLUMNS}}}],"functions":[
        {{"name":"lengthen","kind":{{"event":{{"on":"insert","table":{{"table":"link"}}}}}},
          "handles":[{{"table":"link","access":"insert"}}],"args":[{{"name":"row","type":{row}}}],"returns":"unit"}},
        {{"name":"start","kind":"reducer","handles":[{{"table":"link","access":"insert"}}],"args":[],"returns":"unit"}}]}}"#
    ))
}

const CHAIN: &[Function] = &[add, add];

/// The same on a host that cannot always run it.
const SHAKY: &[Function] = &[shake, add];

/// `ring` adds a row; the others make it ring, or try to. Numbers are as they stand here.
fn alarm(args: &str, ring: &str) -> Schema {
    let reducer = |name: &str| format!(r#"{{"name":"{name}","kind":"reducer","args":[],"returns":"unit"}}"#);
    let set = ["set", "set_query", "set_two_and_fail", "set_unknown", "set_wrong", "unset_one_and_set"].map(reducer);
    schema(&format!(
        r#"{{"module":"alarm","version":"1.0.0","tables":[{{"name":"bell",{COLUMNS}}}],"functions":[
        {{"name":"count","kind":"query","handles":[{{"table":"bell","access":"read"}}],"args":[],"returns":"u64"}},
        {{"name":"{ring}","kind":"internal","handles":[{{"table":"bell","access":"insert"}}],"args":{args},"returns":"unit"}},
        {}]}}"#,
        set.join(",")
    ))
}

const ALARM: &[Function] = &[
    count,
    add,
    |_, execution| set(execution, 1, &[7; 8]),
    |_, execution| set(execution, 0, &[]),
    |_, execution| {
        let (execution, first) = set(execution, 1, &[7; 8]);
        let (execution, second) = set(execution, 1, &[7; 8]);
        let both = first.and(second).and(Err(CallError::Refused(Problem::new("no", "on purpose"))));
        (execution, both)
    },
    |_, execution| set(execution, 90, &[7; 8]),
    |_, execution| set(execution, 1, &[7; 7]),
    |_, mut execution| {
        assert_eq!((0..100).filter(|id| execution.cancel(ScheduleId(*id)).unwrap()).take(1).count(), 1);
        set(execution, 1, &[7; 8])
    },
];

/// Has `alarm` make schedules: twice in calls that fail, then in one that does not.
fn ringer() -> Schema {
    let alarm = alarm(r#"[{"name":"value","type":"u64"}]"#, "ring");
    let import = |name: &str| {
        let (_, function) = alarm.function(name).unwrap();
        format!(r#"{{"name":"{name}","signature":"{}"}}"#, to_hex(&signature::of_function(function)))
    };
    schema(&format!(
        r#"{{"module":"ringer","version":"1.0.0","tables":[],"functions":[
        {{"name":"insist","kind":"reducer","args":[],"returns":"unit"}}],
        "imports":[{{"module":"alarm","functions":[{}],"tables":[]}}]}}"#,
        ["set", "set_two_and_fail"].map(import).join(",")
    ))
}

const RINGER: &[Function] = &[|_, execution| {
    let (execution, first) = execution.call(1, &[]);
    let (execution, second) = execution.call(1, &[]);
    assert!(first.is_err() && second.is_err());
    execution.call(0, &[])
}];

/// Has a function run at time 100.
fn set(mut execution: Box<Execution>, function: u32, args: &[u8]) -> (Box<Execution>, Answer) {
    let result = execution.schedule(function, Timestamp(100), args).map(|_| Vec::new()).map_err(ending);
    (execution, result)
}

/// A module with one function that runs by itself.
fn timed(module: &str, times: &str) -> Schema {
    schema(&format!(
        r#"{{"module":"{module}","version":"1.0.0","tables":[],"functions":[
        {{"name":"tick","kind":{{"schedule":{{"times":{times}}}}},"returns":"unit"}}]}}"#
    ))
}

const IDLE: &[Function] = &[idle];

const STUMBLING: &[Function] = &[stumble];

const NOTHING: &[Function] = &[];

fn idle(_: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Answer) {
    (execution, Ok(Vec::new()))
}

/// How often the host still fails under a schedule.
pub(crate) static STUMBLES: AtomicU32 = AtomicU32::new(0);

fn stumble(_: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Answer) {
    let fails = STUMBLES.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
    let answer = if fails { Err(CallError::Trapped(Problem::new(HOST_FAULT, "on purpose"))) } else { Ok(Vec::new()) };
    (execution, answer)
}

/// How often the host still fails.
pub(crate) static FAULTS: AtomicU32 = AtomicU32::new(0);

/// Writes, and then the host fails, as often as it is to.
fn shake(call: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Answer) {
    let (execution, answer) = add(call, execution);
    let fails = FAULTS.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
    (execution, if fails { Err(CallError::Trapped(Problem::new(HOST_FAULT, "on purpose"))) } else { answer })
}

fn row(id: u64) -> Vec<u8> {
    [id.to_le_bytes(), 7_u64.to_le_bytes()].concat()
}

pub(crate) fn ending(error: HostError) -> CallError {
    match error {
        HostError::Refused(problem) => CallError::Refused(problem),
        HostError::Trapped(problem) => CallError::Trapped(problem),
    }
}

fn add(_: &Call<'_>, mut execution: Box<Execution>) -> (Box<Execution>, Answer) {
    let result = execution.insert(0, &row(0)).map(|_| Vec::new()).map_err(ending);
    (execution, result)
}

/// Inserts the same row twice: refused.
fn refuse(_: &Call<'_>, mut execution: Box<Execution>) -> (Box<Execution>, Answer) {
    let result = execution.insert(0, &row(900)).map(drop);
    let result = result.and_then(|()| execution.insert(0, &row(900)).map(|_| Vec::new()));
    (execution, result.map_err(ending))
}

fn trap(_: &Call<'_>, mut execution: Box<Execution>) -> (Box<Execution>, Answer) {
    let _ = execution.insert(0, &row(0));
    (execution, Err(CallError::Trapped(Problem::new("trap", "on purpose"))))
}

fn count(_: &Call<'_>, mut execution: Box<Execution>) -> (Box<Execution>, Answer) {
    let result = execution.count(0, &[]).map(|count| count.to_le_bytes().to_vec()).map_err(ending);
    (execution, result)
}

/// Asks for one row of an index by its values.
fn find(mut execution: Box<Execution>, index: IndexId) -> (Box<Execution>, Answer) {
    let result = execution.get(0, index, &[7; 8]).map(|_| Vec::new()).map_err(ending);
    (execution, result)
}

/// Writes, uses up all fuel, and says that all is well.
fn burn(_: &Call<'_>, mut execution: Box<Execution>) -> (Box<Execution>, Answer) {
    let _ = execution.insert(0, &row(0));
    while execution.get(0, IndexId::PRIMARY, &[0; 8]).is_ok() {}
    assert!(execution.insert(0, &row(0)).is_err(), "nothing more is done");
    (execution, Ok(Vec::new()))
}

/// Writes, calls, swallows what comes back, tries to write again, and says that all is well.
fn swallow(mut execution: Box<Execution>, import: u32) -> (Box<Execution>, Answer) {
    let _ = execution.insert(0, &row(0));
    let (mut execution, _) = execution.call(import, &[]);
    let _ = execution.insert(0, &row(0));
    let (execution, _) = execution.call(1, &[]);
    (execution, Ok(Vec::new()))
}

/// An engine and the transactions that it made.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) log: Vec<Transaction>,
}

impl Node {
    /// A node on which `modules` are published.
    pub(crate) fn new(modules: &[&str], limits: Limits) -> Self {
        let mut node = Self { engine: Engine::new(Arc::new(NativeLoader), limits), log: Vec::new() };
        node.step(Request::Genesis { node: [1; 16] });
        for module in modules {
            let (artefact, caller) = (module.as_bytes().to_vec(), Identity::default());
            let loaded = NativeLoader.load(&artefact).unwrap();
            node.step(Request::Publish { artefact, loaded, caller, options: PublishOptions::default() }).reply.unwrap();
        }
        node
    }

    pub(crate) fn step(&mut self, request: Request) -> Output {
        let output = self.engine.step(Input { now: Timestamp(1), seed: [5; 16], request });
        self.log.extend(output.transaction.clone());
        output
    }

    pub(crate) fn call(&mut self, module: &str, function: &str) -> Output {
        let (module, function) = (module.into(), function.into());
        self.step(Request::Call { module, function, args: Vec::new(), caller: Identity::default() })
    }

    /// How many rows a table has.
    pub(crate) fn rows(&self, module: &str, table: &str) -> usize {
        let id = self.engine.catalog().table(module, table).unwrap();
        self.engine.store().table(id).unwrap().count()
    }

    /// An engine that read the log.
    pub(crate) fn replayed(&self) -> Engine {
        let mut engine = Engine::new(Arc::new(NativeLoader), self.engine.limits());
        self.log.iter().for_each(|transaction| engine.apply(transaction).unwrap());
        engine
    }
}
