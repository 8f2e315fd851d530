//! The scrub: damage that comes while a node runs is found by the node, and said in its status, its metrics and its log.

use crate::support::{Node, run};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn status(node: &Node) -> Value {
    node.run(&["status", "-o", "json"]).ok().json()
}

/// The status, once `is` holds for it.
fn status_once(node: &Node, is: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let status = status(node);
        if is(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "it never was: {status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A node with a few segments and a snapshot, which scrubs all the time.
fn scrubbing(directory: &Path) -> Node {
    let settings = "[log]\nsegment = \"32 KiB\"\n[scrub]\ninterval = \"100ms\"\nrate = \"64 MiB\"\n";
    std::fs::write(directory.join("config.toml"), settings).unwrap();
    let node = Node::start(directory);
    node.publish("fixtures/modules/probe");
    for id in 0..8_u64 {
        node.run(&["call", "probe.mark", &id.to_string(), &format!("{id}").repeat(9_000)]).ok();
    }
    node.run(&["snapshot", "create"]).ok();
    node
}

fn metrics(node: &Node) -> String {
    ureq::get(&format!("{}/metrics", node.url)).call().unwrap().body_mut().read_to_string().unwrap()
}

/// Turns a bit in the middle of a file.
fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// The only file in `directory` whose name ends like this, or the second one of more.
fn file(directory: &Path, end: &str) -> PathBuf {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.to_str().unwrap().ends_with(end)).collect();
    files.sort();
    files.swap_remove(usize::from(files.len() > 1))
}

/// What the scrub found; whoever else came by the damage may say so too.
fn damage(status: &Value) -> Option<&Value> {
    status["alarms"].as_array().unwrap().iter().find(|alarm| alarm["code"] == "damage-found")
}

#[test]
fn damage_is_found_by_the_node_and_raises_an_alarm_until_it_is_mended() {
    let directory = tempfile::tempdir().unwrap();
    let node = scrubbing(directory.path());
    // One that began when there was something to read.
    let clean = status_once(&node, |status| status["scrub"]["bytes"].as_u64() > Some(100_000));
    assert_eq!((&clean["scrub"]["faults"], &clean["alarms"]), (&json!(0), &json!([])));
    let text = metrics(&node);
    assert!(text.contains("interstice_scrub_faults 0\n") && text.ends_with("# EOF\n"), "{text}");
    assert!(text.contains("interstice_transactions_durable_total 10\n"), "{text}");

    for (file, what) in [
        (file(&directory.path().join("log"), ".log"), "segment 0000000000000000000"),
        (file(&directory.path().join("snapshots"), ""), "snapshot 10"),
    ] {
        flip(&file);
        let status = status_once(&node, |status| damage(status).is_some());
        let alarm = damage(&status).unwrap();
        assert!(alarm["message"].as_str().unwrap().contains(what), "{alarm}");
        assert!(alarm["hint"].as_str().unwrap().contains("interstice log verify"), "{alarm}");
        assert!(node.run(&["status"]).ok().stdout.contains("damage-found"));
        assert!(metrics(&node).contains("interstice_alarm{task=\"scrub\",code=\"damage-found\"} 1\n"));
        assert!(node.said().contains("alarm: "), "{}", node.said());
        flip(&file);
        status_once(&node, |status| damage(status).is_none());
        assert!(node.said().contains("an alarm is over"), "{}", node.said());
    }
    // Writes go on all the time, and the node ends in the middle of a scrub when it is told to.
    node.run(&["call", "probe.mark", "100", "later"]).ok();
    assert_eq!(node.terminate(), Some(0));
    run(&["log", "verify", "--data", directory.path().to_str().unwrap()]).ok();
}

/// What is written, sealed, folded and trimmed while it is read is no damage.
#[test]
fn a_node_under_load_that_trims_its_log_finds_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let settings = "[log]\nsegment = \"32 KiB\"\n[snapshots]\ntransactions = 40\n[retention]\nkeep = \"64 KiB\"\n\
        [scrub]\ninterval = \"1ms\"\nrate = \"2 MiB\"\n";
    std::fs::write(directory.path().join("config.toml"), settings).unwrap();
    let node = Node::start(directory.path());
    node.publish("fixtures/modules/probe");
    let lines: Vec<_> = (0..400).map(|id| format!("[{id}, \"{id:01000}\"]")).collect();
    let args = ["--server", &node.url, "call", "probe.mark", "--args", "-", "-q"];
    let started = Instant::now();
    let mut scrubs = std::collections::BTreeSet::new();
    std::thread::scope(|scope| {
        let load = scope.spawn(|| crate::support::run_with_stdin(&args, &lines.join("\n")).ok());
        while !load.is_finished() || started.elapsed() < Duration::from_secs(3) {
            let status = status(&node);
            assert_eq!(status["alarms"], json!([]));
            scrubs.insert(status["scrub"]["at"].to_string());
        }
    });
    assert!(scrubs.len() > 2, "{scrubs:?}");
    let first = node.run(&["log", "verify", "-o", "json"]).ok().json()["segments"][0]["first_offset"].clone();
    assert_ne!(first, json!("0"), "nothing was trimmed");
}
