//! Lines that functions logged: kept by a node with the offset of their transaction, made again where they are not kept.

use crate::support::{Node, copy_of, interstice, run};
use crate::tracing::Past;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

fn lines(printed: &str) -> Vec<Value> {
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Offset, function and text of lines.
fn told(lines: &[Value]) -> Vec<(Option<&str>, String, &str)> {
    let name = |line: &Value| format!("{}.{}", line["module"].as_str().unwrap(), line["function"].as_str().unwrap());
    lines.iter().map(|line| (line["offset"].as_str(), name(line), line["text"].as_str().unwrap())).collect()
}

fn greeting<'t>(offset: Option<&'t str>, text: &'t str) -> (Option<&'t str>, String, &'t str) {
    (offset, "hello.greet".to_owned(), text)
}

#[test]
fn a_node_keeps_lines_with_their_offsets_and_says_of_which_nothing_came() {
    let past = Past::new();
    let all = lines(&past.node.run(&["logs", "-o", "jsonl"]).ok().stdout);
    let world = (Some("1"), "hello.init".to_owned(), "greeting world");
    let expected = [
        world,
        greeting(Some("3"), "greeting ada"),
        greeting(Some("3"), "greeting grace"),
        greeting(None, "greeting lin"),
        greeting(Some("6"), "greeting ada"),
    ];
    assert_eq!(told(&all), expected);
    // The call that was refused is in no log, and what it wrote is undone.
    let refused = &all[3];
    assert_eq!(
        (&refused["outcome"], &refused["code"], &refused["undone"]),
        (&json!("refused"), &json!("empty-name"), &json!(true))
    );
    assert!(
        all.iter().filter(|line| line["undone"] == true).count() == 1
            && all.iter().all(|line| line["source"] == "node")
    );
    let text = past.node.run(&["logs"]).ok().stdout;
    assert!(text.contains("INFO   hello.greet  greeting lin  (undone: empty-name)"), "{text}");
    let document = past.node.run(&["logs", "-o", "json"]).ok().json();
    assert_eq!((&document["schema"], &document["lines"]), (&json!("interstice.logs/v1"), &json!(all)));
    let csv = past.node.run(&["logs", "-n", "1", "-o", "csv"]).ok().stdout;
    assert!(csv.starts_with("offset,time,level,module,function,text,outcome,code,undone,source\n6,"), "{csv}");
}

#[test]
fn lines_are_asked_for_by_function_level_offset_and_time() {
    let past = Past::new();
    let count = |args: &[&str]| past.node.run(&[&["logs", "-o", "jsonl"], args].concat()).ok().stdout.lines().count();
    assert_eq!(count(&["--module", "hello"]), 5);
    assert_eq!(count(&["--module", "caller"]), 0);
    assert_eq!(count(&["--function", "hello.init"]), 1);
    assert_eq!(count(&["--level", "info"]), 5);
    assert_eq!(count(&["--level", "warn"]), 0);
    assert_eq!(count(&["--from", "3"]), 3);
    assert_eq!(count(&["--from", "3", "--to", "6"]), 2);
    assert_eq!(count(&["-n", "2"]), 2);
    assert_eq!(count(&["-n", "0"]), 0);
    let time = past.node.run(&["log", "inspect", "6", "-o", "json"]).ok().json();
    assert_eq!(count(&["--since", time["transaction"]["time"].as_str().unwrap()]), 1);
    assert_eq!(count(&["--since", "2999-01-01T00:00:00Z"]), 0);
    past.node.run(&["logs", "--from", "8"]).refused(1, "unknown-offset");
    past.node.run(&["logs", "--to", "9"]).refused(1, "unknown-offset");
    past.node.run(&["logs", "--from", "5", "--to", "5"]).refused(2, "usage");
    past.node.run(&["logs", "--since", "yesterday"]).refused(2, "invalid-selection");
    past.node.run(&["logs", "--function", "greet"]).refused(2, "usage");
    let followed = past.node.run(&["logs", "-f", "-o", "json"]);
    assert!(followed.exit == 2 && followed.stderr.contains("a stream has no such form"), "{followed:?}");
    let misspelled = past.node.run(&["logs", "--level", "wran"]);
    assert!(misspelled.exit == 2 && misspelled.stderr.contains("warn"), "{misspelled:?}");
}

/// What a node that was started again, a data directory and a backup tell is what the node told that ran the calls.
#[test]
fn lines_that_nobody_kept_are_made_again_from_the_log() {
    let past = Past::new();
    let strip = |mut line: Value| {
        line.as_object_mut().unwrap().remove("source");
        line
    };
    let in_log = |printed: &str| {
        lines(printed).into_iter().filter(|line| !line["offset"].is_null()).map(strip).collect::<Vec<_>>()
    };
    let kept = in_log(&past.node.run(&["logs", "-o", "jsonl"]).ok().stdout);
    assert_eq!(kept.len(), 4);
    let data = past.path("data");
    let [data, backup] = [data.to_str().unwrap(), &past.backup];
    for place in [data, backup] {
        let ran = run(&["logs", "--data", place, "-o", "jsonl"]).ok();
        assert_eq!(in_log(&ran.stdout), kept);
        assert!(ran.stderr.contains("run again") && ran.stdout.contains("\"source\":\"rerun\""), "{ran:?}");
        let since = kept[3]["time"].as_str().unwrap();
        assert_eq!(in_log(&run(&["logs", "--data", place, "-o", "jsonl", "--since", since]).ok().stdout), kept[3..]);
        run(&["logs", "--data", place, "--from", "8"]).refused(1, "unknown-offset");
    }
    let Past { directory, node, .. } = past;
    node.terminate();
    let node = Node::start(&directory.path().join("data"));
    node.run(&["call", "hello.greet", "new"]).ok();
    let ran = node.run(&["logs", "-o", "jsonl"]).ok();
    assert_eq!(told(&lines(&ran.stdout)), [greeting(Some("8"), "greeting new")]);
    assert!(ran.stderr.contains("lines before offset 8 are not kept"), "{ran:?}");
    let ran = node.run(&["logs", "--from", "3", "-o", "jsonl"]).ok();
    assert!(ran.stderr.contains("the lines of offset 3 to 7 no more"), "{ran:?}");
    let found = lines(&ran.stdout);
    assert_eq!(in_log(&ran.stdout)[..3], kept[1..]);
    assert_eq!((&found[3]["text"], &found[3]["source"]), (&json!("greeting new"), &json!("node")));
}

#[test]
fn whoever_follows_hears_of_lines_as_they_come() {
    let past = Past::new();
    let mut follow = interstice(&["logs", "-f", "-n", "1", "-o", "jsonl"]);
    let mut follow = follow.env("INTERSTICE_SERVER", &past.node.url).stdout(Stdio::piped()).spawn().unwrap();
    let mut heard = BufReader::new(follow.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&heard.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["offset"], "6");
    past.node.run(&["call", "hello.greet", "zoe"]).ok();
    let line = next();
    assert_eq!((&line["offset"], &line["text"]), (&json!("8"), &json!("greeting zoe")));
    past.node.run(&["call", "caller.greet_both", "eve", ""]).refused(3, "empty-name");
    assert_eq!(next()["undone"], true);
    follow.kill().unwrap();
    follow.wait().unwrap();
}

/// An event that breaks leaves its lines, and so does running it again.
#[test]
fn lines_of_a_transaction_that_broke_are_kept_and_made_again() {
    let noted = "#[reducer(on = insert(Greeting))]\nfn noted(ctx: &ReducerContext, greeting: Greeting) {\n    \
                 warn!(\"noting {}\", greeting.name);\n    ctx.log().debug(\"closely\");\n    assert!(greeting.name != \"boom\", \"no\");\n}\n";
    let copy = copy_of("examples/hello", |text| {
        let is_source = text.contains("fn greet(");
        if is_source { format!("{text}\n{noted}") } else { text }
    });
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path());
    node.run_apart(&["publish", copy.path().to_str().unwrap()]).ok();
    for (name, event) in [("ann", "3"), ("boom", "5")] {
        node.run(&["call", "hello.greet", name]).ok();
        let is_there = |_: &u32| node.run(&["log", "inspect", event]).exit == 0;
        (0..200).find(is_there).expect("the event is delivered");
    }
    let look = |args: &[&str]| {
        let printed =
            node.run(&[&["logs", "--function", "hello.noted", "--from", "1", "-o", "jsonl"], args].concat()).ok();
        let again = run(&[
            &["logs", "--function", "hello.noted", "-o", "jsonl", "--data", directory.path().to_str().unwrap()],
            args,
        ]
        .concat());
        (lines(&printed.stdout), lines(&again.ok().stdout))
    };
    let (kept, again) = look(&[]);
    assert_eq!(kept.len(), 4);
    let broke = &kept[2];
    assert_eq!(
        (&broke["offset"], &broke["level"], &broke["text"]),
        (&json!("5"), &json!("warn"), &json!("noting boom"))
    );
    assert_eq!(
        (&broke["outcome"], &broke["code"], &broke["undone"]),
        (&json!("trapped"), &json!("panic"), &json!(true))
    );
    for (kept, again) in kept.iter().zip(&again) {
        for name in ["offset", "time", "level", "text", "outcome", "code", "undone"] {
            assert_eq!(kept[name], again[name], "{name}");
        }
    }
    let (warnings, again) = look(&["--level", "warn"]);
    assert_eq!((warnings.len(), again.len()), (2, 2));
}
