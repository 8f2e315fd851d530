//! Schedules on real nodes: told, controlled, in a data directory, and through `kill -9`.

use crate::support::{Node, run};
use serde_json::Value;
use std::time::{Duration, Instant};

/// What `args` find, once `done` is true of it.
fn eventually(node: &Node, args: &[&str], done: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let found = node.run(args).ok().json();
        if done(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "{found}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn count(found: &Value) -> usize {
    found["rows"].as_array().unwrap().len()
}

const RUNG: &[&str] = &["sql", "select * from reminders.reminder where rung = true", "-o", "json"];

#[test]
fn schedules_are_listed_controlled_and_told() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    node.publish("examples/reminders");
    node.run(&["call", "reminders.remind", "tea", "3600"]).ok();
    let list = node.run(&["schedule", "list", "-o", "json"]).ok().json();
    assert_eq!((&list["schema"], &list["total"]), (&"interstice.schedules/v1".into(), &3.into()));
    let of = |function: &str| {
        let all = list["schedules"].as_array().unwrap();
        all.iter().find(|schedule| schedule["function"] == function).unwrap().clone()
    };
    assert_eq!((&of("tidy")["times"], &of("ring")["times"]), (&"cron 0 3 * * * Europe/Paris".into(), &Value::Null));
    assert_eq!(of("ring")["args"], serde_json::json!({"id": "1"}));
    let text = node.run(&["schedule", "list", "--module", "reminders"]).ok().stdout;
    assert!(text.contains("reminders.count_hour()") && text.contains("every 1h"), "{text}");
    assert!(text.contains(r#"reminders.ring{"id":"1"}"#), "{text}");
    assert_eq!(node.run(&["schedule", "list", "--module", "chat", "-o", "jsonl"]).ok().stdout, "");

    let ring = of("ring")["id"].as_str().unwrap().to_owned();
    let control = |action: &str, id: &str| node.run(&["schedule", action, id, "-o", "json"]);
    let paused = control("pause", &ring).ok().json();
    assert_eq!((&paused["schema"], &paused["action"]), (&"interstice.schedule/v1".into(), &"pause".into()));
    node.run(&["schedule", "run", &ring]).refused(1, "schedule-paused");
    control("resume", &ring).ok();
    control("run", &ring).ok();
    eventually(&node, RUNG, |found| count(found) == 1);
    node.run(&["schedule", "run", &ring]).refused(1, "unknown-schedule");
    let tidy = of("tidy")["id"].as_str().unwrap().to_owned();
    node.run(&["schedule", "cancel", &tidy]).refused(1, "declared-schedule");
    control("run", &tidy).ok();
    eventually(&node, &["sql", "select * from reminders.reminder", "-o", "json"], |found| count(found) == 0);

    let told = node.run(&["log", "dump", "--cause", "schedule", "-o", "json"]).ok().json();
    let told = told["transactions"].as_array().unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((&told[0]["function"], &told[0]["schedule"]["id"]), (&"reminders.ring".into(), &ring.as_str().into()));
    let controls = node.run(&["log", "dump", "--cause", "control", "-o", "json"]).ok().json();
    assert_eq!(controls["transactions"][0]["control"], serde_json::json!({"action": "pause", "schedule": ring}));
    node.replays();

    node.run(&["call", "reminders.remind", "coffee", "3600"]).ok();
    assert_eq!(node.terminate(), Some(0));
    let directory = data.path().to_str().unwrap();
    let list = run(&["schedule", "list", "--data", directory, "-o", "csv"]).ok().stdout;
    assert!(list.starts_with("args,due,function,id,module,paused,times\n") && list.lines().count() == 4, "{list}");
    run(&["replay", "check", "--data", directory]).ok();
}

#[test]
fn what_is_pending_when_a_node_is_killed_runs_exactly_once() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    node.publish("examples/reminders");
    let seconds = |n: usize| format!("[\"reminder {n}\", {}]\n", n % 3);
    let calls: String = (0..300).map(seconds).collect();
    let node_url = node.url.clone();
    crate::support::run_with_stdin(&["--server", &node_url, "call", "reminders.remind", "--args", "-"], &calls).ok();
    node.kill();
    // Once more while they run.
    let node = Node::start(data.path());
    eventually(&node, RUNG, |found| count(found) > 100);
    node.kill();
    let node = Node::start(data.path());
    eventually(&node, RUNG, |found| count(found) == 300);
    let told = node.run(&["log", "dump", "--function", "reminders.ring", "-o", "json"]).ok().json();
    let told = told["transactions"].as_array().unwrap();
    let mut ids: Vec<_> = told.iter().map(|ran| ran["schedule"]["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((told.len(), ids.len()), (300, 300));
    assert_eq!(node.run(&["schedule", "list", "-o", "json"]).ok().json()["total"], 2);
    node.replays();
}
