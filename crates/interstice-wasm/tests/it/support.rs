//! A node without a log, and modules from text.

use interstice_engine::engine::{Engine, Input, Request};
use interstice_engine::execution::IndexId;
use interstice_engine::limits::Limits;
use interstice_engine::module::ModuleLoader;
use interstice_engine::publish::PublishOptions;
use interstice_engine::recheck::Verdict;
use interstice_types::id::Identity;
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use interstice_types::time::Timestamp;
use interstice_types::transaction::Transaction;
use interstice_wasm::runtime::Runtime;
use interstice_wasm::wasm_engine::WasmEngine;
use std::sync::Arc;

pub(crate) fn runtime() -> Runtime {
    Runtime::new().unwrap_or_else(|error| panic!("{error}"))
}

/// One table of (id u64 auto_inc, value u64), one reducer `run(id u64, value u64) -> u64` that may insert.
pub(crate) fn schema() -> String {
    let json = r#"{"module":"guest","version":"1.0.0","tables":[{"name":"row","primary_key":[0],"columns":[
        {"name":"id","type":"u64","auto_inc":true},{"name":"value","type":"u64"}]}],
        "functions":[{"name":"run","kind":"reducer","handles":[{"table":"row","access":"insert"}],
        "args":[{"name":"id","type":"u64"},{"name":"value","type":"u64"}],"returns":"u64"}]}"#;
    let schema: Schema = serde_json::from_str(json).unwrap();
    String::from_utf8(schema.to_canonical_json()).unwrap()
}

/// A module around `body`, which defines `$call`.
pub(crate) fn text(body: &str) -> String {
    format!(
        r#"(module
    (import "interstice_1" "insert" (func $insert (param i32 i32 i32 i32 i32) (result i32)))
    (import "interstice_1" "update" (func $update (param i32 i32 i32) (result i32)))
    (import "interstice_1" "count" (func $count (param i32 i32 i32) (result i64)))
    (import "interstice_1" "scan_next" (func $scan_next (param i32 i32 i32) (result i32)))
    (import "interstice_1" "call" (func $nested (param i32 i32 i32 i32 i32) (result i64)))
    (import "interstice_1" "result" (func $result (param i32 i32)))
    (import "interstice_1" "raise" (func $raise))
    (import "interstice_1" "abort" (func $abort (param i32 i32)))
    (memory (export "memory") 2 2)
    (global $stack (mut i32) (i32.const 1024))
    (global (export "__heap_base") i32 (i32.const 8192))
    (func (export "interstice_init"))
    (func (export "interstice_alloc") (param i32) (result i32) (i32.const 8192))
    (func (export "interstice_describe") (result i64) (i64.const 0) ;; schema
    )
    {body}
    (export "interstice_call" (func $call)))"#
    )
}

/// `text` with `schema` in its custom section.
pub(crate) fn artefact(text: &str, schema: &str) -> Vec<u8> {
    let mut wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    let section = wasm_encoder::CustomSection { name: "interstice_schema".into(), data: schema.as_bytes().into() };
    wasm.push(0);
    wasm_encoder::Encode::encode(&section, &mut wasm);
    wasm
}

pub(crate) fn module(body: &str) -> Vec<u8> {
    artefact(&text(body), &schema())
}

/// Both engines.
pub(crate) const ENGINES: [WasmEngine; 2] = [WasmEngine::Wasmtime, WasmEngine::Wasmi];

pub(crate) struct Node {
    engine: Engine,
    loader: Arc<dyn ModuleLoader>,
    log: Vec<Transaction>,
}

impl Node {
    pub(crate) fn new() -> Self {
        Self::on(WasmEngine::Wasmtime, Limits::default())
    }

    /// One whose modules run on `engine`.
    pub(crate) fn on(engine: WasmEngine, limits: Limits) -> Self {
        let loader = engine.loader().unwrap();
        let mut node = Self { engine: Engine::new(Arc::clone(&loader), limits), loader, log: Vec::new() };
        node.step(Request::Genesis { node: [0; 16] }).unwrap();
        node
    }

    fn step(&mut self, request: Request) -> Result<Vec<u8>, Problem> {
        let output = self.engine.step(Input { now: Timestamp(1), seed: [7; 16], request });
        self.log.extend(output.transaction);
        output.reply
    }

    pub(crate) fn publish(&mut self, artefact: &[u8]) -> Result<Vec<u8>, Problem> {
        let loaded = self.loader.load(artefact).map_err(|error| error.problem)?;
        self.step(Request::Publish {
            artefact: artefact.to_vec(),
            loaded,
            caller: Identity::default(),
            options: PublishOptions::default(),
        })
    }

    pub(crate) fn call(&mut self, args: &[u8]) -> Result<Vec<u8>, Problem> {
        let (module, function) = ("guest".into(), "run".into());
        self.step(Request::Call { module, function, args: args.to_vec(), caller: Identity::default() })
    }

    /// Fuel of the last transaction.
    pub(crate) fn fuel(&self) -> u64 {
        self.log.last().map_or(0, |transaction| transaction.work.fuel)
    }

    /// All transactions.
    pub(crate) fn log(&self) -> &[Transaction] {
        &self.log
    }

    /// How each transaction comes out when it runs again on `engine`.
    pub(crate) fn verdicts(&self, engine: WasmEngine, fresh: bool) -> Vec<Verdict> {
        let mut again = Engine::new(engine.loader().unwrap(), Limits::default());
        let check = |transaction| if fresh { again.recheck_fresh(transaction) } else { again.recheck(transaction) };
        self.log.iter().map(check).collect::<Result<_, _>>().unwrap()
    }

    pub(crate) fn rows(&self) -> Vec<Vec<u8>> {
        let table = self.engine.catalog().table("guest", "row").unwrap();
        let table = self.engine.store().table(table).unwrap();
        let range = interstice_store::range::KeyRange::all();
        table.scan(IndexId::PRIMARY, &range, false).map(|row| row.to_vec()).collect()
    }
}
