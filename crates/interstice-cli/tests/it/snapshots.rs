//! Snapshots, and a log whose beginning is given up behind them, through the built command.

use crate::support::{Node, interstice, run, run_with_stdin, wait_until};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;

/// Settings under which a few thousand calls are a long history.
const SMALL: &str = "[log]\nsegment = \"32 KiB\"\n[snapshots]\ntransactions = 400\n";

fn settings(data: &Path, text: &str) {
    std::fs::create_dir_all(data).unwrap();
    std::fs::write(data.join("config.toml"), text).unwrap();
}

/// Sends `count` messages.
fn send(node: &Node, count: usize) {
    let lines: Vec<_> = (0..count).map(|n| json!(["general", format!("message {n}")]).to_string()).collect();
    let args = ["--server", &node.url, "call", "chat.send", "--args", "-", "-o", "jsonl", "-q"];
    run_with_stdin(&args, &lines.join("\n")).ok();
}

fn snapshots(node: &Node) -> Vec<Value> {
    node.run(&["snapshot", "list", "-o", "json"]).ok().json()["snapshots"].as_array().unwrap().clone()
}

const ALL: &str = "select room, seq, author, sent_at, body from chat.message order by room, seq";

/// The rows of the table as text, which is the same whoever tells them.
fn rows_of(args: &[&str]) -> String {
    run(&[&["sql", ALL, "-o", "jsonl"], args].concat()).ok().stdout
}

#[test]
fn a_snapshot_is_made_verified_and_begun_from() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let node = Node::start(directory.path());
    node.publish("examples/chat");
    send(&node, 20);
    let made = node.run(&["snapshot", "create", "-o", "json"]).ok().json();
    assert_eq!((&made["schema"], &made["created"]), (&json!("interstice.snapshot/v1"), &json!(true)));
    assert_eq!((&made["next_offset"], &made["folded"]), (&json!("22"), &json!(22)));
    assert_eq!(node.run(&["snapshot", "create", "-o", "json"]).ok().json()["created"], false);
    assert_eq!(node.run(&["status", "-o", "json"]).ok().json()["snapshot"], 22);
    send(&node, 5);
    node.run(&["snapshot", "create"]).ok();
    node.run(&["snapshot", "verify"]).ok();
    send(&node, 3);
    let rows = rows_of(&["--server", &node.url]);
    node.kill();

    assert_eq!(rows_of(&["--data", data]), rows, "without a node it begins from a snapshot too");
    let node = Node::start(directory.path());
    assert_eq!(rows_of(&["--server", &node.url]), rows);
    assert_eq!(node.run(&["status", "-o", "json"]).ok().json()["snapshot"], 27);
    node.run(&["snapshot", "create", "--data", data]).refused(11, "data-directory-in-use");
    node.kill();
    run(&["snapshot", "create", "--data", data]).ok();
    assert_eq!(
        run(&["snapshot", "list", "--data", data, "-o", "json"]).ok().json()["snapshots"][1]["next_offset"],
        "30"
    );
}

#[test]
fn a_damaged_snapshot_is_said_to_be_and_the_older_one_is_as_good() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let node = Node::start(directory.path());
    node.publish("examples/chat");
    for _ in 0..2 {
        send(&node, 20);
        node.run(&["snapshot", "create"]).ok();
    }
    let rows = rows_of(&["--server", &node.url]);
    node.kill();
    let newest = directory.path().join("snapshots").join(format!("{:020}.snapshot", 42));
    let mut bytes = std::fs::read(&newest).unwrap();
    bytes[150] ^= 4;
    std::fs::write(&newest, bytes).unwrap();

    let verified = run(&["snapshot", "verify", "--data", data, "-o", "json"]);
    assert_eq!((verified.exit, &verified.json()["ok"]), (4, &json!(false)));
    let node = Node::start(directory.path());
    assert_eq!(rows_of(&["--server", &node.url]), rows);
    let status = node.run(&["status", "-o", "json"]).ok().json();
    assert_eq!((&status["snapshot"], &status["alarms"][0]["code"]), (&json!(22), &json!("snapshot-damaged")));
    send(&node, 1);
    node.run(&["snapshot", "create"]).ok();
    node.run(&["snapshot", "verify"]).ok();
}

#[test]
fn a_node_in_memory_has_no_snapshots_and_says_so() {
    let node = Node::in_memory();
    node.run(&["snapshot", "create"]).refused(1, "no-snapshots");
    assert_eq!(snapshots(&node), [json!(null); 0]);
}

fn log_size(data: &Path) -> u64 {
    let size = |name: &str| -> u64 {
        let files = std::fs::read_dir(data.join(name)).map(Iterator::collect::<Vec<_>>).unwrap_or_default();
        files.into_iter().map(|file| file.and_then(|file| file.metadata()).map_or(0, |file| file.len())).sum()
    };
    size("log") + size("snapshots")
}

/// A log under constant load keeps what it is told to keep: the policy's bytes, two snapshots, and three segments.
#[test]
fn a_log_with_a_retention_policy_is_bounded_and_goes_on_without_its_beginning() {
    const KEPT: u64 = 128 << 10;
    let directory = tempfile::tempdir().unwrap();
    let (data, archive) = (directory.path().join("data"), directory.path().join("archive"));
    let more = format!("[retention]\nkeep = \"128 KiB\"\narchive = {:?}\n", archive.to_str().unwrap());
    settings(&data, &format!("{SMALL}{more}"));
    let node = Node::start(&data);
    node.publish("examples/bank");
    let beginning = || !data.join("log").join(format!("{:020}.log", 0)).exists();
    let (mut highest, mut calls) = (0, 0);
    wait_until("the log's beginning is given up", || {
        let lines: Vec<_> = (0..500).map(|n| json!([n + 1, n + 2, 1]).to_string()).collect();
        let args = ["--server", &node.url, "call", "bank.transfer", "--args", "-", "-o", "jsonl", "-q"];
        run_with_stdin(&args, &lines.join("\n")).ok();
        calls += 500;
        beginning()
    });
    // The publish is one transaction of several MiB, in a segment of its own that is gone now.
    for _ in 0..6 {
        let lines: Vec<_> = (0..500).map(|n| json!([n + 1, n + 2, 1]).to_string()).collect();
        let args = ["--server", &node.url, "call", "bank.transfer", "--args", "-", "-o", "jsonl", "-q"];
        run_with_stdin(&args, &lines.join("\n")).ok();
        calls += 500;
        let found = snapshots(&node);
        let two: u64 = found.iter().map(|snapshot| snapshot["bytes"].as_u64().unwrap()).max().unwrap_or(0) * 3;
        highest = highest.max(log_size(&data).saturating_sub(two));
    }
    // Behind the older snapshot there are 400 transactions of about 200 bytes before the newest, and as many before the next.
    let bound = KEPT + (3 << 15) + 4 * 400 * 250;
    assert!(highest <= bound, "{highest} bytes beside the snapshots, {bound} are allowed");
    assert!(std::fs::read_dir(&archive).unwrap().count() > 0, "segments go to the archive");

    node.replays();
    node.run(&["log", "verify"]).ok();
    let total = node.run(&["query", "bank.total", "-o", "json"]).ok().json()["value"].clone();
    node.kill();
    let node = Node::start(&data);
    assert_eq!(node.run(&["query", "bank.total", "-o", "json"]).ok().json()["value"], total);
    let last = node.run(&["log", "inspect", &(calls + 1).to_string(), "-o", "json"]).ok().json();
    assert_eq!(last["transaction"]["function"], "bank.transfer");
    node.run(&["log", "inspect", "0"]).refused(1, "trimmed");
    node.kill();
    run(&["replay", "check", "--data", data.to_str().unwrap()]).ok();
}

#[test]
fn settings_that_make_no_sense_are_refused_before_anything_is_done() {
    let directory = tempfile::tempdir().unwrap();
    settings(directory.path(), "[retention]\nkepp = \"all\"\n");
    let mut command = interstice(&["start", "--data", directory.path().to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    let output = command.stdout(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("error[invalid-settings]") && said.contains("kepp"), "{said}");
    assert!(!directory.path().join("log").exists());
}
