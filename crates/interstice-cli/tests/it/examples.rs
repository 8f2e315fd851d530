//! `dev --once` on every example, and on a copy of one with everything renamed.

use crate::support::{copy_of, example_names, interstice, root, run};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

fn dev_once(project: &str) -> (String, String) {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().join("data");
    let ran = run(&["dev", project, "--once", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]).ok();
    (ran.stdout, ran.stderr)
}

#[test]
fn every_example_is_built_run_and_replayed_by_one_command() {
    let names = example_names();
    assert_eq!(names, ["bank", "caller", "chat", "game", "hello", "inventory", "leaderboard", "reminders", "shop"]);
    for name in names {
        let (stdout, stderr) = dev_once(&format!("examples/{name}"));
        assert!(stdout.starts_with("replay: identical, "), "{name}: {stdout}");
        assert!(stderr.contains(&format!("interstice call {name}.")), "{name}: {stderr}");
        assert!(stderr.contains(&format!("interstice query {name}.")), "{name}: {stderr}");
    }
}

#[test]
fn a_second_run_on_the_same_data_keeps_them() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let args = ["dev", "examples/hello", "--once", "--data", data, "--listen", "127.0.0.1:0"];
    assert_eq!(run(&args).ok().stdout, "replay: identical, 3 transactions\n");
    let again = run(&args).ok();
    assert_eq!(again.stdout, "replay: identical, 4 transactions\n");
    assert!(again.stderr.contains("unchanged"), "{again:?}");
}

#[test]
fn dev_shows_what_commits_until_it_is_told_to_end() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let mut command = interstice(&["dev", "examples/hello", "--data", data, "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let notes = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let notes: Vec<_> = notes.take_while(|line| !line.starts_with("transactions, as they commit")).collect();
    let url = notes.iter().flat_map(|line| line.split_whitespace()).find(|word| word.starts_with("http://")).unwrap();
    assert!(notes.iter().any(|line| line.ends_with("call hello.greet <name: string>")), "{notes:?}");
    run(&["--server", url, "call", "hello.greet", "ada"]).ok();
    let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    assert!(line.contains(r#"hello.greet{"name":"ada"}  ok"#), "{line}");
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Whatever a module is called, nothing in the command knows it.
#[test]
fn a_copy_with_everything_renamed_works_the_same() {
    let renamed = |text: String| {
        [
            ("hello", "moor_log"),
            ("Greeting", "Sighting"),
            ("greeting", "sighting"),
            ("GreetError", "SpotError"),
            ("greet", "spot"),
            ("latest", "newest_first"),
            ("EmptyName", "NobodyThere"),
        ]
        .iter()
        .fold(text, |text, (old, new)| text.replace(old, new))
    };
    let copy = copy_of("examples/hello", renamed);
    let (stdout, stderr) = dev_once(copy.path().to_str().unwrap());
    assert_eq!(stdout, "replay: identical, 3 transactions\n");
    assert!(stderr.contains("interstice query moor_log.newest_first 3"), "{stderr}");
}

/// Builds a project into the directory that all of the workspace are built into; returns the artefact's hash.
fn built_hash(project: &Path) -> String {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let mut command = interstice(&["build", project.to_str().unwrap(), "-o", "json"]);
    let output = command.env("CARGO_TARGET_DIR", target).output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    document["blake3"].as_str().unwrap().to_owned()
}

#[test]
fn an_artefact_does_not_depend_on_where_it_was_built() {
    let project = root().join("examples/hello");
    let first = built_hash(&project);
    Command::new("touch").arg(project.join("src/lib.rs")).status().unwrap();
    assert_eq!(built_hash(&project), first);
}

#[test]
fn a_project_of_the_same_name_is_another_project() {
    let louder = copy_of("examples/hello", |text| text.replace("Hello, ", "HELLO, "));
    let project = root().join("examples/hello");
    let (first, loud) = (built_hash(&project), built_hash(louder.path()));
    assert_ne!(first, loud);
    for _ in 0..2 {
        assert_eq!((built_hash(&project), built_hash(louder.path())), (first.clone(), loud.clone()));
    }
}
