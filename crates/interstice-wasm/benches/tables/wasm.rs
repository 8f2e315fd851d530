//! The engine with a module, without a log: calls that do one thing, or so many.

use super::{FILTERED, MANY, Operation, ROWS, Subject};
use interstice_engine::engine::{Engine, Input, Request};
use interstice_engine::limits::Limits;
use interstice_engine::module::ModuleLoader;
use interstice_engine::publish::PublishOptions;
use interstice_types::id::Identity;
use interstice_types::time::Timestamp;
use interstice_wasm::runtime::Runtime;
use std::sync::Arc;
use std::time::Instant;

/// A scan of a million rows that a module decodes takes more than a call has by default.
const FUEL: u64 = 2_000_000_000;

pub(super) struct Module {
    loader: Arc<dyn ModuleLoader>,
    engine: Engine,
    caller: Identity,
    inputs: u64,
    /// Module and function of the last call: as a node, which keeps the names of a connection's last call.
    names: [Arc<str>; 2],
}

impl Module {
    pub(super) fn new(artefact: &[u8]) -> Self {
        let loader: Arc<dyn ModuleLoader> = Arc::new(Runtime::new().unwrap_or_else(|error| panic!("{error}")));
        let caller = Identity::of_name("owner");
        let names = ["tables".into(), "".into()];
        let limits = Limits { fuel: FUEL, ..Limits::default() };
        let mut this = Self { engine: Engine::new(Arc::clone(&loader), limits), loader, caller, inputs: 0, names };
        this.step(Request::Genesis { node: [0; 16] });
        this.publish(artefact);
        for function in ["insert", "insert_indexed"] {
            for from in (0..ROWS).step_by(MANY as usize) {
                this.call(function, &[from, MANY]);
            }
        }
        this
    }

    /// Brings an artefact in force, whatever that gives up; returns the seconds that it took, without compiling it.
    pub(super) fn publish(&mut self, artefact: &[u8]) -> f64 {
        let loaded = self.loader.load(artefact).map_err(|error| error.problem).unwrap();
        let (artefact, caller) = (artefact.to_vec(), self.caller);
        let options = PublishOptions { may_break: true, ..PublishOptions::default() };
        let started = Instant::now();
        self.step(Request::Publish { artefact, loaded, caller, options });
        started.elapsed().as_secs_f64()
    }

    fn step(&mut self, request: Request) -> Vec<u8> {
        self.inputs += 1;
        let seed = u128::from(self.inputs).to_le_bytes();
        self.engine.step(Input { now: Timestamp(self.inputs as i64), seed, request }).reply.unwrap()
    }

    /// A call with numbers for arguments; returns the number that it answers, or 0.
    fn call(&mut self, function: &str, args: &[u64]) -> u64 {
        let mut bytes = Vec::with_capacity(size_of_val(args));
        args.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        self.call_with(function, bytes)
    }

    fn call_with(&mut self, function: &str, args: Vec<u8>) -> u64 {
        if *self.names[1] != *function {
            self.names[1] = function.into();
        }
        let [module, function] = self.names.clone();
        let answer = self.step(Request::Call { module, function, args, caller: self.caller });
        answer.try_into().map_or(0, u64::from_le_bytes)
    }

    fn calls(&mut self, function: &str, (from, count, many): (u64, u64, u64), rows: Option<u64>) -> u64 {
        let firsts = (from..from + count).step_by(many as usize);
        let args = |first| [first, many.min(from + count - first), rows.unwrap_or_default()];
        let given = if rows.is_some() { 3 } else { 2 };
        firsts.map(|first| self.call(function, &args(first)[..given])).sum()
    }
}

impl Subject for Module {
    fn run(&mut self, operation: Operation, from: u64, count: u64, many: u64) -> u64 {
        let numbers = (from, count, many);
        match operation {
            Operation::Insert => self.calls("insert", numbers, None),
            Operation::InsertAscending => self.calls("insert_ascending", numbers, None),
            Operation::Lookup => self.calls("lookup", numbers, Some(ROWS)),
            Operation::Update => self.calls("update", numbers, Some(ROWS)),
            Operation::Delete => self.calls("delete", numbers, None),
            Operation::Range => self.calls("range", numbers, Some(ROWS)),
            Operation::Index => self.calls("by_index", numbers, None),
            Operation::Filter => self.call_with("filter", FILTERED.to_le_bytes().to_vec()),
            Operation::Scan => self.call("scan", &[]),
        }
    }

    fn remove_ascending(&mut self, from: u64, count: u64) {
        self.calls("delete_ascending", (from, count, MANY), None);
    }
}
