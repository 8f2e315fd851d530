//! `log repair` through the built command: a byte rots in the middle of a log that was acknowledged.

use crate::full::SmallDisk;
use crate::support::{Node, copy_files, run, run_with_stdin};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A data directory with a few hundred messages in small segments, two snapshots in the middle of them, and no node.
fn history(data: &Path) {
    std::fs::create_dir_all(data).unwrap();
    std::fs::write(data.join("config.toml"), "[log]\nsegment = \"32 KiB\"\n[snapshots]\ntransactions = 1_000_000\n")
        .unwrap();
    let node = Node::start(data);
    node.publish("examples/hello");
    for part in 0..4 {
        let lines: Vec<_> = (0..150).map(|n| json!([format!("guest {part} {n}")]).to_string()).collect();
        let args = ["--server", &node.url, "call", "hello.greet", "--args", "-", "-o", "jsonl", "-q"];
        run_with_stdin(&args, &lines.join("\n")).ok();
        if part == 1 {
            node.run(&["snapshot", "create"]).ok();
        }
    }
    node.kill();
}

fn segments(data: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(data.join("log")).unwrap().map(|file| file.unwrap().path());
    let mut segments: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "log")).collect();
    segments.sort();
    segments
}

/// Turns a bit of the first transaction of a segment.
fn rot(segment: &Path) {
    let mut bytes = std::fs::read(segment).unwrap();
    bytes[5_000] ^= 1;
    std::fs::write(segment, bytes).unwrap();
}

fn count(data: &str) -> Value {
    run(&["sql", "select count(*) from hello.greeting", "--data", data, "-o", "json"]).ok().json()["rows"][0][0].clone()
}

#[test]
fn a_log_that_rotted_behind_every_snapshot_is_kept_up_to_there() {
    let directory = tempfile::tempdir().unwrap();
    let (data, out) = (directory.path().join("data"), directory.path().join("repaired"));
    history(&data);
    let all = segments(&data);
    assert!(all.len() > 4, "{all:?}");
    rot(&all[all.len() - 2]);
    let (data, out) = (data.to_str().unwrap(), out.to_str().unwrap());
    run(&["start", "--data", data, "--listen", "127.0.0.1:0"]).refused(8, "corrupt");
    assert_eq!(run(&["log", "verify", "--data", data]).exit, 4);
    let before: Vec<_> = all.iter().map(|segment| std::fs::read(segment).unwrap()).collect();

    let refused = run(&["log", "repair", "--data", data, "--out", out]).refused(7, "needs-yes");
    assert!(refused.stderr.contains("--yes"), "{refused:?}");
    let plan = run(&["log", "repair", "--data", data, "--out", out, "--dry-run", "-o", "json"]).ok().json();
    assert!(!Path::new(out).exists() && plan["repaired"] == false);
    let repaired = run(&["log", "repair", "--data", data, "--out", out, "--yes", "-o", "json"]).ok().json();
    assert_eq!((&repaired["kept"], &repaired["given_up"]), (&plan["kept"], &plan["given_up"]));
    let kept: u64 = repaired["kept"]["to"].as_str().unwrap().parse().unwrap();
    assert!(kept > 302 && kept < 602, "{kept} are kept");
    assert_eq!(repaired["given_up"]["to"], "602");
    let after: Vec<_> = all.iter().map(|segment| std::fs::read(segment).unwrap()).collect();
    assert!(before == after, "nothing is repaired in place");

    // Genesis, the publish with a greeting of its own, and one greeting for each call.
    assert_eq!(count(out), json!((kept - 1).to_string()));
    let verified = run(&["log", "verify", "--data", out]).ok().stdout;
    assert!(verified.contains("another history begins here") && verified.contains("given_up"), "{verified}");
    let node = Node::start(Path::new(out));
    node.run(&["call", "hello.greet", "newcomer"]).ok();
    node.replays();
    node.kill();
    assert_eq!(count(out), json!(kept.to_string()));
    assert_eq!(
        run(&["log", "repair", "--data", out, "--out", "/nowhere"]).ok().stdout,
        "nothing to repair: the log is whole\n"
    );
}

#[test]
fn a_log_that_rotted_before_a_snapshot_loses_history_and_no_state() {
    let directory = tempfile::tempdir().unwrap();
    let (data, out) = (directory.path().join("data"), directory.path().join("repaired"));
    history(&data);
    let before = count(data.to_str().unwrap());
    rot(&segments(&data)[0]);
    let (data, out) = (data.to_str().unwrap(), out.to_str().unwrap());
    run(&["start", "--data", data, "--listen", "127.0.0.1:0"]).refused(8, "corrupt");
    let repaired = run(&["log", "repair", "--data", data, "--out", out, "--yes", "-o", "json"]).ok().json();
    assert_eq!((&repaired["kept"]["to"], &repaired["snapshots"]), (&json!("602"), &json!(["302"])));
    assert_eq!(count(out), before, "every acknowledged row is there");
    let node = Node::start(Path::new(out));
    node.run(&["call", "hello.greet", "newcomer"]).ok();
    node.replays();
}

#[test]
fn a_log_that_rotted_before_and_behind_a_snapshot_is_kept_in_between() {
    let directory = tempfile::tempdir().unwrap();
    let (data, out) = (directory.path().join("data"), directory.path().join("repaired"));
    history(&data);
    let all = segments(&data);
    rot(&all[0]);
    rot(&all[all.len() - 2]);
    let (data, out) = (data.to_str().unwrap(), out.to_str().unwrap());
    let repaired = run(&["log", "repair", "--data", data, "--out", out, "--yes", "-o", "json"]).ok().json();
    let kept: u64 = repaired["kept"]["to"].as_str().unwrap().parse().unwrap();
    assert!(kept > 302 && kept < 602, "behind the snapshot, up to the second damage: {repaired}");
    assert_eq!((&repaired["snapshots"], &repaired["given_up"]["to"]), (&json!(["302"]), &json!("602")));
    assert_eq!((&repaired["history"]["from"], &repaired["history"]["to"]), (&json!("0"), &repaired["kept"]["from"]));
    assert_eq!(count(out), json!((kept - 1).to_string()));
    let node = Node::start(Path::new(out));
    node.run(&["call", "hello.greet", "newcomer"]).ok();
    node.replays();
}

/// Somebody put an older copy of the log back: it is whole, and without what a snapshot was made of.
#[test]
fn a_log_that_ends_before_its_snapshot_is_gone_on_with_behind_that() {
    let directory = tempfile::tempdir().unwrap();
    let (data, out) = (directory.path().join("data"), directory.path().join("repaired"));
    history(&data);
    let before = count(data.to_str().unwrap());
    let older = directory.path().join("older");
    copy_files(&data.join("log"), &older);
    let node = Node::start(&data);
    node.run(&["call", "hello.greet", "the last one"]).ok();
    node.run(&["snapshot", "create"]).ok();
    let receipt =
        node.run(&["call", "hello.greet", "behind the snapshot", "-o", "json"]).ok().json()["receipt"].clone();
    node.kill();
    std::fs::remove_dir_all(data.join("log")).unwrap();
    std::fs::rename(older, data.join("log")).unwrap();

    let (data, out) = (data.to_str().unwrap(), out.to_str().unwrap());
    run(&["start", "--data", data, "--listen", "127.0.0.1:0"]).refused(8, "corrupt");
    let plan = run(&["log", "repair", "--data", data, "--out", out]).refused(7, "needs-yes").stderr;
    assert!(plan.contains("the history of 0..603"), "{plan}");
    let repaired = run(&["log", "repair", "--data", data, "--out", out, "--yes", "-o", "json"]).ok().json();
    assert_eq!((&repaired["kept"]["to"], &repaired["snapshots"]), (&json!("603"), &json!(["603"])));
    assert!(repaired["damage"].to_string().contains("does not reach to snapshot 603"), "{repaired}");
    let node = Node::start(Path::new(out));
    let rows = node.run(&["sql", "select count(*) from hello.greeting", "-o", "json"]).ok().json();
    let rows: u64 = rows["rows"][0][0].as_str().unwrap().parse().unwrap();
    assert_eq!(rows, before.as_str().unwrap().parse::<u64>().unwrap() + 1);
    let url = format!("{}/v1/receipt", node.url);
    let answer = ureq::post(&url).config().http_status_as_error(false).build().send(receipt.to_string()).unwrap();
    assert_eq!(answer.status().as_u16(), 409, "what was behind the snapshot is lost, and its receipt says so");
    node.run(&["call", "hello.greet", "newcomer"]).ok();
    node.replays();
    node.kill();
    run(&["log", "verify", "--data", out]).ok();
}

/// A snapshot of another log does not stand for this one, however far it reaches.
#[test]
fn a_snapshot_of_another_log_is_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (data, other) = (directory.path().join("data"), directory.path().join("other"));
    let out = directory.path().join("repaired");
    history(&data);
    history(&other);
    let node = Node::start(&other);
    (0..3).for_each(|_| drop(node.run(&["call", "hello.greet", "elsewhere"]).ok()));
    node.run(&["snapshot", "create"]).ok();
    node.kill();
    let name = "snapshots/00000000000000000605.snapshot";
    std::fs::copy(other.join(name), data.join(name)).unwrap();
    let (data, out) = (data.to_str().unwrap(), out.to_str().unwrap());
    let found = run(&["snapshot", "verify", "--data", data]);
    assert!(found.exit == 4 && found.stdout.contains("another log"), "{found:?}");
    rot(&segments(Path::new(data))[1]);
    let repaired = run(&["log", "repair", "--data", data, "--out", out, "--yes", "-o", "json"]).ok().json();
    assert_eq!((&repaired["kept"]["to"], &repaired["snapshots"]), (&json!("602"), &json!(["302"])));
}

#[test]
fn a_directory_that_is_there_is_not_written_into() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    history(&data);
    rot(&segments(&data)[1]);
    let out = directory.path().to_str().unwrap();
    run(&["log", "repair", "--data", data.to_str().unwrap(), "--out", out, "--yes"]).refused(2, "usage");
}

#[test]
fn a_damaged_log_on_a_disk_that_is_read_only_is_repaired_elsewhere() {
    let Some(disk) = SmallDisk::mount("200m") else { return };
    let (data, out) = (disk.path().join("data"), tempfile::tempdir().unwrap());
    history(&data);
    let before = count(data.to_str().unwrap());
    rot(&segments(&data)[0]);
    disk.make_read_only();
    let (data, out) = (data.to_str().unwrap(), out.path().join("repaired"));
    run(&["log", "repair", "--data", data, "--out", out.to_str().unwrap(), "--yes"]).ok();
    assert_eq!(count(out.to_str().unwrap()), before, "every acknowledged row is there");
}
