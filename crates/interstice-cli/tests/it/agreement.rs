//! `interstice test`: the tests of every example, natively and by the compiled modules, and one whose compiled module does something
//! else.

use crate::support::{Ran, copy_of, example_names, interstice, root};
use std::process::Command;

/// The shape in which the workspace is tested, so that nothing is built another time.
const SHAPE: [&str; 3] = ["--release", "--workspace", "--all-features"];

#[test]
fn every_example_does_the_same_natively_and_compiled() {
    for name in example_names() {
        let project = format!("examples/{name}");
        let args = [&["test", &project, "--"], &SHAPE[..], &["--test", &name]].concat();
        let ran = Ran::of(interstice(&args).output().unwrap()).ok();
        assert!(ran.stdout.starts_with("ok: natively and in WebAssembly the same ("), "{ran:?}");
        assert!(ran.stdout.contains(&name), "{ran:?}");
        assert!(ran.stderr.contains("test result: ok. "), "the tests' own words are on stderr: {ran:?}");
        assert!(!ran.stderr.contains("test result: ok. 0 passed"), "{ran:?}");
    }
}

#[test]
fn a_recording_comes_out_the_same_natively_and_compiled() {
    let args = [&["test", "examples/reminders", "--"], &SHAPE[..], &["--test", "tea_is_forgotten"]].concat();
    let ran = Ran::of(interstice(&args).output().unwrap()).ok();
    assert!(ran.stderr.contains("test tea_is_forgotten ... ok"), "{ran:?}");
}

#[test]
fn a_compiled_module_that_does_something_else_is_found_at_the_first_difference() {
    let louder = copy_of("examples/hello", |text| text.replace("Hello, ", "HELLO, "));
    let built = Ran::of(interstice(&["build", louder.path().to_str().unwrap(), "-o", "json"]).output().unwrap()).ok();
    let directory = tempfile::tempdir().unwrap();
    std::fs::copy(built.json()["wasm"].as_str().unwrap(), directory.path().join("hello.wasm")).unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root()).arg("test").args(SHAPE).args(["--test", "hello"]);
    let ran = Ran::of(command.env("INTERSTICE_TEST_WASM", directory.path()).output().unwrap());
    assert_ne!(ran.exit, 0, "{ran:?}");
    let expected = [
        "publishing `hello` does not do the same natively and in WebAssembly: change 5",
        r#"  native: insert hello.greeting {"id":"1","name":"world","said_at":"2026-01-01T00:00:00.000002Z","text":"Hello, world!"}"#,
        r#"  wasm:   insert hello.greeting {"id":"1","name":"world","said_at":"2026-01-01T00:00:00.000002Z","text":"HELLO, world!"}"#,
    ];
    expected.iter().for_each(|line| assert!(ran.stdout.contains(line), "{line}: {ran:?}"));
}

#[test]
fn tests_that_fail_fail_the_command() {
    let args = [&["test", "examples/hello", "--"], &SHAPE[..], &["--test", "no_such_test"]].concat();
    Ran::of(interstice(&args).output().unwrap()).refused(1, "tests-failed");
}
