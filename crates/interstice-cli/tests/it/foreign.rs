//! A log whose modules cannot be run here: they were made by another version, or for another machine. Whatever needs no code works.

use crate::support::{Node, run};
use interstice::database::Database;
use interstice::opened::{Birth, Start};
use interstice_engine::engine::{Input, Request};
use interstice_engine::execution::Execution;
use interstice_engine::limits::Limits;
use interstice_engine::module::{Call, CallError, LoadError, Loaded, Module, ModuleFactory, ModuleLoader};
use interstice_engine::publish::PublishOptions;
use interstice_log::frame::Lineage;
use interstice_log::local::{DEFAULT_SEGMENT_SIZE, LocalLog, OpenOptions};
use interstice_log::segment::LogId;
use interstice_log::storage::directory::DirectoryStorage;
use interstice_types::id::Identity;
use interstice_types::time::Timestamp;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

/// Runs what nothing here does.
struct Elsewhere;

struct Foreign;

impl ModuleLoader for Elsewhere {
    fn load(&self, _: &[u8]) -> Result<Loaded, LoadError> {
        let schema = serde_json::from_str(
            r#"{"module":"foreign","version":"1.0.0","tables":[{"name":"thing","primary_key":[0],"public":true,
            "columns":[{"name":"id","type":"u64","auto_inc":true},{"name":"value","type":"u64"}]}],"functions":[
            {"name":"add","kind":"reducer","handles":[{"table":"thing","access":"write"}],"args":[],"returns":"unit"},
            {"name":"count","kind":"query","handles":[{"table":"thing","access":"read"}],"args":[],"returns":"u64"}]}"#,
        );
        Ok(Loaded { schema: schema.unwrap(), factory: Arc::new(Foreign) })
    }
}

impl ModuleFactory for Foreign {
    fn instantiate(&self) -> Result<Box<dyn Module>, LoadError> {
        Ok(Box::new(Self))
    }
}

impl Module for Foreign {
    fn call(&mut self, _: &Call<'_>, mut execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
        execution.insert(0, &[[0; 8], 7_u64.to_le_bytes()].concat()).unwrap();
        (execution, Ok(Vec::new()))
    }
}

/// Offsets: 0 genesis, 1 publish, 2 to 4 calls of `foreign.add`.
fn written(data: &Path) {
    let storage = DirectoryStorage::create(&data.join("log")).unwrap();
    let (log_id, lineage) = (LogId([1; 16]), Lineage([2; 16]));
    let options = OpenOptions { segment_size: DEFAULT_SEGMENT_SIZE, log_id, lineage, salt_seed: [3; 16] };
    let (log, _) = LocalLog::open(storage, options).unwrap();
    let birth = Birth { node: [1; 16], now: Timestamp(1), seed: [5; 16] };
    let start = Start::empty(Arc::new(Elsewhere), Limits::default());
    let (mut database, _) = Database::open(log, start, birth).unwrap();
    let (caller, artefact) = (Identity::of_name("somebody"), b"not of here".to_vec());
    let loaded = Elsewhere.load(&artefact).unwrap();
    let call = || Request::Call { module: "foreign".into(), function: "add".into(), args: Vec::new(), caller };
    let publish = Request::Publish { artefact, loaded, caller, options: PublishOptions::default() };
    for (number, request) in [publish, call(), call(), call()].into_iter().enumerate() {
        database.step(Input { now: Timestamp(number as i64 + 2), seed: [number as u8; 16], request });
    }
    assert!(database.settle().unwrap().iter().all(|output| output.reply.is_ok()));
}

#[test]
fn what_needs_no_code_works_and_what_does_names_the_module() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    written(&data);
    let on = |args: &[&str]| run(&[args, &["--data", data.to_str().unwrap()]].concat());
    let sql = "select id, value from foreign.thing";
    let rows = json!([["1", "7"], ["2", "7"], ["3", "7"]]);
    assert_eq!(on(&["sql", sql, "-o", "json"]).ok().json()["rows"], rows);
    assert_eq!(on(&["sql", sql, "--at", "2", "-o", "json"]).ok().json()["rows"], json!([["1", "7"]]));
    let told = on(&["history", "foreign.thing", "2", "-o", "json"]).ok().json();
    assert_eq!((&told["entries"][0]["offset"], &told["entries"][0]["function"]), (&json!("3"), &json!("foreign.add")));
    assert_eq!(on(&["log", "dump"]).ok().stdout.lines().count(), 5);
    on(&["log", "verify"]).ok();
    let rebuilt = directory.path().join("rebuilt");
    on(&["replay", "run", "--to", "3", "--out", rebuilt.to_str().unwrap()]).ok();
    assert!(on(&["bisect", sql, "--from", "3"]).stdout.starts_with("3  "));
    let fork = directory.path().join("fork");
    on(&["fork", "--at", "3", "--out", fork.to_str().unwrap()]).ok();

    // Nothing is said to be the same that did not run.
    let checked = on(&["replay", "check", "-o", "json"]).ok().json();
    assert_eq!((&checked["incomparable"], &checked["divergent"]), (&json!(4), &json!(0)), "{checked}");
    let last = &checked["incomparables"][3];
    assert_eq!(
        (&last["offset"], &last["function"], &last["reason"]),
        (&json!("4"), &json!("foreign.add"), &json!("module-unavailable"))
    );
    let text = on(&["replay", "check"]).ok().stdout;
    assert!(
        text.contains("offset 4 (foreign.add): not comparable: module-unavailable: ")
            && text.contains("4 incomparable"),
        "{text}"
    );
    let refused = on(&["query", "foreign.count"]).refused(1, "module-unavailable");
    assert!(refused.stderr.contains("`foreign`"), "{refused:?}");

    // A node starts on it, and runs what it can.
    let node = Node::start(&data);
    let refused = node.run(&["call", "foreign.add"]).refused(1, "module-unavailable");
    assert!(refused.stderr.contains("`foreign`"), "{refused:?}");
    assert_eq!(node.run(&["sql", sql, "-o", "json"]).ok().json()["rows"], rows);
    node.publish("examples/hello");
    node.run(&["call", "hello.greet", "ada"]).ok();
}
