//! A module has no memory but its tables: a call cannot tell a reset instance from a fresh one, by value or by fuel.

use crate::support::build;
use interstice_engine::engine::{Engine, Input, Request};
use interstice_engine::limits::Limits;
use interstice_engine::module::ModuleLoader;
use interstice_engine::publish::PublishOptions;
use interstice_types::id::Identity;
use interstice_types::time::Timestamp;
use interstice_wasm::runtime::Runtime;
use std::sync::Arc;

/// An engine with the probe published, and the same time and seed for every call.
struct Probe(Engine);

impl Probe {
    fn new(wasm: &[u8]) -> Self {
        let loader = Arc::new(Runtime::new().unwrap());
        let loaded = loader.load(wasm).unwrap();
        let mut probe = Self(Engine::new(loader, Limits::default()));
        probe.step(Request::Genesis { node: [0; 16] });
        probe.step(Request::Publish {
            artefact: wasm.to_vec(),
            loaded,
            caller: Identity::default(),
            options: PublishOptions::default(),
        });
        probe
    }

    /// The answer; and the fuel, if it changed anything.
    fn step(&mut self, request: Request) -> (Vec<u8>, Option<u64>) {
        let output = self.0.step(Input { now: Timestamp(1), seed: [9; 16], request });
        let answer = output.reply.unwrap_or_else(|problem| panic!("{problem}"));
        (answer, output.transaction.map(|transaction| transaction.work.fuel))
    }

    fn call(&mut self, function: &str, args: Vec<u8>) -> (Vec<u8>, Option<u64>) {
        let (module, function) = ("probe".into(), function.into());
        self.step(Request::Call { module, function, args, caller: Identity::default() })
    }
}

fn litter(size: u32, count: u32) -> Vec<u8> {
    [size.to_le_bytes(), count.to_le_bytes()].concat()
}

#[test]
fn a_thousand_calls_after_others_are_each_the_first() {
    let wasm = std::fs::read(build("fixtures/modules/probe")).unwrap();
    let (fresh, fuel) = Probe::new(&wasm).call("sniff", Vec::new());
    let text = String::from_utf8(fresh[4..].to_vec()).unwrap();
    assert!(text.contains(" 256 0 1 true [") && fuel.is_some(), "{text}");
    let mut probe = Probe::new(&wasm);
    for number in 0..1_000_u32 {
        probe.call("litter", litter(number * 37 % 5_000, number % 40));
        assert_eq!(probe.call("sniff", Vec::new()), (fresh.clone(), fuel), "call {number}");
    }
}

#[test]
fn a_call_after_a_trap_is_the_first_too() {
    let wasm = std::fs::read(build("fixtures/modules/probe")).unwrap();
    let first = Probe::new(&wasm).call("sniff", Vec::new());
    let mut probe = Probe::new(&wasm);
    for function in ["recurse", "hoard", "spin"] {
        let (module, args) = ("probe".into(), Vec::new());
        let request = Request::Call { module, function: function.into(), args, caller: Identity::default() };
        let output = probe.0.step(Input { now: Timestamp(1), seed: [9; 16], request });
        assert!(output.transaction.is_none() && output.reply.is_err(), "{function}");
        assert_eq!(probe.call("sniff", Vec::new()), first, "after {function}");
    }
}
