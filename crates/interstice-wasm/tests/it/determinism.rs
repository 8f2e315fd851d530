//! What a module could tell one run of a call from another by, and what becomes of it: it is refused, it traps, it is the same each time,
//! or a check of the log finds it at the very transaction.

use crate::support::{ENGINES, Node, artefact, module, schema, text};
use interstice_engine::recheck::{Instances, Kind, Verdict};

fn args(number: u64) -> Vec<u8> {
    [0_u64.to_le_bytes(), number.to_le_bytes()].concat()
}

/// `body` makes a number at 2048; it is inserted as the value of a row and given back. A call with an odd second argument traps
/// behind that, and is in no log.
fn telling(body: &str) -> String {
    format!(
        "(func $tell {body})
    (func $call (param $f i32) (param $args i32) (param $len i32) (result i32)
      (call $tell)
      (i64.store (i32.const 2040) (i64.const 0))
      (drop (call $insert (i32.const 0) (i32.const 2040) (i32.const 16) (i32.const 4096) (i32.const 100)))
      (if (i64.eq (i64.rem_u (i64.load (i32.add (local.get $args) (i32.const 84))) (i64.const 7)) (i64.const 3)) (then unreachable))
      (call $result (i32.const 2048) (i32.const 8))
      (i32.const 0))"
    )
}

/// Adds one to what `load` gives, puts it back by `store`, and tells it.
fn counter(load: &str, store: &str) -> String {
    telling(&format!(
        "(local $n i32) (local.set $n (i32.add {load} (i32.const 1))) ({store} (local.get $n))
         (i64.store (i32.const 2048) (i64.extend_i32_u (local.get $n)))"
    ))
}

/// What is the same whatever ran before, with what it needs in the module beside its code.
fn same() -> Vec<(&'static str, String)> {
    let plain = |body: String| text(&body);
    let with = |body: String, declared: &str| text(&format!("{declared} {body}"));
    vec![
        ("a static", plain(counter("(i32.load (i32.const 1024))", "i32.store (i32.const 1024)"))),
        ("a global", with(counter("(global.get $count)", "global.set $count"), "(global $count (mut i32) (i32.const 0))")),
        ("the stack pointer", plain(counter("(global.get $stack)", "global.set $stack"))),
        (
            "an entry of a table",
            with(
                telling(
                    "(i64.store (i32.const 2048) (i64.extend_i32_u (ref.is_null (table.get $slots (i32.const 0)))))
                     (table.set $slots (i32.const 0) (ref.func $tell))",
                ),
                "(table $slots 1 1 funcref) (elem declare func $tell)",
            ),
        ),
        (
            "the size of a table",
            with(
                telling(
                    "(i64.store (i32.const 2048) (i64.extend_i32_u (table.grow $slots (ref.null func) (i32.const 1))))",
                ),
                "(table $slots 1 100 funcref)",
            ),
        ),
        (
            "a segment that was dropped",
            with(
                telling(
                    "(memory.init $data (i32.const 2048) (i32.const 0) (i32.const 8)) (data.drop $data)",
                ),
                r#"(data $data "12345678")"#,
            ),
        ),
        (
            "the size of memory",
            plain(telling("(i64.store (i32.const 2048) (i64.extend_i32_u (memory.grow (i32.const 1))))"))
                .replace("(memory (export \"memory\") 2 2)", "(memory (export \"memory\") 2)"),
        ),
        (
            "memory that does not grow any more",
            plain(telling(
                "(local $n i64) (loop $more (local.set $n (i64.add (local.get $n) (i64.const 1)))
                 (br_if $more (i32.ne (memory.grow (i32.const 64)) (i32.const -1)))) (i64.store (i32.const 2048) (local.get $n))",
            ))
            .replace("(memory (export \"memory\") 2 2)", "(memory (export \"memory\") 2)"),
        ),
        (
            "the payload of a NaN",
            plain(telling(
                "(i64.store (i32.const 2048) (i64.reinterpret_f64 (f64.add (f64.div (f64.const 0) (f64.const 0)) (f64.reinterpret_i64 (i64.const 0x7ff8_0000_0000_1234)))))",
            )),
        ),
        (
            "the payload of a NaN that was rounded",
            plain(telling(
                "(i64.store (i32.const 2048) (i64.reinterpret_f64 (f64.promote_f32 (f32.demote_f64 (f64.reinterpret_i64 (i64.const -0x7_ffff_ffff_1234))))))",
            )),
        ),
        (
            "the payload of NaNs in a vector",
            plain(telling(
                "(v128.store (i32.const 2048) (f64x2.sqrt (f64x2.splat (f64.const -1))))",
            )),
        ),
    ]
}

/// The log of calls, some of which fail, and the answers of the others.
fn run(wasm: &[u8]) -> (Node, Vec<Vec<u8>>) {
    let mut node = Node::new();
    node.publish(wasm).unwrap();
    let answers = (0..70).filter_map(|number| node.call(&args(number)).ok()).collect();
    (node, answers)
}

#[test]
fn nothing_of_a_call_is_seen_by_the_next_one_or_by_another_run() {
    for (what, text) in same() {
        let (node, answers) = run(&artefact(&text, &schema()));
        assert!(answers.len() > 50 && answers.len() < 70, "{what}: {}", answers.len());
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{what}: {:?}", &answers[..5]);
        for (engine, fresh) in ENGINES.into_iter().flat_map(|engine| [(engine, false), (engine, true)]) {
            let verdicts = node.verdicts(engine, fresh);
            let other = verdicts.iter().find(|verdict| **verdict != Verdict::Same);
            assert_eq!(other, None, "{what} on {}", engine.name());
        }
    }
}

/// The deepest call cannot be seen: who goes too deep ends, and with that the transaction.
#[test]
fn how_deep_the_stack_is_cannot_be_told() {
    let deep = "(func $deep (param $n i32) (result i32)
        (if (result i32) (local.get $n) (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get $n) (i32.const 1))))) (else (i32.const 0))))";
    let body = format!("{deep} {}", telling("(drop (call $deep (i32.const 100000000)))"));
    let mut node = Node::new();
    node.publish(&module(&body)).unwrap();
    for number in 0..3 {
        assert_eq!(node.call(&args(number)).unwrap_err().code, "stack-overflow");
    }
    assert_eq!(node.log().len(), 2, "nothing of it is in the log");
}

#[test]
fn what_would_differ_by_machine_is_refused() {
    let refused = |declared: &str, body: &str, code: &str| {
        let text = text(&telling(body)).replacen("(module", &format!("(module {declared}"), 1);
        let problem = Node::new().publish(&artefact(&text, &schema())).unwrap_err();
        assert_eq!(problem.code, code, "{declared} {body}: {problem}");
    };
    let wasi = |name: &str, ty: &str| format!(r#"(import "wasi_snapshot_preview1" "{name}" (func {ty}))"#);
    refused(&wasi("clock_time_get", "(param i32 i64 i32) (result i32)"), "", "unknown-import");
    refused(&wasi("random_get", "(param i32 i32) (result i32)"), "", "unknown-import");
    refused(&wasi("environ_get", "(param i32 i32) (result i32)"), "", "unknown-import");
    refused("", "(drop (i32.atomic.rmw.add (i32.const 2048) (i32.const 1)))", "invalid-wasm");
    refused(
        "",
        "(v128.store (i32.const 2048) (f32x4.relaxed_madd (v128.load (i32.const 0)) (v128.load (i32.const 0)) (v128.load (i32.const 0))))",
        "invalid-wasm",
    );
}

/// Memory behind the static data is not wiped between calls: safe code cannot read what it did not write there. What does is found,
/// at the first transaction behind a call that is in no log.
#[test]
fn memory_that_a_call_did_not_write_is_found_by_a_check() {
    let (node, answers) = run(&module(&counter("(i32.load (i32.const 9000))", "i32.store (i32.const 9000)")));
    assert_ne!(answers[0], answers[1], "it sees what the one before left");
    for engine in ENGINES {
        let divergent = |fresh| {
            let found = node.verdicts(engine, fresh).into_iter().filter_map(|verdict| match verdict {
                Verdict::Divergent(divergence) => Some(*divergence),
                _ => None,
            });
            found.collect::<Vec<_>>()
        };
        // The third call traps: an instance is made anew behind it, in the node only.
        let first = &divergent(false)[0];
        assert_eq!((first.offset, first.kind, first.column.as_deref()), (5, Kind::Changes, Some("value")), "{first}");
        assert_eq!((first.table.as_deref(), first.instances), (Some("guest.row"), Instances::Used), "{first}");
        let calls = first.host_calls.as_ref().unwrap();
        assert_eq!((calls.first, calls.last, calls.name), (0, 0, "insert"));
        // In a fresh instance each, it is the second call.
        let first = &divergent(true)[0];
        assert_eq!((first.offset, first.instances), (3, Instances::All), "{first}");
    }
}
