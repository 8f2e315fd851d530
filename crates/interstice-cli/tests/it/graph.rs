//! Graphs: the same of a node, of its data directory and of a backup of it; what was counted; cycles that a publish would make.

use crate::support::{Node, Ran, copy_of, interstice, run};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A node with `hello` and `caller`, what happened on it, its directory and a backup of it.
///
/// Offsets: 0 genesis, 1 and 2 publishes, 3 a call that greets two, 4 and 5 its events, 6 a call that greets one, 7 its event.
struct Past {
    directory: tempfile::TempDir,
    node: Node,
    backup: String,
}

impl Past {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let node = Node::start(&directory.path().join("data"));
        node.publish("examples/hello");
        node.publish("examples/caller");
        node.run(&["call", "caller.greet_both", "ada", "grace"]).ok();
        events(&node, 6);
        node.run(&["call", "hello.greet", ""]).refused(3, "empty-name");
        node.run(&["call", "hello.greet", "ada"]).ok();
        events(&node, 8);
        let backups = directory.path().join("backups");
        let made = node.run(&["backup", "create", "--to", backups.to_str().unwrap(), "-o", "json"]).ok().json();
        let backup = made["file"].as_str().unwrap().to_owned();
        Self { directory, node, backup }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What the command says, asked of all three.
    fn each(&self, args: &[&str]) -> [Ran; 3] {
        let args = [&["graph"], args].concat();
        let data = |path: &str| run(&[args.as_slice(), &["--data", path]].concat());
        [self.node.run(&args), data(self.path("data").to_str().unwrap()), data(&self.backup)]
    }

    /// What all three print.
    fn print(&self, args: &[&str]) -> String {
        let [node, directory, backup] = self.each(args).map(|ran| ran.ok().stdout);
        assert_eq!(node, directory, "{args:?}");
        assert_eq!(node, backup, "{args:?}");
        node
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.print(&[args, &["-o", "json"]].concat())).unwrap()
    }
}

/// Waits until so many transactions are in the log.
fn events(node: &Node, count: u64) {
    let reached = |_: &u32| node.run(&["log", "inspect", &(count - 1).to_string()]).exit == 0;
    (0..200).find(reached).expect("the events are delivered");
}

fn with<'v>(list: &'v Value, fields: &Value) -> &'v Value {
    let holds = |item: &&Value| fields.as_object().unwrap().iter().all(|(name, value)| item[name] == *value);
    list.as_array().unwrap().iter().find(holds).unwrap_or_else(|| panic!("no {fields} in {list}"))
}

#[test]
fn a_graph_is_the_same_of_a_node_a_directory_and_a_backup() {
    let past = Past::new();
    for kind in ["modules", "subscriptions", "transactions"] {
        for format in ["html", "svg", "dot", "graphml", "mermaid", "json"] {
            past.print(&["--kind", kind, "--format", format]);
        }
    }
    let declared = past.json(&[]);
    assert_eq!((&declared["schema"], &declared["cycles"]), (&json!("interstice.graph/v1"), &json!([])));
    let edge = |from: &str, to: &str, kind: &str| json!({"from": from, "to": to, "kind": kind, "declared": true});
    let wanted = [
        edge("module:caller", "reducer:hello.greet", "calls"),
        edge("reducer:hello.greet", "table:hello.greeting", "inserts"),
        edge("query:caller.greetings", "table:hello.greeting", "reads"),
        edge("event-reducer:caller.count", "table:caller.tally", "writes"),
    ];
    wanted.iter().for_each(|edge| assert_eq!(with(&declared["edges"], edge), edge));
    let on =
        json!({"from": "table:hello.greeting", "to": "event-reducer:caller.count", "kind": "on", "change": "insert"});
    with(&declared["edges"], &on);
    // What was declared before `caller` was there.
    let before = past.json(&["--to", "2"]);
    assert!(before["nodes"].as_array().unwrap().iter().all(|node| node["module"] == "hello"), "{before}");
    let lines = past.print(&["-o", "jsonl"]);
    assert_eq!(lines.lines().count(), declared["edges"].as_array().unwrap().len());
}

#[test]
fn what_was_done_stands_beside_what_is_declared() {
    let past = Past::new();
    let graph = past.json(&["--observed"]);
    let runs = |id: &str| with(&graph["nodes"], &json!({"id": id}))["runs"].clone();
    assert_eq!(runs("reducer:hello.greet"), json!({"ok": 1, "rejected": 0, "trapped": 0}));
    assert_eq!(runs("reducer:caller.greet_both"), json!({"ok": 1, "rejected": 0, "trapped": 0}));
    assert_eq!(runs("event-reducer:caller.count"), json!({"ok": 3, "rejected": 0, "trapped": 0}));
    assert_eq!(runs("reducer:caller.try_greet"), json!({"ok": 0, "rejected": 0, "trapped": 0}));
    // A query is in no log, and a publish is not the function's own transaction.
    assert_eq!((runs("query:hello.latest"), runs("reducer:hello.init")), (Value::Null, Value::Null));
    let edge = |from: &str, to: &str| with(&graph["edges"], &json!({"from": from, "to": to})).clone();
    let greets = edge("reducer:hello.greet", "table:hello.greeting");
    assert_eq!((&greets["count"], &greets["rows"]), (&json!(1), &json!({"insert": 1, "update": 0, "delete": 0})));
    assert_eq!(edge("table:hello.greeting", "event-reducer:caller.count")["count"], 3);
    let counts = edge("event-reducer:caller.count", "table:caller.tally");
    assert_eq!((&counts["count"], &counts["rows"]), (&json!(3), &json!({"insert": 2, "update": 1, "delete": 0})));
    // By a call of another module's reducer: no signature says so.
    let both = edge("reducer:caller.greet_both", "table:hello.greeting");
    assert_eq!((&both["declared"], &both["rows"]["insert"]), (&json!(false), &json!(2)));
    let part = past.json(&["--observed", "--from", "6", "--kind", "subscriptions"]);
    let on = with(&part["edges"], &json!({"kind": "on"}));
    assert_eq!(on["count"], 1);
}

#[test]
fn transactions_are_connected_by_their_events() {
    let past = Past::new();
    let graph = past.json(&["--kind", "transactions"]);
    let edge = |from: u64, to: u64| {
        let id = |offset| format!("transaction:{offset}");
        json!({"from": id(from), "to": id(to), "kind": "event", "declared": true})
    };
    assert_eq!(graph["edges"], json!([edge(3, 4), edge(3, 5), edge(6, 7)]));
    let wanted =
        json!({"name": "6 hello.greet", "offset": "6", "cause": "call", "outcome": "ok", "function": "hello.greet"});
    with(&graph["nodes"], &wanted);
    with(&graph["nodes"], &json!({"name": "2 publish caller", "outcome": "ok"}));
    let part = past.json(&["--kind", "transactions", "--from", "4", "--to", "7"]);
    assert_eq!((part["nodes"].as_array().unwrap().len(), &part["edges"]), (3, &json!([])));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let past = Past::new();
    let refused = |args: &[&str], exit: i32, code: &str| past.each(args).map(|ran| ran.refused(exit, code).stderr);
    for stderr in refused(&["--from", "8"], 1, "unknown-offset") {
        assert!(stderr.contains("whose last transaction is 7"), "{stderr}");
    }
    refused(&["--kind", "transactions", "--to", "9"], 1, "unknown-offset");
    refused(&["--observed", "--from", "5", "--to", "5"], 2, "usage");
    refused(&["--out", "graph.png"], 2, "usage");
    for args in [["--kind", "everything"], ["--format", "png"]] {
        past.each(&args).iter().for_each(|ran| assert_eq!(ran.exit, 2, "{ran:?}"));
    }
    let nowhere = past.path("not/there.svg");
    refused(&["--out", nowhere.to_str().unwrap()], 1, "file");
}

#[test]
fn a_file_is_written_in_the_format_of_its_ending() {
    let past = Past::new();
    for (name, begin) in
        [("g.svg", "<?xml"), ("g.html", "<!DOCTYPE html>"), ("g.dot", "digraph"), ("g.mmd", "flowchart")]
    {
        let file = past.path(name);
        let said = past.print(&["--out", file.to_str().unwrap()]);
        assert!(said.contains("nodes") && said.contains("cycles 0"), "{said}");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with(begin) && text.ends_with('\n'), "{text}");
    }
}

#[test]
fn a_node_without_modules_has_an_empty_graph() {
    let node = Node::in_memory();
    let empty = json!({"schema": "interstice.graph/v1", "nodes": [], "edges": [], "cycles": [], "paths": []});
    for args in [["graph"].as_slice(), &["graph", "--observed"], &["graph", "--kind", "subscriptions"]] {
        assert_eq!(node.run(&[args, &["-o", "json"]].concat()).ok().json(), empty, "{args:?}");
    }
    let graph = node.run(&["graph", "--kind", "transactions", "-o", "json"]).ok().json();
    assert_eq!(graph["nodes"].as_array().unwrap().len(), 1);
}

#[test]
fn more_transactions_than_anybody_can_look_at_are_refused() {
    let node = Node::in_memory();
    node.publish("examples/hello");
    let calls = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(calls.path(), "[\"ada\"]\n".repeat(9_999)).unwrap();
    let call = ["--server", &node.url, "call", "hello.greet", "--args", "-", "-o", "jsonl"];
    let called = interstice(&call).stdin(calls.reopen().unwrap()).output().unwrap();
    assert_eq!(Ran::of(called).ok().stdout.lines().count(), 9_999);
    let ran = node.run(&["graph", "--kind", "transactions"]).refused(1, "graph-too-large");
    assert!(ran.stderr.contains("--from 1 --to 10001"), "{ran:?}");
    let graph =
        node.run(&["graph", "--kind", "transactions", "--from", "1", "--to", "10001", "-o", "json"]).ok().json();
    assert_eq!(graph["nodes"].as_array().unwrap().len(), 10_000);
}

#[test]
fn a_publish_says_which_event_reducers_set_each_other_going_or_refuses() {
    let node = Node::in_memory();
    let echo = "\n/// Answers each greeting, but for answers.\n#[reducer(on = insert(Greeting))]\n\
        fn echo(ctx: &ReducerContext, greetings: Insert<Greeting>, greeting: Greeting) {\n    \
        if greeting.name != \"echo\" {\n        say(ctx, &greetings, \"echo\".to_owned());\n    }\n}\n";
    let project = copy_of("examples/hello", |text| if text.contains("fn greet") { text + echo } else { text });
    let project = project.path().to_str().unwrap();
    let path = "hello.greeting --insert--> hello.echo --inserts--> hello.greeting";
    let refused = node.run_apart(&["publish", project, "--deny-cycles"]).refused(4, "event-cycle");
    assert!(refused.stderr.contains(path), "{refused:?}");
    node.run_apart(&["publish", project, "--deny-cycles", "--dry-run"]).refused(4, "event-cycle");
    assert_eq!(node.run(&["modules", "list", "-o", "json"]).ok().json()["modules"], json!([]));
    let published = node.run_apart(&["publish", project]).ok();
    assert!(
        published.stderr.contains(&format!("warning: event reducers set each other going: {path}")),
        "{published:?}"
    );
    assert!(!published.stdout.contains("-->"), "{published:?}");
    let graph = node.run(&["graph", "--kind", "subscriptions", "-o", "json"]).ok();
    assert!(graph.stderr.contains(&format!("cycle: {path}")), "{graph:?}");
    let cycle = json!([["table:hello.greeting", "event-reducer:hello.echo", "table:hello.greeting"]]);
    assert_eq!((&graph.json()["cycles"], &graph.json()["paths"]), (&cycle, &json!([path])));
    // A module that has no part in it is none's business.
    let other = node.run(&["publish", "examples/chat", "--deny-cycles"]).ok();
    assert!(!other.stderr.contains("warning"), "{other:?}");
    let caller = node.run(&["publish", "examples/caller", "--deny-cycles"]).ok();
    assert!(!caller.stderr.contains("warning"), "{caller:?}");
}
