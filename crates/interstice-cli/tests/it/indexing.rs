//! The index of rows as a user meets it: made by a node beside its work, looked at and made again on a data directory.

use crate::support::{Node, run, wait_until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const HISTORY: [&str; 5] = ["history", "inventory.stock", r#"[1, "tea"]"#, "-o", "json"];

/// A data directory with changes of a row; a node ran on it, and was asked to end.
fn with_changes() -> (tempfile::TempDir, Value) {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path());
    node.publish("examples/inventory");
    for count in ["5", "6", "7"] {
        node.run(&["call", "inventory.receive", "1", "tea", count]).ok();
    }
    let told = node.run(&HISTORY).ok().json();
    assert_eq!(node.terminate(), Some(0));
    (directory, told)
}

fn on(data: &Path, args: &[&str]) -> crate::support::Ran {
    run(&[args, &["--data", data.to_str().unwrap()]].concat())
}

fn files(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("index")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ext| ext == "index")).collect();
    files.sort();
    files
}

fn turn(file: &Path, byte: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[byte] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn a_node_keeps_an_index_that_can_be_looked_at_thrown_away_and_made_again() {
    let (directory, told) = with_changes();
    let data = directory.path();
    assert_eq!(told["entries"].as_array().unwrap().len(), 3);
    assert_eq!(on(data, &HISTORY).ok().json(), told);

    // It was kept when the node ended, and says what the log says.
    let [file] = &files(data)[..] else { panic!("{:?}", files(data)) };
    let looked = on(data, &["log", "index", "--verify", "-o", "json"]).ok().json();
    assert_eq!(looked["schema"], "interstice.log-index/v1");
    assert_eq!((&looked["added"], &looked["ok"], &looked["faults"]), (&json!("0"), &json!(true), &json!([])));
    assert_eq!(looked["next_offset"], "5");

    // A byte of an entry, one of the outline, one of the header.
    let size = std::fs::metadata(file).unwrap().len() as usize;
    for byte in [size - 4_000, 1_000, 40] {
        turn(file, byte);
        assert_eq!(on(data, &HISTORY).ok().json(), told, "byte {byte}");
        let found = on(data, &["log", "index", "--verify"]);
        assert_eq!(found.exit, 4, "byte {byte}: {found:?}");
        assert!(
            found.stdout.contains("00000000000000000000.index") && found.stdout.contains("made again"),
            "{found:?}"
        );
        let text = on(data, &["log", "index", "--verify"]).ok().stdout;
        assert!(text.starts_with("index of 5 transactions, 0 of them new: "), "{text}");
        assert_eq!(on(data, &HISTORY).ok().json(), told, "byte {byte}");
    }

    // Without it, and with all of it made again.
    std::fs::remove_dir_all(data.join("index")).unwrap();
    assert_eq!(on(data, &HISTORY).ok().json(), told);
    let made = on(data, &["log", "index", "-o", "json"]).ok().json();
    assert_eq!((&made["added"], &made["next_offset"]), (&json!("5"), &json!("5")));
    let again = on(data, &["log", "index", "--rebuild", "-o", "json"]).ok().json();
    assert_eq!((&again["added"], &again["entries"]), (&json!("5"), &made["entries"]));
    assert_eq!(on(data, &HISTORY).ok().json(), told);
}

#[test]
fn a_damaged_index_costs_a_node_nothing_but_time() {
    let (directory, told) = with_changes();
    let data = directory.path();
    let [file] = &files(data)[..] else { panic!("{:?}", files(data)) };
    let size = std::fs::metadata(file).unwrap().len() as usize;
    for byte in [size - 4_000, 1_000, 40] {
        turn(file, byte);
        let node = Node::start(data);
        assert_eq!(node.run(&HISTORY).ok().json(), told, "byte {byte}");
        // It is as it should be as soon as the node has ended.
        assert_eq!(node.terminate(), Some(0));
        on(data, &["log", "index", "--verify"]).ok();
    }
}

/// What was committed is in the history at once, however far behind the index is; what a kill takes of it is made again.
#[test]
fn the_history_of_a_row_is_never_behind() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = Node::start(directory.path());
    node.publish("examples/inventory");
    for count in 1..=6_usize {
        node.run(&["call", "inventory.receive", "1", "tea", "1"]).ok();
        assert_eq!(node.run(&HISTORY).ok().json()["entries"].as_array().unwrap().len(), count);
        if count % 2 == 0 {
            node.kill();
            assert_eq!(on(directory.path(), &HISTORY).ok().json()["entries"].as_array().unwrap().len(), count);
            node = Node::start(directory.path());
        }
    }
}

/// A node that gives up the beginning of its log has an index of what is left.
#[test]
fn an_index_is_given_up_with_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let settings = "[log]\nsegment = \"32 KiB\"\n[retention]\nkeep = \"1 B\"\n";
    std::fs::write(directory.path().join("config.toml"), settings).unwrap();
    let mut node = Node::start(directory.path());
    node.publish("examples/inventory");
    // Each start and end of a node is a snapshot that somebody asked for, and a stretch of calls behind it.
    for _ in 0..3 {
        for _ in 0..40 {
            node.run(&["call", "inventory.receive", "1", "tea", "1"]).ok();
        }
        node.run(&["snapshot", "create"]).ok();
        assert_eq!(node.terminate(), Some(0));
        node = Node::start(directory.path());
    }
    let first = || {
        let logs = std::fs::read_dir(directory.path().join("log")).unwrap().map(|entry| entry.unwrap().file_name());
        let names = logs.map(|name| name.into_string().unwrap());
        let is_segment =
            |name: &String| name.len() == 24 && Path::new(name).extension().is_some_and(|ext| ext == "log");
        names.filter(is_segment).min().unwrap()
    };
    wait_until("the log's beginning is given up", || first() != format!("{:020}.log", 0));
    let told = node.run(&HISTORY).ok().json();
    let entries = told["entries"].as_array().unwrap();
    assert!(!entries.is_empty() && entries.len() < 120, "{}", entries.len());
    // The oldest that is left says what was there before it, which a snapshot holds.
    assert_ne!(entries.last().unwrap()["old"], Value::Null);
    assert_eq!(node.terminate(), Some(0));
    assert_eq!(on(directory.path(), &HISTORY).ok().json(), told);
    std::fs::remove_dir_all(directory.path().join("index")).unwrap();
    assert_eq!(on(directory.path(), &HISTORY).ok().json(), told);
}

#[test]
fn an_index_is_made_only_where_it_is_of_use() {
    let (directory, _) = with_changes();
    let data = directory.path();
    let node = Node::start(data);
    on(data, &["log", "index"]).refused(11, "data-directory-in-use");
    let backups = tempfile::tempdir().unwrap();
    node.run(&["backup", "create", "--to", backups.path().to_str().unwrap()]).ok();
    let entries = std::fs::read_dir(backups.path()).unwrap().map(|entry| entry.unwrap().path());
    let backup = entries.into_iter().find(|path| path.extension().is_some_and(|ext| ext == "json")).unwrap();
    on(&backup, &["log", "index"]).refused(2, "usage");
    on(&data.join("nowhere"), &["log", "index"]).refused(1, "no-data");
}
