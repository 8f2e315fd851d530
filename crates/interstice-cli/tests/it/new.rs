//! `new`, as somebody meets it who has nothing yet.

use crate::support::{Ran, interstice, root, target, test_in};
use std::path::Path;
use std::process::Command;

/// Runs the command in `directory`.
fn run_in(directory: &Path, args: &[&str]) -> Ran {
    let mut command = interstice(args);
    Ran::of(command.current_dir(directory).env("CARGO_TARGET_DIR", target()).output().unwrap())
}

/// What is in a directory.
fn names_in(directory: &Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn a_new_project_of_every_template_is_built_run_replayed_and_passes_its_tests() {
    let home = tempfile::tempdir().unwrap();
    // The first one has the name of its example, which the workspace that lends its `Cargo.lock` has too.
    for (name, module, args) in [
        ("hello", "hello", &[][..]),
        ("apps/talk-show", "talk_show", &["--template", "chat"]),
        ("apps/store_room", "store_room", &["--template", "inventory"]),
        ("nothing-yet", "nothing_yet", &["--template", "blank"]),
    ] {
        let made = run_in(home.path(), &[&["new", name], args].concat()).ok();
        assert_eq!(made.stdout, format!("{name}\n"));
        assert!(made.stderr.contains(&format!("  cd {name}\n  cargo test\n  interstice dev\n")), "{made:?}");
        let project = home.path().join(name);
        assert_eq!(std::fs::read_to_string(project.join(".gitignore")).unwrap(), "/target\n/.interstice\n");
        let ran = run_in(&project, &["dev", "--once", "--listen", "127.0.0.1:0"]).ok();
        assert!(ran.stdout.starts_with("replay: identical, "), "{ran:?}");
        assert!(ran.stderr.contains(&format!("$ interstice query {module}.")), "{ran:?}");
        let tested = test_in(&project).ok();
        assert!(tested.stdout.contains("test result: ok. ") && !tested.stderr.contains("warning"), "{tested:?}");
    }
    assert_eq!(names_in(home.path()), ["apps", "hello", "nothing-yet"]);
}

#[test]
fn a_name_that_something_would_refuse_is_refused_first_with_one_that_works() {
    let home = tempfile::tempdir().unwrap();
    for (name, hint) in [
        ("apps/My-Game", "interstice new apps/my-game"),
        ("match", "interstice new my-match"),
        ("2048", "interstice new my-module"),
        ("interstice", "interstice new my-interstice"),
        ("sp ace", "interstice new sp-ace"),
        ("..", "interstice new ../my-module"),
    ] {
        let stderr = run_in(home.path(), &["new", name]).refused(2, "invalid-name").stderr;
        assert!(stderr.contains(&format!("hint:  {hint}\n")), "{stderr}");
    }
    let long = "a".repeat(65);
    run_in(home.path(), &["new", &long]).refused(2, "invalid-name");
    assert!(names_in(home.path()).is_empty());
    assert_eq!(run_in(home.path(), &["new", "game", "--template", "novel"]).exit, 2);
    run_in(home.path(), &["new", &long[1..]]).ok();
}

#[test]
fn nothing_is_written_over_and_nothing_is_left_half_written() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join("full")).unwrap();
    std::fs::write(home.path().join("full/notes"), "mine").unwrap();
    std::fs::write(home.path().join("file"), "mine").unwrap();
    std::fs::create_dir(home.path().join("empty")).unwrap();
    for name in ["full", "file"] {
        let stderr = run_in(home.path(), &["new", name, "--template", "chat"]).refused(2, "not-empty").stderr;
        assert!(stderr.contains(&format!("hint:  interstice new {name}-2 --template chat\n")), "{stderr}");
    }
    let elsewhere = home.path().to_str().unwrap();
    let stderr = run_in(home.path(), &["new", "game", "--sdk", elsewhere]).refused(2, "no-sdk").stderr;
    assert!(stderr.contains("interstice new game --sdk "), "{stderr}");
    run_in(home.path(), &["new", "file/below"]).refused(1, "file");
    assert_eq!(names_in(home.path()), ["empty", "file", "full"]);
    assert_eq!(names_in(&home.path().join("full")), ["notes"]);
    run_in(home.path(), &["new", "empty"]).ok();
    assert_eq!(
        names_in(&home.path().join("empty")),
        [".gitignore", "Cargo.lock", "Cargo.toml", "README.md", "src", "tests"]
    );
    run_in(home.path(), &["new", "empty"]).refused(2, "not-empty");
}

#[test]
fn the_sdk_is_named_by_its_whole_path_and_said_in_json() {
    let home = tempfile::tempdir().unwrap();
    let odd = home.path().join("a \"b\"");
    std::fs::create_dir(&odd).unwrap();
    std::os::unix::fs::symlink(root().join("crates/interstice-sdk"), odd.join("sdk")).unwrap();
    let made = run_in(&odd, &["new", "game", "--sdk", "sdk", "-o", "json", "--quiet"]).ok();
    assert_eq!(made.stderr, "");
    let document = made.json();
    assert_eq!((&document["schema"], &document["module"]), (&"interstice.new/v1".into(), &"game".into()));
    let manifest = std::fs::read_to_string(odd.join("game/Cargo.toml")).unwrap();
    let sdk = root().join("crates/interstice-sdk");
    let path = format!("interstice-sdk = {{ path = \"{}\"", sdk.display());
    assert_eq!(manifest.matches(&path).count(), 2, "{manifest}");
}

#[test]
fn inside_of_a_workspace_it_is_a_member_or_has_one_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(
        home.path().join("Cargo.toml"),
        "[workspace]\nresolver = \"3\"\nmembers = [\"apps/*\", \"named\", \"too\"]\n",
    )
    .unwrap();
    std::fs::create_dir(home.path().join("apps")).unwrap();
    for (name, is_member) in [("apps/member", true), ("named", true), ("too", true), ("apart", false)] {
        run_in(home.path(), &["new", name]).ok();
        let project = home.path().join(name);
        let manifest = std::fs::read_to_string(project.join("Cargo.toml")).unwrap();
        assert_eq!(!manifest.contains("\n[workspace]\n"), is_member, "{manifest}");
        assert_eq!(!project.join("Cargo.lock").exists(), is_member);
        let mut located = Command::new("cargo");
        located.args(["locate-project", "--workspace", "--message-format", "plain"]);
        let located = located.current_dir(&project).output().unwrap();
        let manifest = if is_member { home.path().join("Cargo.toml") } else { project.join("Cargo.toml") };
        let manifest = manifest.canonicalize().unwrap();
        assert_eq!(String::from_utf8(located.stdout).unwrap().trim(), manifest.to_str().unwrap());
    }
    // The workspace is whole, with its member.
    let members = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(home.path())
        .output();
    let members: serde_json::Value = serde_json::from_slice(&members.unwrap().stdout).unwrap();
    let names: Vec<_> = members["packages"].as_array().unwrap().iter().map(|package| &package["name"]).collect();
    assert_eq!(names, ["member", "named", "too"]);
}
