//! Data directories as the first version wrote them: every version after it opens them, and what a newer version wrote is
//! refused and left as it is.
//!
//! `fixtures/log-v1` holds every kind of frame and record; `fixtures/log-v1-repaired` what a repair made of a damaged copy of
//! it; `fixtures/snapshot-v1` a log whose beginning is gone, behind snapshots. Beside each stands what is told of it, `.jsonl`.
//! Nothing in them is ever made anew: a change of a format is a version of its own, with fixtures of its own.

use crate::support::{Node, copy_files, copy_of, root, run};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Every kind of change and outcome: rows come, change and go under listeners that hear of it, fail, and refuse.
const MODULE: &str = r#"
use interstice_sdk::prelude::*;

#[table(public)]
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    #[primary_key(auto_inc)]
    pub id: u64,
    #[unique]
    pub name: String,
    pub size: Option<u32>,
    // another column
}

#[table(public)]
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    #[primary_key]
    pub what: String,
    pub times: u64,
}

#[datatype(error)]
#[derive(PartialEq)]
pub enum KindError {
    #[error("`{0}` is not heard of")]
    NotHeard(String),
}

#[reducer]
fn put(items: Insert<Item>, name: String) -> u64 {
    items.insert(Item { id: 0, name, size: None /* its value */ }).id
}

#[reducer]
fn resize(items: Write<Item>, id: u64, size: u32) -> bool {
    let Some(item) = items.get(id) else { return false };
    items.update(Item { size: Some(size), ..item });
    true
}

#[reducer]
fn take(items: Write<Item>, id: u64) -> Option<Item> {
    items.delete(id)
}

#[reducer]
fn forget(heard: Write<Heard>, what: String) -> bool {
    heard.delete(what).is_some()
}

fn hear(heard: &Write<Heard>, what: &str) {
    let times = heard.get(what).map_or(0, |heard| heard.times);
    heard.upsert(Heard { what: what.to_owned(), times: times + 1 });
}

#[reducer(on = insert(Item))]
fn on_put(heard: Write<Heard>, item: Item) -> Result<(), KindError> {
    assert!(item.name != "trap", "it breaks");
    if item.name == "reject" {
        return Err(KindError::NotHeard(item.name));
    }
    hear(&heard, "put");
    Ok(())
}

#[reducer(on = update(Item))]
fn on_resize(heard: Write<Heard>, old: Item, new: Item) {
    hear(&heard, if old.size < new.size { "grown" } else { "shrunk" });
}

#[reducer(on = delete(Item))]
fn on_take(heard: Write<Heard>, old: Item) {
    hear(&heard, &old.name);
}
"#;

/// The project of [`MODULE`]; `wider` has another column.
fn project(wider: bool) -> tempfile::TempDir {
    let source = if wider {
        MODULE
            .replace("    // another column\n", "    #[default(\"plain\".to_owned())]\n    pub colour: String,\n")
            .replace(" /* its value */", ", colour: \"red\".to_owned()")
    } else {
        MODULE.to_owned()
    };
    copy_of("examples/hello", |text| {
        if text.starts_with("[package]") { text.replace("hello", "kinds") } else { source.clone() }
    })
}

fn fixture(name: &str) -> PathBuf {
    root().join("fixtures").join(name)
}

/// A copy that may be written, as a data directory.
fn fresh(name: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    copy_files(&fixture(name), directory.path());
    directory
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What is told of a log; of one that begins at a snapshot, what is behind that. Long texts stand there by their hash.
fn told(data: &Path, from: u64) -> String {
    let dump = run(&["log", "dump", "--data", text(data), "--from", &from.to_string(), "-o", "jsonl"]).ok().stdout;
    let lines = dump.lines().map(|line| {
        let mut told = serde_json::from_str(line).unwrap();
        shorten(&mut told);
        told.to_string() + "\n"
    });
    lines.collect()
}

fn shorten(value: &mut Value) {
    const LONG: usize = 300;
    match value {
        Value::String(text) if text.len() > LONG => {
            *text = format!("{} bytes, BLAKE3 {}", text.len(), blake3::hash(text.as_bytes()));
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => {}
    }
}

/// Keeps a data directory as a fixture: the log and the snapshots, and what is told of it.
fn keep(data: &Path, name: &str, from: u64) {
    let fixture = fixture(name);
    for part in ["log", "snapshots"] {
        let _ = std::fs::remove_dir_all(fixture.join(part));
        copy_files(&data.join(part), &fixture.join(part));
    }
    for entry in std::fs::read_dir(fixture.join("log")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name == "lock" || name.starts_with("spare-") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    std::fs::copy(data.join("node.json"), fixture.join("node.json")).unwrap();
    std::fs::write(fixture.with_extension("jsonl"), told(data, from)).unwrap();
}

/// Publishes both versions and does everything that a record can be of.
fn live(node: &Node) {
    let published = |wider| node.run(&["publish", text(project(wider).path())]).ok();
    published(false);
    let call = |words: &[&str]| node.run(&[&["call"], words].concat()).ok();
    call(&["kinds.put", "first"]);
    call(&["kinds.put", "second"]);
    call(&["kinds.resize", "1", "5"]);
    call(&["kinds.resize", "1", "3"]);
    call(&["kinds.take", "2"]);
    call(&["kinds.forget", "second"]);
    call(&["kinds.put", "trap"]);
    call(&["kinds.put", "reject"]);
    node.run(&["call", "kinds.put", "first"]).refused(3, "duplicate-key");
    published(true);
    // One record of several frames.
    let long = format!("[\"{}\"]", "0123456789".repeat(30_000));
    let ran = crate::support::run_with_stdin(&["--server", &node.url, "call", "kinds.put", "--args", "-"], &long);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
}

fn settings(data: &Path, more: &str) {
    std::fs::write(data.join("config.toml"), format!("[log]\nsegment = \"32 KiB\"\n{more}")).unwrap();
}

/// Only for a version of the format that has no fixtures yet.
#[test]
#[ignore = "makes the fixtures, which are never made again"]
fn make() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    settings(data, "[snapshots]\ninterval = \"1 day\"\n");
    let node = Node::start(data);
    live(&node);
    // Once it is idle it seals the log.
    std::thread::sleep(std::time::Duration::from_secs(1));
    node.kill();
    keep(data, "log-v1", 0);

    // Damage in the record of the second publish, and what a repair makes of it.
    let damaged = data.join("log/00000000000000000017.log");
    let mut bytes = std::fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(damaged, bytes).unwrap();
    let out = tempfile::tempdir().unwrap();
    let repaired = out.path().join("repaired");
    run(&["log", "repair", "--data", text(data), "--out", text(&repaired), "--yes"]).ok();
    settings(&repaired, "");
    let node = Node::start(&repaired);
    node.run(&["call", "kinds.put", "after the repair"]).ok();
    node.kill();
    keep(&repaired, "log-v1-repaired", 0);

    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    settings(data, "[snapshots]\ninterval = \"1 day\"\n[retention]\nkeep = \"1 KiB\"\n");
    let node = Node::start(data);
    live(&node);
    for round in 0..2 {
        for number in 0..40 {
            node.run(&["call", "kinds.put", &format!("{round} {number} {}", "x".repeat(1_000))]).ok();
        }
        node.run(&["snapshot", "create"]).ok();
    }
    node.run(&["call", "kinds.put", "behind the snapshots"]).ok();
    std::thread::sleep(std::time::Duration::from_secs(1));
    let newest = node.run(&["status", "-o", "json"]).ok().json()["snapshot"].as_u64().unwrap();
    node.kill();
    keep(data, "snapshot-v1", newest);
}

/// It tells what it told when it was written, and a node goes on with it.
fn opens(name: &str) -> tempfile::TempDir {
    let directory = fresh(name);
    let data = directory.path();
    run(&["log", "verify", "--data", text(data)]).ok();
    let expected = std::fs::read_to_string(fixture(name).with_extension("jsonl")).unwrap();
    let first: Value = serde_json::from_str(expected.lines().next().unwrap()).unwrap();
    let from = first["offset"].as_str().unwrap().parse().unwrap();
    assert!(told(data, from) == expected, "{name} is told otherwise than when it was written");
    let before = run(&["sql", "select id, name from kinds.item", "--data", text(data), "-o", "json"]).ok().json();
    let node = Node::start(data);
    let live = node.run(&["sql", "select id, name from kinds.item", "-o", "json"]).ok().json();
    assert_eq!(live["rows"], before["rows"]);
    node.replays();
    node.run(&["call", "kinds.put", "once more"]).ok();
    node.kill();
    directory
}

#[test]
fn a_log_of_the_first_version_opens_with_every_kind_of_frame_and_record() {
    drop(opens("log-v1"));
    let stats = |name: &str| {
        let fixture = fixture(name);
        run(&["log", "stats", "--data", text(&fixture), "-o", "json"]).ok().json()
    };
    let log = stats("log-v1");
    let kinds = |counts: &Value| counts.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(kinds(&log["causes"]), ["call", "event", "genesis", "publish"].map(str::to_owned).into());
    assert_eq!(kinds(&log["frames"]), ["epoch", "seal", "transactions"].map(str::to_owned).into());
    let outcomes = log["functions"].as_array().unwrap().iter().find(|f| f["function"] == "kinds.on_put").unwrap();
    assert!(["ok", "rejected", "trapped"].iter().all(|outcome| outcomes[*outcome].as_u64().unwrap() > 0), "{outcomes}");
    let told = std::fs::read_to_string(fixture("log-v1").with_extension("jsonl")).unwrap();
    let mut changes = BTreeMap::<String, u32>::new();
    for line in told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        for change in line["changes"].as_array().unwrap() {
            let kind = change.as_object().unwrap().keys().find(|key| *key != "table").unwrap();
            *changes.entry(kind.clone()).or_default() += 1;
        }
    }
    let all = ["alter", "create", "delete", "insert", "sequence", "update"];
    assert_eq!(changes.keys().collect::<Vec<_>>(), all, "{changes:?}");
    let largest = told.lines().filter(|line| line.contains("300000 bytes")).count();
    assert_eq!(largest, 1, "no record takes several frames");
}

#[test]
fn a_repaired_log_of_the_first_version_opens_and_says_what_was_given_up() {
    drop(opens("log-v1-repaired"));
    let fixture = fixture("log-v1-repaired");
    let verified = run(&["log", "verify", "--data", text(&fixture), "-o", "json"]).ok().json();
    assert!(verified["segments"].to_string().contains("another history begins here"), "{verified}");
    let stats = run(&["log", "stats", "--data", text(&fixture), "-o", "json"]).ok().json();
    assert_eq!(stats["frames"]["loss"], json!(1));
    let dump = run(&["log", "dump", "--data", text(&fixture), "--cause", "loss", "-o", "jsonl"]).ok().json();
    assert!(dump["loss"].is_object(), "{dump}");
    assert!(run(&["log", "dump", "--data", text(&fixture), "--cause", "loss"]).ok().stdout.contains("  loss  "));
}

#[test]
fn snapshots_of_the_first_version_open() {
    let directory = opens("snapshot-v1");
    run(&["snapshot", "verify", "--data", text(directory.path())]).ok();
    let fixture = fixture("snapshot-v1");
    let listed = run(&["snapshot", "list", "--data", text(&fixture), "-o", "json"]).ok().json();
    assert_eq!(listed["snapshots"].as_array().unwrap().len(), 2, "{listed}");
    run(&["log", "dump", "--data", text(&fixture)]).refused(1, "trimmed");
}

/// All files of a directory with their bytes.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files.insert(path.clone(), std::fs::read(path).unwrap());
        }
    }
    files
}

/// Sets the version that stands at byte `at` of a file, and the CRC32C over the bytes before it at `crc`.
fn make_newer(path: &Path, at: usize, crc: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at..at + 4].copy_from_slice(&2_u32.to_le_bytes());
    let sum = crc32c::crc32c(&bytes[..crc]);
    bytes[crc..crc + 4].copy_from_slice(&sum.to_le_bytes());
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn what_a_newer_version_wrote_is_refused_and_left_as_it_is() {
    let refused = |name: &str, newer: &dyn Fn(&Path)| {
        let directory = fresh(name);
        let data = directory.path();
        newer(data);
        let before = files(data);
        run(&["start", "--data", text(data), "--listen", "127.0.0.1:0"]).refused(10, "newer-format");
        let out = data.with_extension("out");
        let repaired = run(&["log", "repair", "--data", text(data), "--out", text(&out), "--yes"]);
        assert!(repaired.exit == 10 || repaired.stdout.contains("nothing to repair"), "{repaired:?}");
        let mut after = files(data);
        after.remove(&data.join("log/lock"));
        assert!(after == before, "{name}: something was changed");
        assert!(!out.exists(), "{name}: something newer was repaired");
    };
    let first = "log/00000000000000000000.log";
    refused("log-v1", &|data| make_newer(&data.join(first), 8, 4_092));
    refused("log-v1", &|data| {
        let mut slots = std::fs::read(data.join("log/durable.mark")).unwrap();
        for slot in [0, 4096] {
            slots[slot + 8..slot + 12].copy_from_slice(&2_u32.to_le_bytes());
            let sum = crc32c::crc32c(&slots[slot..slot + 508]);
            slots[slot + 508..slot + 512].copy_from_slice(&sum.to_le_bytes());
        }
        std::fs::write(data.join("log/durable.mark"), slots).unwrap();
    });
    refused("log-v1", &|data| {
        let node = std::fs::read_to_string(data.join("node.json")).unwrap();
        std::fs::write(data.join("node.json"), node.replace("\"format\": 1", "\"format\": 2")).unwrap();
    });
    refused("snapshot-v1", &|data| {
        let snapshots = std::fs::read_dir(data.join("snapshots")).unwrap();
        snapshots.for_each(|entry| make_newer_snapshot(&entry.unwrap().path()));
    });
}

fn make_newer_snapshot(path: &Path) {
    make_newer(path, 8, 60);
}
