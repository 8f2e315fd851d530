//! Modules that use each other: bindings from wherever the other one is, and publishes that would break somebody.

use crate::support::{Node, build, copy_files, copy_of, interstice, root, run};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

fn add(node: &Node, what: &str, project: &Path) -> Value {
    node.run(&["bindings", "add", what, "--path", project.to_str().unwrap(), "-o", "json"]).ok().json()
}

/// A copy of `caller` with its bindings, which compiles nowhere near the original.
fn caller() -> tempfile::TempDir {
    let hello = root().join("examples/hello");
    let copy = copy_of("examples/caller", |text| text.replace("../hello", hello.to_str().unwrap()));
    copy_files(&root().join("examples/caller/bindings"), &copy.path().join("bindings"));
    copy
}

#[test]
fn bindings_are_written_from_a_node_a_directory_an_artefact_and_a_project_alike() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    node.publish("examples/hello");
    let project = caller();
    std::fs::remove_dir_all(project.path().join("bindings")).unwrap();
    let file = project.path().join("bindings/hello.json");
    let path = project.path().to_str().unwrap();

    let added = add(&node, "hello", project.path());
    assert_eq!((&added["schema"], &added["before"]), (&"interstice.bindings/v1".into(), &Value::Null));
    let first = std::fs::read_to_string(&file).unwrap();
    let document: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(
        (&document["schema"], &document["module"]["version"]),
        (&"interstice.schema/v1".into(), &"0.1.0".into())
    );
    assert_eq!(document["module"]["tables"][0]["doc"], "One greeting that was said.");
    assert!(!first.contains("\"init\""), "what nobody may call is nobody's business");
    let text = node.run(&["bindings", "add", "hello", "--path", path]).ok().stdout;
    assert!(text.contains("hello 0.1.0 as 0.1.0 was"), "{text}");

    let artefact = build("examples/hello");
    for what in [artefact.to_str().unwrap(), "examples/hello"] {
        std::fs::remove_file(&file).unwrap();
        add(&node, what, project.path());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), first, "{what}");
    }
    assert_eq!(node.terminate(), Some(0));
    std::fs::remove_file(&file).unwrap();
    run(&["bindings", "add", "hello", "--path", path, "--data", data.path().to_str().unwrap()]).ok();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), first);
    let node = Node::in_memory();
    // What was written is what the macro reads; what cannot be read names the command that writes it.
    node.run_apart(&["build", path]).ok();
    for text in ["", "not JSON", r#"{"module":{"tables":7}}"#] {
        std::fs::write(&file, text).unwrap();
        let ran = node.run_apart(&["build", path]).refused(1, "not-built");
        assert!(ran.stderr.contains("`interstice bindings add hello`"), "{}", ran.stderr);
    }
    std::fs::remove_file(&file).unwrap();
    let ran = node.run_apart(&["build", path]).refused(1, "not-built");
    assert!(ran.stderr.contains("`interstice bindings add hello`"), "{}", ran.stderr);

    run(&["bindings", "add", "helo", "--path", path, "--data", data.path().to_str().unwrap()])
        .refused(1, "unknown-module");
    run(&["bindings", "add", "hello", "--path", "docs"]).refused(2, "not-a-project");
    run(&["bindings", "add", "examples/hello", "--path", "examples/hello"]).refused(2, "own-module");
}

/// Writes `hello` anew in another form.
fn rewrite(project: &Path, edit: impl Fn(String) -> String) {
    let source = std::fs::read_to_string(root().join("examples/hello/src/lib.rs")).unwrap();
    std::fs::write(project.join("src/lib.rs"), edit(source)).unwrap();
}

#[test]
fn a_publish_that_would_break_others_says_whom_what_and_how_and_how_to_go_on() {
    let node = Node::in_memory();
    node.run(&["publish", "examples/caller"]).refused(1, "unknown-module");
    node.publish("examples/hello");
    node.publish("examples/caller");
    node.run(&["publish", "examples/caller", "--name", "second"]).ok();

    let copy = copy_of("examples/hello", |text| text.replace("fn greet(", "fn greet_all("));
    let hello = copy.path().to_str().unwrap();
    let refused = node.run_apart(&["publish", hello]).refused(1, "breaks-importers").stderr;
    for words in
        ["`greet(name: string) → u64 or enum GreetError` goes", "`caller`, `second`", "interstice bindings add hello"]
    {
        assert!(refused.contains(words), "{words}: {refused}");
    }
    // A shape that only its parts tell apart is told with its parts.
    let variant = "    TooLong(String),\n    #[error(\"no\")]\n    TooLoud,";
    rewrite(copy.path(), |text| text.replace("    TooLong(String),", variant));
    let refused = node.run_apart(&["publish", hello]).refused(1, "breaks-importers").stderr;
    assert!(refused.contains("TooLoud"), "{refused}");

    rewrite(copy.path(), |text| {
        text.replace(
            "name: String) -> Result<u64, GreetError>",
            "name: String, _loud: bool) -> Result<u64, GreetError>",
        )
        .replace("pub text: String,", "pub text: String,\n    #[default(0)]\n    pub volume: u8,")
        .replace("text: format!", "volume: 0, text: format!")
    });
    let refused = node.run_apart(&["publish", hello, "-o", "json"]);
    assert_eq!(refused.exit, 1, "{refused:?}");
    let problem: Value = serde_json::from_str(refused.stderr.lines().last().unwrap()).unwrap();
    let data = &problem["error"]["data"];
    assert_eq!(data[0]["name"], "greet");
    assert_eq!(data[0]["to"], "greet(name: string, loud: bool) → u64 or enum GreetError");
    assert_eq!(data[1]["importers"], serde_json::json!(["caller", "second"]));
    assert!(data[1]["to"].as_str().unwrap().contains("volume: u8"), "{data}");

    // Where nobody is in the way it is in force, and old bindings are what does not fit.
    let node = Node::in_memory();
    node.run_apart(&["publish", hello]).ok();
    let project = caller();
    let path = project.path().to_str().unwrap().to_owned();
    let refused = node.run_apart(&["publish", &path]).refused(1, "schema-changed").stderr;
    for words in
        ["module `caller`", "`hello.greet` is `greet(name: string, loud: bool)", "`interstice bindings add hello`"]
    {
        assert!(refused.contains(words), "{words}: {refused}");
    }
    let added = add(&node, "hello", project.path());
    let changes: Vec<_> = added["changes"].as_array().unwrap().iter().map(|change| change.as_str().unwrap()).collect();
    assert!(changes[0].starts_with("~ greet(name: string) → u64 or enum GreetError became greet("), "{changes:?}");
    assert!(changes[1].starts_with("~ greeting(") && changes[1].contains("volume: u8"), "{changes:?}");
    // As the hint says: mend what does not compile, and publish.
    let source = project.path().join("src/lib.rs");
    let text = std::fs::read_to_string(&source).unwrap();
    let text = text.replace("&first)", "&first, true)").replace("&second)", "&second, true)");
    std::fs::write(&source, text.replace("(ctx, name)", "(ctx, name, true)")).unwrap();
    node.run_apart(&["publish", &path]).ok();
    node.run(&["call", "caller.greet_both", "ada", "grace"]).ok();
}

#[test]
fn a_query_is_followed_from_the_command_line() {
    let node = Node::in_memory();
    node.publish("examples/hello");
    let args = ["--server", &node.url, "subscribe", "--query", "hello.latest", "1", "-n", "2", "-o", "jsonl"];
    let mut child = interstice(&args).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(|line| -> Value { serde_json::from_str(&line.unwrap()).unwrap() });
    assert_eq!(lines.next().unwrap()["value"][0]["name"], "world");
    node.run(&["call", "hello.greet", "ada"]).ok();
    let second = lines.next().unwrap();
    assert_eq!((&second["value"][0]["name"], &second["offset"]), (&"ada".into(), &"2".into()));
    assert!(child.wait().unwrap().success() && lines.next().is_none());
    let refused = |args: &[&str], exit, code| drop(node.run(args).refused(exit, code));
    refused(&["subscribe", "--query", "hello.latst", "1"], 1, "unknown-function");
    refused(&["subscribe", "--query", "hello.greet", "ada"], 1, "wrong-kind");
    refused(&["subscribe", "--query", "hello.latest", "many"], 1, "invalid-arguments");
    assert_eq!(node.run(&["subscribe"]).exit, 2);
}
