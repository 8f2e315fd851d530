//! A node that runs its own transactions again while it goes on.

use crate::support::{Node, interstice, run, run_with_stdin, wait_until};
use serde_json::json;
use std::path::Path;

fn verifying(data: &Path, share: &str) -> Node {
    let data = data.to_str().unwrap();
    let mut command = interstice(&["start", "--data", data, "--listen", "127.0.0.1:0", "--verify", share]);
    Node::launch(&mut command).unwrap()
}

/// Calls, calls of another module, events, publishes: all of them are run again, and come out the same.
#[test]
fn every_transaction_is_run_again_beside_the_node() {
    let directory = tempfile::tempdir().unwrap();
    let node = verifying(directory.path(), "1/1");
    node.publish("examples/hello");
    node.publish("examples/caller");
    for name in ["ada", "grace", "edsger"] {
        node.run(&["call", "caller.greet_both", name, "all"]).ok();
    }
    let status = || node.run(&["status", "-o", "json"]).ok().json();
    wait_until("what was picked is run again", || {
        let status = status();
        let verify = &status["verify"];
        assert_eq!((&verify["share"], &verify["skipped"]), (&json!(1), &json!(0)), "{status}");
        // Genesis came before the node could pick.
        status["pending_events"] == json!(0)
            && verify["checked"].as_u64().unwrap() + 1 == status["offset"].as_str().unwrap().parse::<u64>().unwrap()
    });
    let status = status();
    assert_eq!((&status["verify"]["divergent"], &status["alarms"]), (&json!(0), &json!([])), "{status}");
    assert!(status["verify"]["checked"].as_u64().unwrap() > 6, "events too: {status}");
    let told = node.run(&["status"]).ok().stdout;
    assert!(told.contains("run again, 0 came out otherwise, 0 skipped"), "{told}");
    let metrics = ureq::get(&format!("{}/metrics", node.url)).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(metrics.contains("interstice_divergences_total 0"), "{metrics}");
    node.replays();
}

#[test]
fn a_share_of_them_is_picked_whatever_the_rhythm_of_calls() {
    let directory = tempfile::tempdir().unwrap();
    let node = verifying(directory.path(), "1/8");
    node.publish("examples/bank");
    let lines: Vec<_> = (0..2_000).map(|n| json!([n + 1, n + 2, 1]).to_string()).collect();
    let args = ["--server", &node.url, "call", "bank.transfer", "--args", "-", "-o", "jsonl", "-q"];
    run_with_stdin(&args, &lines.join("\n")).ok();
    let verify = || node.run(&["status", "-o", "json"]).ok().json()["verify"].clone();
    let count = |verify: &serde_json::Value, what: &str| verify[what].as_u64().unwrap();
    wait_until("what was picked is run again", || {
        let (before, after) = (verify(), verify());
        before == after && count(&after, "checked") > 0
    });
    let verify = verify();
    let picked = count(&verify, "checked") + count(&verify, "skipped");
    // 250 on average; chance alone brings it out of this once in 10^9 times.
    assert!((160..=345).contains(&picked), "{verify}");
    assert_eq!(verify["divergent"], json!(0));
}

#[test]
fn a_share_that_is_none_is_refused() {
    for share in ["2/3", "1/0", "8", "1/x"] {
        let ran = run(&["start", "--memory", "--verify", share]);
        assert_eq!(ran.exit, 2, "{ran:?}");
        assert!(ran.stderr.contains("write `1/N`, as in `1/16`"), "{}", ran.stderr);
    }
}

/// What a node may spend on a call is set, and set otherwise later: each call is run again under what it ran under.
#[test]
fn calls_are_run_again_under_the_limits_of_then() {
    let directory = tempfile::tempdir().unwrap();
    let (data, file) = (directory.path().to_str().unwrap(), directory.path().join("config.toml"));
    let limits = |fuel: u64| std::fs::write(&file, format!("[limits]\nfuel = {fuel}\n")).unwrap();
    let noted = |node: &Node| {
        let statement = "select value from interstice.limit where name = 'fuel'";
        node.run(&["sql", statement, "-o", "json"]).ok().json()["rows"][0][0].clone()
    };
    limits(400_000_000);
    let node = Node::start(directory.path());
    node.publish("fixtures/modules/probe");
    node.run(&["call", "probe.pile", "100", "20000", "8"]).ok();
    assert_eq!(noted(&node), serde_json::json!("400000000"));
    node.terminate();
    // With less it would not come to its end any more.
    limits(2_000_000);
    let node = Node::start(directory.path());
    assert_eq!(noted(&node), serde_json::json!("2000000"));
    node.run(&["call", "probe.pile", "100000", "20000", "8"]).refused(1, "out-of-fuel");
    let checked = node.run(&["replay", "check", "-o", "json"]).ok().json();
    assert_eq!((&checked["divergent"], &checked["incomparable"]), (&json!(0), &json!(0)), "{checked}");
    node.terminate();
    // Nor is a change of them lost when it begins at a snapshot.
    run(&["snapshot", "create", "--data", data]).ok();
    limits(3_000_000);
    let node = Node::start(directory.path());
    assert_eq!(noted(&node), serde_json::json!("3000000"));
    node.replays();
    assert!(run(&["replay", "check", "--data", data]).ok().stdout.contains("0 divergences"));
    node.terminate();
    limits(1);
    let mut command = interstice(&["start", "--data", data, "--listen", "127.0.0.1:0"]);
    let ran = Node::launch(&mut command).err().unwrap();
    assert!(ran.exit == 2 && ran.stderr.contains("`limits.fuel` must be at least"), "{ran:?}");
}
