//! What the engines have in common, and what they have not: what comes to its end on one does on the other, what breaks breaks in the same
//! words, what is refused is refused. That they calculate alike: `src/interpreter/tests.rs`.

use crate::support::{ENGINES, Node, artefact, module, schema, text};
use interstice_engine::limits::Limits;
use interstice_engine::recheck::Verdict;
use interstice_wasm::wasm_engine::WasmEngine;

fn args() -> Vec<u8> {
    vec![0; 16]
}

/// Inserts a row with what `body` makes of `$n`, the second argument.
fn inserts(body: &str) -> String {
    format!(
        "{body}
        (func $call (param $f i32) (param $args i32) (param $len i32) (result i32)
          (i64.store (i32.const 2048) (i64.const 0))
          (i64.store (i32.const 2056) (call $made (i32.wrap_i64 (i64.load (i32.add (local.get $args) (i32.const 84))))))
          (drop (call $insert (i32.const 0) (i32.const 2048) (i32.const 16) (i32.const 4096) (i32.const 100)))
          (call $result (i32.const 4096) (i32.const 8))
          (i32.const 0))"
    )
}

fn number(n: u32) -> Vec<u8> {
    [0_u64.to_le_bytes(), u64::from(n).to_le_bytes()].concat()
}

/// The greatest of `0..most` for which a call comes to its end in wasmtime.
fn greatest(wasm: &[u8], most: u32, limits: Limits) -> u32 {
    let fits = |n: u32| {
        let mut node = Node::on(WasmEngine::Wasmtime, limits);
        node.publish(wasm).unwrap();
        node.call(&number(n)).is_ok()
    };
    assert!(fits(1) && !fits(most));
    let (mut low, mut high) = (1, most);
    while high - low > 1 {
        let middle = u32::midpoint(low, high);
        if fits(middle) { low = middle } else { high = middle }
    }
    low
}

/// What just fits into a limit of wasmtime comes to the same end in wasmi.
fn still_fits(wasm: &[u8], most: u32, limits: Limits) {
    let n = greatest(wasm, most, limits);
    let mut node = Node::on(WasmEngine::Wasmtime, limits);
    node.publish(wasm).unwrap();
    node.call(&number(n)).unwrap();
    assert_eq!(node.verdicts(WasmEngine::Wasmi, false), [Verdict::Same, Verdict::Same, Verdict::Same]);
}

#[test]
fn the_deepest_recursion_that_wasmtime_allows_fits_into_wasmi() {
    let shallow = "(func $made (param $n i32) (result i64)
        (if (result i64) (local.get $n)
          (then (i64.add (i64.const 1) (call $made (i32.sub (local.get $n) (i32.const 1)))))
          (else (i64.const 0))))";
    still_fits(&module(&inserts(shallow)), 1 << 20, Limits::default());
    // Many locals, which wasmtime need not keep: what is in them is the same.
    let locals = "(local i64)".repeat(200);
    let set = (1..=200).map(|local| format!("(local.set {local} (i64.const 7))")).collect::<Vec<_>>().concat();
    let wide = shallow.replace("(result i64)\n", &format!("(result i64) {locals} {set}\n"));
    still_fits(&module(&inserts(&wide)), 1 << 20, Limits::default());
}

#[test]
fn what_has_fuel_enough_in_wasmtime_has_it_in_wasmi() {
    let limits = Limits { fuel: 1_000_000, ..Limits::default() };
    // One of many arms, each time around; wasmi takes fuel for all of them.
    let arms = 100;
    let labels = (0..arms).map(|arm| format!("$arm{arm} ")).collect::<Vec<_>>().concat();
    let opened = (0..arms).rev().map(|arm| format!("(block $arm{arm} ")).collect::<Vec<_>>().concat();
    let arm = ") (local.set $sum (i64.add (local.get $sum) (i64.const 3))) (br $again)";
    let picked = format!("(br_table {labels} (i32.rem_u (local.get $n) (i32.const {arms}))) {}", arm.repeat(arms));
    let picks = format!(
        "(func $made (param $n i32) (result i64) (local $sum i64)
        (loop $more
          (block $again {opened} {picked})
          (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum))"
    );
    still_fits(&module(&inserts(&picks)), 1 << 20, limits);
    // Bulk instructions, which cost wasmtime one each.
    let fills = "(func $made (param $n i32) (result i64)
        (loop $more
          (memory.fill (i32.const 65536) (local.get $n) (i32.const 60000))
          (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i64.load (i32.const 65536)))";
    still_fits(&module(&inserts(fills)), 1 << 20, limits);
}

/// What no instance can be made of says so in each call.
#[test]
fn a_start_that_breaks_is_told_in_the_same_words() {
    let starts = [
        "(start $broken) (func $broken unreachable)",
        "(start $broken) (func $broken (drop (i64.load (i32.const -1))))",
        "(data (i32.const 131071) \"12\")",
        "(table 1 1 funcref) (elem (i32.const 1) func $call)",
    ];
    for start in starts {
        let wasm = module(&format!("{start} (func $call (param i32 i32 i32) (result i32) (i32.const 0))"));
        let [compiled, interpreted] = ENGINES.map(|engine| {
            let mut node = Node::on(engine, Limits::default());
            node.publish(&wasm).unwrap();
            node.call(&args()).unwrap_err()
        });
        assert_eq!(compiled, interpreted, "{start}");
    }
}

#[test]
fn what_the_node_would_refuse_the_second_engine_refuses_for_the_same_reason() {
    let shared = text("(func $call (param i32 i32 i32) (result i32) (i32.const 0))").replace("2 2)", "2 2 shared)");
    let relaxed = text(
        "(func $call (param i32 i32 i32) (result i32)
          (v128.store (i32.const 2048) (f32x4.relaxed_madd (v128.load (i32.const 0)) (v128.load (i32.const 0)) (v128.load (i32.const 0))))
          (i32.const 0))",
    );
    let external = text("(func $call (param i32 i32 i32) (result i32) (i32.const 0)) (func (param externref))");
    for text in [shared, relaxed, external] {
        let wasm = artefact(&text, &schema());
        let codes = ENGINES
            .map(|engine| engine.loader().unwrap().load(&wasm).map(|_| ()).unwrap_err().problem.code.to_string());
        assert_eq!(codes, ["invalid-wasm", "invalid-wasm"], "{text}");
    }
}
