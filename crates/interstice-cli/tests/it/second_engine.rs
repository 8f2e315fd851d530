//! `replay check --engine wasmi`: history comes out the same on another engine than the one that made it, and what does not is found
//! there too.

use crate::refusals::running;
use crate::support::{Node, copy_of, example_names, run, wait_until};
use serde_json::{Value, json};
use std::path::Path;

const WASMI: [&str; 4] = ["replay", "check", "--engine", "wasmi"];

/// The report of a check of `data`, which must find nothing; it ran on `engine`.
fn checked(data: &Path, engine: &str) -> Value {
    let data = data.to_str().unwrap();
    let checked = run(&["replay", "check", "--engine", engine, "--data", data, "-o", "json"]).ok().json();
    assert_eq!((&checked["ok"], &checked["engine"], &checked["divergent"]), (&json!(true), &json!(engine), &json!(0)));
    checked
}

/// Calls, queries in them, calls of other modules, events, schedules, floats, random numbers, migrations: all that examples show.
#[test]
fn every_example_comes_out_the_same_on_the_second_engine() {
    for name in example_names() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let project = format!("examples/{name}");
        run(&["dev", &project, "--once", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]).ok();
        let (first, second) = (checked(&data, "wasmtime"), checked(&data, "wasmi"));
        assert_eq!(first["checked"], second["checked"], "{name}");
        assert_eq!(first["incomparables"], second["incomparables"], "{name}");
        assert!(second["checked"].as_str().unwrap().parse::<u64>().unwrap() >= 3, "{name}: {second}");
    }
}

/// A listener that breaks in each way that there is.
const BREAKS: &str = r#"
use interstice_sdk::prelude::*;
use std::hint::black_box;

#[table(public)]
pub struct Wish {
    #[primary_key(auto_inc)]
    pub id: u64,
    pub what: String,
}

#[table(public)]
pub struct Done {
    #[primary_key]
    pub id: u64,
    pub depth: u64,
}

#[reducer]
fn wish(wishes: Insert<Wish>, what: String) -> u64 {
    wishes.insert(Wish { id: 0, what }).id
}

#[reducer(on = insert(Wish))]
fn grant(done: Insert<Done>, wish: Wish) {
    let depth = match &*wish.what {
        "spin" => loop {
            black_box(0);
        },
        "sink" => sink(u64::MAX),
        "hoard" => (0..).map(|n| black_box(vec![n; 1 << 20]).leak().len() as u64).sum(),
        "panic" => panic!("it breaks"),
        "divide" => 7 / black_box(0),
        _ => sink(1_000),
    };
    done.insert(Done { id: wish.id, depth });
}

fn sink(left: u64) -> u64 {
    if left == 0 { 0 } else { 1 + black_box(sink as fn(u64) -> u64)(left - 1) }
}
"#;

/// What used up fuel or stack is listed as not comparable, by both engines alike; whatever else broke off broke off in the same place, in the
/// same words.
#[test]
fn what_a_limit_ended_is_listed_and_what_broke_by_itself_is_compared() {
    let directory = tempfile::tempdir().unwrap();
    let project = copy_of("examples/hello", |text| text.replace("name = \"hello\"", "name = \"wishes\""));
    std::fs::write(project.path().join("src/lib.rs"), BREAKS).unwrap();
    let node = Node::start(directory.path());
    node.publish(project.path().to_str().unwrap());
    for what in ["much", "spin", "sink", "hoard", "panic", "divide", "more"] {
        node.run(&["call", "wishes.wish", what]).ok();
    }
    wait_until("all wishes were heard", || {
        let status = node.run(&["status", "-o", "json"]).ok().json();
        status["pending_events"] == json!(0)
    });
    let ended = node.run(&["log", "dump", "--function", "wishes.grant", "-o", "jsonl"]).ok().stdout;
    let ended = ended.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    assert_eq!(ended.len(), 7, "{ended:?}");
    node.terminate();
    for engine in ["wasmtime", "wasmi"] {
        let checked = checked(directory.path(), engine);
        assert_eq!(checked["checked"], json!("16"), "{checked}");
        let found = checked["incomparables"].as_array().unwrap().iter();
        let found = found.map(|one| {
            (
                one["function"].as_str().unwrap(),
                one["reason"].as_str().unwrap(),
                one["problem"]["code"].as_str().unwrap(),
            )
        });
        let limit = |code| ("wishes.grant", "resource-limit", code);
        assert_eq!(found.collect::<Vec<_>>(), [limit("out-of-fuel"), limit("stack-overflow")], "{engine}");
    }
    let told = run(&[&WASMI[..], &["--data", directory.path().to_str().unwrap()]].concat()).ok().stdout;
    assert!(told.contains("(wishes.grant): not comparable: resource-limit: out-of-fuel: "), "{told}");
    assert!(
        told.contains("16 transactions re-executed by wasmi, 1 module versions, 0 divergences, 2 incomparable"),
        "{told}"
    );
}

/// Of a module whose calls insert a row.
const SCHEMA: &str = r#"{"module":"sees","version":"1","tables":[{"name":"row","primary_key":[0],"columns":[
    {"name":"id","type":"u64","auto_inc":true},{"name":"value","type":"u64"}]}],
    "functions":[{"name":"run","kind":"reducer","handles":[{"table":"row","access":"insert"}],"returns":"unit"}]}"#;

/// A module that sees in its memory what a call before has left there, in an instance that is kept: which calls that were is in no log. It
/// diverges, and where is found on both engines.
#[test]
fn a_module_that_diverges_is_found_at_the_very_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(&directory.path().join("data"));
    let fields = r#"(import "interstice_1" "insert" (func $insert (param i32 i32 i32 i32 i32) (result i32)))
        (global $stack (mut i32) (i32.const 1024))
        (global (export "__heap_base") i32 (i32.const 8192))"#;
    let body = "(i64.store (i32.const 70008) (i64.add (i64.load (i32.const 70008)) (i64.const 1)))
        (drop (call $insert (i32.const 0) (i32.const 70000) (i32.const 16) (i32.const 80000) (i32.const 16)))";
    let path = directory.path().join("sees.wasm");
    std::fs::write(&path, running(fields, body, Some(SCHEMA))).unwrap();
    node.run(&["publish", path.to_str().unwrap()]).ok();
    for _ in 0..3 {
        node.run(&["call", "sees.run"]).ok();
    }
    // A node that begins anew has new instances.
    node.terminate();
    let node = Node::start(&directory.path().join("data"));
    node.run(&["call", "sees.run"]).ok();
    let first = |args: &[&str]| {
        // On one thread: another one would begin in the middle, with new instances.
        let ran = node.run(&[args, &["--jobs", "1", "-o", "json"]].concat());
        assert_eq!(ran.exit, 4, "{ran:?}");
        ran.json()["divergences"][0].clone()
    };
    for fresh in [&[][..], &["--fresh"]] {
        let found = first(&[&WASMI[..], fresh].concat());
        assert_eq!(found, first(&[&["replay", "check"], fresh].concat()));
        let offset = if fresh.is_empty() { "5" } else { "3" };
        assert_eq!(
            (&found["offset"], &found["kind"], &found["table"], &found["column"]),
            (&json!(offset), &json!("changes"), &json!("sees.row"), &json!("value")),
            "{found}"
        );
    }
}

#[test]
fn an_engine_that_is_none_is_refused_and_what_would_have_been_runs_on_the_nodes() {
    let ran = run(&["replay", "check", "--engine", "nonsense"]);
    assert_eq!(ran.exit, 2, "{ran:?}");
    assert!(ran.stderr.contains("[possible values: wasmtime, wasmi]"), "{}", ran.stderr);
    let ran = run(&["replay", "check", "--engine", "wasmti"]);
    assert!(ran.exit == 2 && ran.stderr.contains("wasmtime"), "{ran:?}");
    for otherwise in [["--drop", "3"], ["--module", "fixed.wasm"], ["--set-args", "3=[]"]] {
        let ran = run(&[&WASMI[..], &otherwise].concat());
        assert_eq!(ran.exit, 2, "{ran:?}");
        assert!(ran.stderr.contains("cannot be used with"), "{}", ran.stderr);
    }
}
