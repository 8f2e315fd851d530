//! Modules written by hand, honest ones and others, on the real engine.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod determinism;
mod engines;
mod support;
mod telling;
mod validating;

use interstice_engine::limits::Limits;
use interstice_engine::module::ModuleLoader;
use support::{ENGINES, Node, artefact, module, schema};

/// Inserts its argument bytes as a row, and returns what is there behind the sequence value.
const INSERT: &str = "
    (func $call (param $f i32) (param $args i32) (param $len i32) (result i32)
      (drop (call $insert (i32.const 0) (i32.add (local.get $args) (i32.const 76)) (i32.sub (local.get $len) (i32.const 76)) (i32.const 4096) (i32.const 100)))
      (call $result (i32.const 4096) (i32.const 8))
      (i32.const 0))";

fn row(id: u64, value: u64) -> Vec<u8> {
    [id.to_le_bytes(), value.to_le_bytes()].concat()
}

/// A node on each engine, with so little fuel that using it up takes no time.
fn nodes() -> [Node; 2] {
    ENGINES.map(|engine| Node::on(engine, Limits { fuel: 100_000, ..Limits::default() }))
}

#[test]
fn a_module_inserts_rows_and_gets_them_back_as_stored() {
    for mut node in nodes() {
        node.publish(&module(INSERT)).unwrap();
        assert_eq!(node.call(&row(0, 5)).unwrap(), 1_u64.to_le_bytes());
        assert_eq!(node.call(&row(0, 6)).unwrap(), 2_u64.to_le_bytes());
        assert_eq!(node.rows(), [row(1, 5), row(2, 6)]);
    }
}

#[test]
fn a_refused_write_can_be_raised_and_leaves_nothing() {
    let raising = INSERT.replace("(drop (call $insert", "(if (i32.lt_s (call $insert").replace(
        "(i32.const 4096) (i32.const 100)))",
        "(i32.const 4096) (i32.const 100)) (i32.const 0)) (then (call $raise)))",
    );
    for mut node in nodes() {
        node.publish(&module(&raising)).unwrap();
        node.call(&row(7, 5)).unwrap();
        let problem = node.call(&row(7, 6)).unwrap_err();
        assert_eq!(problem.code, "duplicate-key");
        assert_eq!(problem.place.as_deref(), Some("module `guest`, function `run`"));
        assert_eq!(node.call(&row(8, 6)).unwrap(), 8_u64.to_le_bytes(), "the next call runs in a new instance");
    }
}

/// Adds one to a static and returns it: 1 whatever ran before.
const STATIC: &str = "
    (func $call (param i32 i32 i32) (result i32)
      (i64.store (i32.const 1024) (i64.add (i64.load (i32.const 1024)) (i64.const 1)))
      (call $result (i32.const 1024) (i32.const 8))
      (i32.const 0))";

#[test]
fn no_static_survives_a_call_whether_reset_or_made_anew() {
    let grown = STATIC.replace("(i32.const 0))", "(drop (memory.grow (i32.const 0))) (i32.const 0))");
    for (body, mut node) in [STATIC, &grown].into_iter().flat_map(|body| nodes().map(|node| (body, node))) {
        node.publish(&module(body)).unwrap();
        let answers: Vec<_> = (0..100).map(|_| (node.call(&row(0, 0)).unwrap(), node.fuel())).collect();
        assert_eq!(answers[0].0, 1_u64.to_le_bytes());
        assert!(answers.iter().all(|answer| *answer == answers[0]), "also by fuel no call can tell");
    }
}

#[test]
fn what_the_signature_does_not_name_is_refused() {
    let tricks = [
        (
            "undeclared-table",
            "(drop (call $insert (i32.const 9) (i32.const 1024) (i32.const 16) (i32.const 0) (i32.const 0)))",
        ),
        ("not-permitted", "(drop (call $update (i32.const 0) (i32.const 1024) (i32.const 16)))"),
        ("not-permitted", "(drop (call $count (i32.const 0) (i32.const 0) (i32.const 0)))"),
        (
            "invalid-pointer",
            "(drop (call $insert (i32.const 0) (i32.const -8) (i32.const 16) (i32.const 0) (i32.const 0)))",
        ),
        (
            "invalid-pointer",
            "(drop (call $insert (i32.const 0) (i32.const 1024) (i32.const -1) (i32.const 0) (i32.const 0)))",
        ),
        (
            "invalid-row",
            "(drop (call $insert (i32.const 0) (i32.const 1024) (i32.const 15) (i32.const 0) (i32.const 0)))",
        ),
        (
            "undeclared-call",
            "(drop (call $nested (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))",
        ),
        ("invalid-scan", "(drop (call $scan_next (i32.const 3) (i32.const 0) (i32.const 9)))"),
        ("panic", "(call $abort (i32.const 1024) (i32.const 4))"),
        ("trap", "(call $raise)"),
        ("trap", "unreachable"),
        ("trap", "(drop (i32.div_s (i32.const 1) (i32.const 0)))"),
        ("trap", "(drop (i32.rem_u (i32.const 1) (i32.const 0)))"),
        ("trap", "(drop (i64.div_s (i64.const 0x8000_0000_0000_0000) (i64.const -1)))"),
        ("trap", "(drop (i32.trunc_f64_s (f64.const nan)))"),
        ("trap", "(drop (i64.trunc_f32_u (f32.const 1e30)))"),
        ("trap", "(call_indirect $functions (i32.const 9))"),
        ("trap", "(call_indirect $functions (i32.const 1))"),
        ("trap", "(call_indirect $functions (i32.const 0))"),
        ("trap", "(table.set $functions (i32.const 2) (ref.null func))"),
        ("trap", "(table.fill $functions (i32.const 1) (ref.null func) (i32.const 2))"),
        ("trap", "(table.copy $functions $functions (i32.const 1) (i32.const 0) (i32.const 2))"),
        ("trap", "(table.init $functions $element (i32.const 0) (i32.const 0) (i32.const 9))"),
        ("out-of-fuel", "(loop $again (br $again))"),
        ("stack-overflow", "(drop (call $call (i32.const 0) (i32.const 0) (i32.const 0)))"),
        ("out-of-bounds", "(i64.store (i32.const -1) (i64.const 1))"),
        ("out-of-bounds", "(drop (i32.load8_u offset=4294967295 (i32.const 4294967295)))"),
        ("out-of-bounds", "(memory.fill (i32.const 131071) (i32.const 0) (i32.const 2))"),
        ("out-of-bounds", "(memory.copy (i32.const 0) (i32.const 131071) (i32.const 2))"),
        ("out-of-bounds", "(memory.init $data (i32.const 0) (i32.const 0) (i32.const 2))"),
        ("invalid-answer", "(call $result (i32.const 1024) (i32.const 3))"),
    ];
    for (expected, trick) in tricks {
        let body = format!(
            "(table $functions 2 2 funcref) (elem $element (table $functions) (i32.const 0) func $call) (data $data \"1\")
            (func $call (param i32 i32 i32) (result i32) {trick} (i32.const 0))"
        );
        let problems = nodes().map(|mut node| {
            node.publish(&module(&body)).unwrap_or_else(|problem| panic!("{trick}: {problem}"));
            let problem = node.call(&row(0, 0)).unwrap_err();
            assert_eq!(problem.code, expected, "{trick}: {problem}");
            assert!(node.rows().is_empty(), "{trick}");
            problem
        });
        assert!(expected == "out-of-fuel" || problems[0] == problems[1], "{problems:?}");
    }
}

#[test]
fn memory_grows_to_the_limit_and_no_further() {
    let body = "(func $call (param i32 i32 i32) (result i32)
      (if (i32.eq (memory.grow (i32.const 1023)) (i32.const -1)) (then unreachable))
      (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
      (call $result (i32.const 1024) (i32.const 8))
      (i32.const 0))";
    for mut node in nodes() {
        node.publish(&artefact(&module_text_without_maximum(body), &schema())).unwrap();
        node.call(&row(0, 0)).unwrap();
    }
}

fn module_text_without_maximum(body: &str) -> String {
    support::text(body).replace("(memory (export \"memory\") 2 2)", "(memory (export \"memory\") 1)")
}

#[test]
fn what_is_no_module_is_refused_with_a_reason() {
    let runtime = support::runtime();
    let refusal = |bytes: &[u8]| runtime.load(bytes).map(|_| ()).unwrap_err().problem;
    assert_eq!(refusal(b"not wasm").code, "invalid-wasm");
    let good = module(INSERT);
    assert_eq!(refusal(&good[..good.len() / 2]).code, "invalid-wasm");
    assert_eq!(refusal(&wat::parse_str(support::text(INSERT)).unwrap()).code, "missing-schema");
    let missing = support::text(INSERT).replace("(export \"interstice_alloc\")", "");
    let problem = refusal(&artefact(&missing, &schema()));
    assert_eq!((&*problem.code, problem.message.contains("`interstice_alloc`")), ("missing-export", true));
    let foreign =
        support::text(INSERT).replace("(module", r#"(module (import "__wbindgen_placeholder__" "now" (func))"#);
    let problem = refusal(&artefact(&foreign, &schema()));
    assert_eq!(problem.code, "unknown-import");
    assert!(
        problem.message.contains("`__wbindgen_placeholder__.now`") && problem.hint.as_ref().unwrap().contains("chrono")
    );
    let threads = support::text(INSERT).replace("2 2)", "2 2 shared)");
    assert_eq!(refusal(&artefact(&threads, &schema())).code, "invalid-wasm");
}

#[test]
fn a_module_that_describes_itself_is_asked_in_an_empty_sandbox() {
    let json = r#"{"module":"guest","version":"1.0.0","tables":[],"functions":[]}"#;
    let data = format!(r#"(data (i32.const 2048) "{}")"#, json.replace('"', "\\\""));
    let packed = (2048_u64 << 32 | json.len() as u64).to_string();
    let text = support::text(INSERT).replace("(i64.const 0) ;; schema", &format!("(i64.const {packed})"));
    let text = format!("{}{data})", text.trim_end().strip_suffix(')').unwrap());
    let wasm = wat::parse_str(text).unwrap();
    assert_eq!(support::runtime().describe(&wasm).unwrap().module, "guest");
    assert_eq!(support::runtime().describe(&module(INSERT)).unwrap_err().problem.code, "invalid-schema");
}
