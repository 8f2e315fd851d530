//! A working day: build, start, publish, call, ask, watch, kill, look at what is left.

use crate::support::{Node, interstice, run, run_with_stdin};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn what_was_acknowledged_is_there_after_kill_and_without_a_node() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let node = Node::start(directory.path());
    node.publish("examples/chat");
    let called = node.run(&["call", "chat.send", "general", "hi", "-o", "json"]).ok().json();
    assert_eq!(called["schema"], "interstice.call/v1");
    assert_eq!((&called["offset"], &called["value"]), (&json!("2"), &json!("1")));
    let status = node.run(&["status", "-o", "json"]).ok().json();
    assert_eq!((&called["receipt"]["lineage"], &called["receipt"]["offset"]), (&status["lineage"], &json!("2")));
    assert_eq!(called["receipt"]["chain"].as_str().map(str::len), status["head"].as_str().map(str::len));
    assert_eq!(called["changes"]["chat.message"]["insert"], 1);
    let text = node.run(&["call", "chat.send", "general", "ho"]).ok().stdout;
    assert!(text.starts_with("ok  offset 3  ") && text.ends_with("2  chat.message +1\n"), "{text}");
    node.kill();

    let node = Node::start(directory.path());
    let rows = node.run(&["sql", "select seq, body from chat.message order by seq desc", "-o", "json"]).ok().json();
    assert_eq!(rows["schema"], "interstice.rows/v1");
    assert_eq!(rows["rows"], json!([["2", {"tag": "Text", "value": "ho"}], ["1", {"tag": "Text", "value": "hi"}]]));
    let explain = ["sql", "--explain", "select seq from chat.message where body.text = 'hi' and body is not image"];
    let told = node.run(&[&explain[..], &["-o", "json"]].concat()).ok().json();
    assert_eq!(told["schema"], "interstice.explain/v1");
    assert_eq!(told["filter"], "body.Text = 'hi' AND NOT body IS Image");
    assert_eq!((&told["examined"], &told["returned"]), (&json!(2), &json!(1)));
    let live = node.run(&["log", "dump", "-o", "jsonl"]).ok().stdout;
    node.run(&["log", "verify"]).ok();
    node.replays();
    node.kill();

    let verified = run(&["log", "verify", "--data", data, "-o", "json"]).ok().json();
    assert_eq!((&verified["ok"], &verified["transactions"]), (&json!(true), &json!("4")));
    let checked = run(&["replay", "check", "--data", data, "-o", "json"]).ok().json();
    assert_eq!((&checked["ok"], &checked["checked"]), (&json!(true), &json!("4")));
    assert_eq!(run(&["log", "dump", "--data", data, "-o", "jsonl"]).ok().stdout, live);
    let inspected = run(&["log", "inspect", "3", "--data", data, "-o", "json"]).ok().json();
    assert_eq!(inspected["transaction"]["args"], json!({"room": "general", "text": "ho"}));
    let latest = run(&["query", "chat.latest", "general", "1", "--data", data, "-o", "json"]).ok().json();
    assert_eq!(latest["value"][0]["body"]["value"], "ho");
    assert_eq!(run(&["sql", "select count(*) from chat.message", "--data", data]).ok().stdout, "count\n2\n");
    let explained = run(&[&explain[..], &["--data", data]].concat()).ok().stdout;
    assert!(explained.contains("rows looked at  2\nrows returned   1"), "{explained}");
    let schema = run(&["schema", "show", "chat", "--data", data, "-o", "yaml"]).ok().stdout;
    assert!(schema.contains("schema: interstice.schema/v1\n"), "{schema}");
}

#[test]
fn a_subscription_tells_the_rows_that_are_there_then_one_update_for_each_transaction() {
    let node = Node::in_memory();
    node.publish("examples/chat");
    node.run(&["call", "chat.send", "general", "before"]).ok();
    let sql = "select seq, body from chat.message where room = 'general'";
    let mut command = interstice(&["--server", &node.url, "subscribe", sql, "--initial", "-n", "2", "-o", "jsonl"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let body = |text: &str| json!({"tag": "Text", "value": text});
    let row = |seq: &str, text: &str| json!({"seq": seq, "body": body(text)});
    assert_eq!(next(), json!({"offset": "2", "initial": true, "insert": [row("1", "before")], "delete": []}));
    node.run(&["call", "chat.send", "random", "elsewhere"]).ok();
    node.run(&["call", "chat.send", "general", "one"]).ok();
    node.run(&["call", "chat.send", "general", "two"]).ok();
    assert_eq!(next(), json!({"offset": "4", "initial": false, "insert": [row("2", "one")], "delete": []}));
    assert_eq!(next(), json!({"offset": "5", "initial": false, "insert": [row("3", "two")], "delete": []}));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn many_calls_come_from_stdin_and_the_worst_decides_the_exit() {
    let node = Node::in_memory();
    node.publish("examples/hello");
    let args = ["--server", &node.url, "call", "hello.greet", "--args", "-", "-o", "jsonl"];
    let ran = run_with_stdin(&args, "[\"ada\"]\n[\"\"]\n[\"grace\"]\n");
    assert_eq!(ran.exit, 3, "{ran:?}");
    let lines: Vec<serde_json::Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["value"], "2");
    assert_eq!(lines[1]["error"]["code"], "empty-name");
    assert_eq!(lines[2]["value"], "3");
    assert_eq!(run_with_stdin(&args, "[\"ada\"\n").exit, 2);
}

#[test]
fn each_format_is_what_it_says() {
    let node = Node::in_memory();
    node.publish("examples/hello");
    let modules = node.run(&["modules", "list"]).ok().stdout;
    assert!(modules.starts_with("module  version  artefact"), "{modules}");
    let line = node.run(&["modules", "list", "-o", "jsonl"]).ok().json();
    assert_eq!(line["name"], "hello");
    assert!(node.run(&["status", "-o", "yaml"]).ok().stdout.contains("schema: interstice.status/v1\n"));
    assert_eq!(node.run(&["ready"]).ok().stdout, "ready\n");
    assert_eq!(node.run(&["ready", "-o", "json"]).ok().json()["schema"], "interstice.health/v1");
    let shown = node.run(&["schema", "show", "hello"]).ok().stdout;
    assert!(shown.contains("reducer greet(name: string) → u64 or enum GreetError"), "{shown}");
    let by_name = node.run(&["call", "hello.greet", "--args", r#"{"name": "ada"}"#]).ok();
    assert!(by_name.stderr.is_empty(), "{by_name:?}");
    assert_eq!(node.run(&["--as", "ada", "call", "hello.greet", "ada"]).ok().exit, 0);
    let failed = node.run(&["call", "hello.greet", "", "-o", "json"]);
    let error: serde_json::Value = serde_json::from_str(&failed.stderr).unwrap();
    assert_eq!((&error["schema"], &error["error"]["code"]), (&json!("interstice.error/v1"), &json!("empty-name")));
}

#[test]
fn a_module_may_be_published_under_another_name() {
    let node = Node::in_memory();
    node.run(&["publish", "examples/hello", "--name", "salut"]).ok();
    node.run(&["call", "salut.greet", "ada"]).ok();
    assert_eq!(node.run(&["sql", "select count(*) from salut.greeting"]).ok().stdout, "count\n2\n");
}
