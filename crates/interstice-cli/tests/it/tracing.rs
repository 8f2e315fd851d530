//! Traces: the same of a node, of its data directory and of a backup of it, in every form and each time; what the node and the command say
//! of their own work.

use crate::support::{Node, Ran, interstice, root, run};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A node with `hello` and `caller`, what happened on it, its directory and a backup of it.
///
/// Offsets: 0 genesis, 1 and 2 publishes, 3 a call that greets two, 4 and 5 its events, 6 a call that greets one, 7 its event.
pub(crate) struct Past {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) node: Node,
    pub(crate) backup: String,
}

impl Past {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// On a node that is started with further words.
    fn with(words: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let start = ["start", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"];
        let node = Node::launch(&mut interstice(&[&start, words].concat())).unwrap();
        node.publish("examples/hello");
        node.publish("examples/caller");
        node.run(&["call", "caller.greet_both", "ada", "grace"]).ok();
        wait_for(&node, 6);
        node.run(&["call", "caller.greet_both", "lin", ""]).refused(3, "empty-name");
        node.run(&["call", "hello.greet", "ada"]).ok();
        wait_for(&node, 8);
        let backups = directory.path().join("backups");
        let made = node.run(&["backup", "create", "--to", backups.to_str().unwrap(), "-o", "json"]).ok().json();
        let backup = made["file"].as_str().unwrap().to_owned();
        Self { directory, node, backup }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What the command says, asked of all three.
    fn each(&self, args: &[&str]) -> [Ran; 3] {
        let data = |path: &str| run(&[args, &["--data", path]].concat());
        [self.node.run(args), data(self.path("data").to_str().unwrap()), data(&self.backup)]
    }

    /// What all three print.
    fn print(&self, args: &[&str]) -> String {
        let [node, directory, backup] = self.each(args).map(|ran| ran.ok().stdout);
        assert_eq!(node, directory, "{args:?}");
        assert_eq!(node, backup, "{args:?}");
        node
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.print(args)).unwrap()
    }
}

/// Waits until so many transactions are in the log.
fn wait_for(node: &Node, count: u64) {
    let reached = |_: &u32| node.run(&["log", "inspect", &(count - 1).to_string()]).exit == 0;
    (0..200).find(reached).expect("the events are delivered");
}

const EXPORT: [&str; 2] = ["trace", "export"];

fn spans(transaction: &Value) -> &[Value] {
    transaction["spans"].as_array().unwrap()
}

#[test]
fn a_trace_has_every_call_down_to_the_code_and_all_of_the_fuel_that_the_log_recorded() {
    let past = Past::new();
    let trace = past.json(&[&EXPORT[..], &["-o", "json"]].concat());
    assert_eq!((&trace["schema"], &trace["unit"]), (&json!("interstice.trace/v1"), &json!("fuel")));
    assert_eq!((&trace["from"], &trace["to"]), (&json!("0"), &json!("8")));
    let transactions = trace["transactions"].as_array().unwrap();
    assert_eq!(transactions.len(), 8);
    for transaction in transactions {
        let offset = transaction["offset"].as_str().unwrap();
        let recorded = past.node.run(&["log", "inspect", offset, "-o", "json"]).ok().json();
        assert_eq!(transaction["fuel"], recorded["transaction"]["fuel"], "{offset}");
        assert_eq!((&transaction["likeness"], &transaction["left_out"]), (&json!("same"), &json!(0)));
        let outermost = spans(transaction).iter().filter(|span| span["depth"] == 0);
        let fuel: u64 = outermost.map(|span| span["fuel"].as_u64().unwrap()).sum();
        assert_eq!(fuel.to_string(), transaction["fuel"].as_str().unwrap(), "{offset}");
    }
    let call = &transactions[3];
    let functions: Vec<_> =
        spans(call).iter().filter(|span| span["kind"] == "function").map(|span| &span["name"]).collect();
    assert_eq!(functions, [&json!("caller.greet_both"), &json!("hello.greet"), &json!("hello.greet")]);
    let host: Vec<_> = spans(call).iter().filter(|span| span["kind"] == "host-call").collect();
    let names: Vec<_> = host.iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["call", "log", "insert greeting", "call", "log", "insert greeting"]);
    assert!(host.iter().all(|span| span["given_bytes"].as_u64().unwrap() > 0 && span["fuel"].as_u64().unwrap() >= 50));
    // What a called function answered is the call's, not that of its own last host call.
    let bytes: Vec<_> =
        host.iter().map(|span| (span["given_bytes"].as_u64().unwrap(), span["back_bytes"].as_u64().unwrap())).collect();
    assert_eq!(bytes[..3], [(7, 8), (12, 0), (38, 38)]);
    // Names of functions inside of modules are those of the source.
    assert!(spans(call).iter().any(|span| span["kind"] == "code" && span["name"] == "interstice_call"));
    let inside = spans(call).iter().filter(|span| span["kind"] == "code").map(|span| span["name"].as_str().unwrap());
    assert!(inside.clone().any(|name| name.starts_with("hello::")), "{:?}", inside.collect::<Vec<_>>());
    assert_eq!((&transactions[4]["cause"], &transactions[4]["event_of"]), (&json!("event"), &json!("3")));
}

#[test]
fn two_traces_of_the_same_stretch_are_the_same_bytes_in_every_form() {
    let past = Past::new();
    for format in ["text", "chrome", "perfetto", "folded", "flame", "speedscope"] {
        let args = [&EXPORT[..], &["--from", "1", "--format", format]].concat();
        let first = past.print(&args);
        assert_eq!(past.print(&args), first, "{format}");
        assert!(first.contains("fuel") || format == "folded", "{format} does not say its unit");
        // The ending of a file says the form.
        let ending = match format {
            "chrome" | "perfetto" => "json",
            "flame" => "svg",
            "speedscope" => "speedscope.json",
            "text" => "txt",
            other => other,
        };
        let file = past.path(&format!("{format}.{ending}"));
        past.node.run(&[&EXPORT[..], &["--from", "1", "--out", file.to_str().unwrap()]].concat()).ok();
        assert_eq!(std::fs::read_to_string(file).unwrap() + "\n", first, "{format}");
    }
}

/// The trace event format: complete events, each inside of the one that it begins in.
#[test]
fn trace_events_lie_inside_of_each_other_and_arrows_begin_and_end() {
    let past = Past::new();
    let document = past.json(&[&EXPORT[..], &["--format", "chrome"]].concat());
    assert_eq!(document["otherData"]["unit"], "fuel");
    let events = document["traceEvents"].as_array().unwrap();
    let mut open: Vec<u64> = Vec::new();
    let complete: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
    for event in &complete {
        let (begin, length) = (event["ts"].as_u64().unwrap(), event["dur"].as_u64().unwrap());
        while open.last().is_some_and(|end| *end <= begin && *end < begin + length.max(1)) {
            open.pop();
        }
        assert!(open.last().is_none_or(|end| begin + length <= *end), "{event} in {open:?}");
        open.push(begin + length);
        assert_eq!((&event["pid"], &event["tid"]), (&json!(1), &json!(1)));
    }
    let transactions = complete.iter().filter(|event| event["cat"] == "transaction");
    assert_eq!(transactions.count(), 8);
    let arrow = |end: &str| {
        events.iter().filter(|event| event["ph"] == end).map(|event| event["id"].clone()).collect::<Vec<_>>()
    };
    // The event of a greeting that was made at the publish, too.
    assert_eq!(
        (arrow("s"), arrow("f")),
        (vec![json!("4"), json!("5"), json!("7")], vec![json!("4"), json!("5"), json!("7")])
    );
}

#[test]
fn stacks_and_profiles_have_all_of_the_fuel() {
    let past = Past::new();
    let all: u64 = past.json(&[&EXPORT[..], &["-o", "json"]].concat())["fuel"].as_str().unwrap().parse().unwrap();
    let folded = past.print(&[&EXPORT[..], &["--format", "folded"]].concat());
    let lines: Vec<_> = folded.lines().map(|line| line.rsplit_once(' ').unwrap()).collect();
    assert_eq!(lines.iter().map(|(_, fuel)| fuel.parse::<u64>().unwrap()).sum::<u64>(), all);
    assert!(
        lines.is_sorted()
            && lines.iter().any(|(stack, _)| {
                stack.starts_with("caller.greet_both;interstice_call;")
                    && stack.contains(";call;hello.greet;")
                    && stack.ends_with(";insert greeting")
            })
    );
    let profile = past.json(&[&EXPORT[..], &["--format", "speedscope"]].concat());
    assert_eq!(profile["$schema"], "https://www.speedscope.app/file-format-schema.json");
    let (frames, evented) = (profile["shared"]["frames"].as_array().unwrap(), &profile["profiles"][0]);
    assert_eq!(
        (&evented["type"], &evented["unit"], &evented["endValue"]),
        (&json!("evented"), &json!("none"), &json!(all))
    );
    let (mut open, mut clock) = (Vec::new(), 0);
    for event in evented["events"].as_array().unwrap() {
        let (at, frame) = (event["at"].as_u64().unwrap(), event["frame"].as_u64().unwrap());
        assert!(at >= clock && (frame as usize) < frames.len());
        clock = at;
        match event["type"].as_str().unwrap() {
            "O" => open.push(frame),
            _ => assert_eq!(open.pop(), Some(frame)),
        }
    }
    assert!(open.is_empty() && clock == all);
    let names: std::collections::BTreeSet<_> = frames.iter().map(|frame| frame["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), frames.len(), "a name is told once");
    let flame = past.print(&[&EXPORT[..], &["--format", "flame"]].concat());
    assert!(flame.contains("hello.greet") && flame.contains(&format!("({} fuel", with_commas(all))));
    // It needs nothing from elsewhere: what it names are namespaces, and comments.
    let loads = ["href=\"http", "src=", "url(http", "@import", "fetch("];
    assert!(loads.iter().all(|load| !flame.contains(load)));
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

#[test]
fn what_is_recorded_is_what_is_exported_of_that_stretch() {
    let past = Past::new();
    let file = past.path("recorded.json");
    let args = ["trace", "record", "-n", "2", "--for", "60s", "--out", file.to_str().unwrap()];
    let recorder = interstice(&args).env("INTERSTICE_SERVER", &past.node.url).spawn().unwrap();
    // It says where it begins before anybody needs to call; a call that came too early is made again.
    let mut recorder = recorder;
    for _ in 0..200 {
        past.node.run(&["call", "caller.try_greet", "lin"]).ok();
        if recorder.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(recorder.wait().unwrap().success());
    let recorded = std::fs::read_to_string(&file).unwrap();
    let document: Value = serde_json::from_str(&recorded).unwrap();
    let part = |name: &str| document["otherData"][name].as_str().unwrap().to_owned();
    let (from, to) = (part("from"), part("to"));
    assert_eq!(to.parse::<u64>().unwrap() - from.parse::<u64>().unwrap(), 2);
    let exported = past.node.run(&[&EXPORT[..], &["--from", &from, "--to", &to, "--format", "chrome"]].concat()).ok();
    assert_eq!(exported.stdout, recorded + "\n");
    past.node.run(&["trace", "record", "--for", "30ms"]).refused(1, "nothing-recorded");
    past.node.run(&["trace", "record", "-n", "0"]).refused(2, "usage");
    past.node.run(&["trace", "record", "-n", "10001"]).refused(2, "usage");
}

/// A call tells what it did at once: what `trace export` says of it.
#[test]
fn a_call_is_traced_where_it_is_made() {
    let past = Past::new();
    let called = past.node.run(&["call", "hello.greet", "lin", "--trace", "-o", "json"]).ok().json();
    let offset = called["offset"].as_str().unwrap();
    let to = (offset.parse::<u64>().unwrap() + 1).to_string();
    let exported = past.node.run(&["trace", "export", "--from", offset, "--to", &to, "-o", "json"]).ok().json();
    assert_eq!(called["trace"], exported["transactions"][0]);
    assert_eq!((&called["trace"]["function"], &called["trace"]["likeness"]), (&json!("hello.greet"), &json!("same")));
    let text = past.node.run(&["call", "hello.greet", "eve", "--trace"]).ok().stdout;
    assert!(text.starts_with("ok  offset ") && text.contains("insert greeting") && text.contains(" fuel"), "{text}");
    // What is refused is in no log, and many calls are not one.
    past.node.run(&["call", "hello.greet", "", "--trace"]).refused(3, "empty-name");
    past.node.run(&["call", "hello.greet", "--args", "-", "--trace"]).refused(2, "usage");
}

#[test]
fn what_makes_no_sense_is_refused_and_no_file_is_written_over() {
    let past = Past::new();
    let file = past.path("there.json");
    std::fs::write(&file, "mine").unwrap();
    let file = file.to_str().unwrap();
    for (args, exit, code) in [
        (&["--from", "8"][..], 1, "unknown-offset"),
        (&["--to", "9"], 1, "unknown-offset"),
        (&["--from", "5", "--to", "5"], 2, "usage"),
        (&["--out", "trace.what"], 2, "usage"),
        (&["--out", file], 7, "file-exists"),
    ] {
        past.each(&[&EXPORT[..], args].concat()).into_iter().for_each(|ran| drop(ran.refused(exit, code)));
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), "mine");
    past.node.run(&[&EXPORT[..], &["--out", file, "--yes"]].concat()).ok();
    assert!(std::fs::read_to_string(file).unwrap().starts_with("{\"displayTimeUnit\""));
    let unknown = past.node.run(&["trace", "export", "--format", "flme"]);
    assert!(unknown.exit == 2 && unknown.stderr.contains("flame"), "{unknown:?}");
    let misspelled = run(&["--log-level", "debg", "status"]);
    assert!(misspelled.exit == 2 && misspelled.stderr.contains("did you mean `debug`?"), "{misspelled:?}");
    let elsewhere = interstice(&["status"]).env("INTERSTICE_LOG_LEVEL", "interstice_sever=debug").output().unwrap();
    assert!(Ran::of(elsewhere).stderr.contains("did you mean `interstice_server`?"));
    let format = run(&["--log-format", "xml", "status"]);
    assert!(format.exit == 2 && format.stderr.contains("json"), "{format:?}");
}

/// The lines of JSON that a node wrote to stderr, by message.
fn said(node: &Node) -> BTreeMap<String, Vec<Value>> {
    let mut said: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in node.said().lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        said.entry(line["fields"]["message"].as_str().unwrap_or_default().to_owned()).or_default().push(line);
    }
    said
}

#[test]
fn a_node_says_what_it_does_with_module_function_offset_and_who_called_whom() {
    let past = Past::with(&["--log-level", "trace", "--log-format", "json"]);
    let said = said(&past.node);
    let of = |message: &str, offset: u64| {
        let is_of = |line: &&Value| {
            line["spans"].as_array().is_some_and(|spans| spans.iter().any(|span| span["offset"] == offset))
        };
        said[message].iter().filter(is_of).collect::<Vec<_>>()
    };
    let transaction = of("transaction", 3)[0];
    assert_eq!(transaction["span"]["function"], "caller.greet_both");
    assert_eq!((&transaction["fields"]["outcome"], &transaction["level"]), (&json!("ok"), &json!("DEBUG")));
    // Call and called module: one span inside of the other.
    let insert = of("host call", 3).into_iter().find(|line| line["fields"]["name"] == "insert greeting").unwrap();
    let chain: Vec<_> =
        insert["spans"].as_array().unwrap().iter().skip(1).map(|span| (&span["module"], &span["function"])).collect();
    assert_eq!(chain, [(&json!("caller"), &json!("greet_both")), (&json!("hello"), &json!("greet"))]);
    // An event says what raised it.
    assert_eq!(of("transaction", 4)[0]["span"]["event_of"], 3);
    let line = of("line", 3)[0];
    assert_eq!((&line["fields"]["module"], &line["fields"]["text"]), (&json!("hello"), &json!("greeting ada")));
    // What was refused is said too: it has no offset.
    assert!(said["a name must not be empty"].iter().any(|line| line["span"]["function"] == "caller.greet_both"));
    assert!(said.contains_key("answered") && said.contains_key("synced"));
}

#[test]
fn without_being_asked_nothing_is_said_of_calls_and_stdout_is_data_whatever_is_said() {
    let past = Past::new();
    assert!(!past.node.said().contains("transaction"), "{}", past.node.said());
    let plain = past.node.run(&["log", "dump", "-o", "jsonl"]).ok();
    assert_eq!(plain.stderr, "");
    let loud = past.node.run(&["--log-level", "debug", "log", "dump", "-o", "jsonl"]).ok();
    assert_eq!(loud.stdout, plain.stdout);
    assert!(loud.stderr.contains("asked the node"), "{loud:?}");
    let quiet = past.node.run(&["--log-level", "debug", "--quiet", "log", "dump", "-o", "jsonl"]).ok();
    assert_eq!((quiet.stdout, quiet.stderr), (plain.stdout, String::new()));
    // Notes and errors are documents then, too.
    let failed = past.node.run(&["--log-format", "json", "log", "inspect", "99"]);
    assert_eq!(serde_json::from_str::<Value>(&failed.stderr).unwrap()["error"]["code"], "unknown-offset");
}

/// Every command of the page is run as it stands there, against a node where it happened.
#[test]
fn the_commands_of_the_guide_work() {
    let page = std::fs::read_to_string(root().join("docs/guide/tracing.md")).unwrap();
    let commands: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("$ interstice ")).collect();
    assert!(commands.len() > 10, "{commands:?}");
    let past = Past::new();
    for command in commands {
        let words: Vec<_> = command.split(" #").next().unwrap().split_whitespace().collect();
        // A node for ever, and what waits for what others do, have tests of their own.
        if words[0] == "start" || words.contains(&"-f") || words.contains(&"record") {
            continue;
        }
        let mut ran = interstice(&words);
        ran.env("INTERSTICE_SERVER", &past.node.url).current_dir(past.directory.path());
        let ran = Ran::of(ran.output().unwrap());
        assert_eq!(ran.exit, 0, "{command}: {ran:?}");
    }
    assert!(past.path("flame.svg").exists());
}
