//! A module whose tables change from version to version, with rows in them, as its author goes about it.

use crate::support::{Node, build, copy_files, copy_of, interstice, run};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

fn edit(project: &Path, change: impl FnOnce(String) -> String) {
    let file = project.join("src/lib.rs");
    let source = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, change(source)).unwrap();
}

fn replace(source: &str, from: &str, to: &str) -> String {
    assert!(source.contains(from), "{from:?} is not in the source");
    source.replace(from, to)
}

/// Adds a column with a default and an index, and one that may hold nothing.
fn wider(source: String) -> String {
    let source = replace(
        &source,
        "    pub said_at: Timestamp,",
        "    pub said_at: Timestamp,\n    #[index]\n    #[default(7)]\n    pub volume: u32,\n    pub answered_at: Option<Timestamp>,",
    );
    replace(&source, "said_at: ctx.now()", "said_at: ctx.now(), volume: 11, answered_at: None")
}

/// Renames the table and a column, and makes another column two.
fn split(source: String) -> String {
    let source = replace(&source, "pub text: String,", "pub first_word: String,\n    pub rest: String,");
    let source =
        replace(&source, "    pub name: String,\n", "    #[renamed(from = \"name\")]\n    pub guest: String,\n");
    let said = "text: format!(\"Hello, {name}!\"), name,";
    replace(&source, said, "first_word: \"Hello\".to_owned(), rest: format!(\"{name}!\"), guest: name,")
}

const MIGRATION: &str = r#"
interstice_sdk::old_schema!(v1 = "schema/v1.json");

#[migration(from = 1)]
fn greeting_from_v1(old: v1::Greeting) -> Greeting {
    let (first_word, rest) = old.text.split_once(", ").expect("a greeting has two parts");
    Greeting {
        id: old.id,
        guest: old.name,
        first_word: first_word.to_owned(),
        rest: rest.to_owned(),
        said_at: old.said_at,
        volume: old.volume,
        answered_at: old.answered_at,
    }
}
"#;

#[test]
fn tables_change_with_rows_in_them() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path());
    let project = copy_of("examples/hello", |text| text);
    let (path, data) = (project.path().to_str().unwrap(), directory.path().to_str().unwrap());
    node.publish(path);
    node.run(&["call", "hello.greet", "ada"]).ok();

    // What is safe is shown, tried, and applied.
    edit(project.path(), wider);
    let difference = node.run(&["schema", "diff", "hello", path, "--exit-code"]);
    assert_eq!(difference.exit, 4, "{difference:?}");
    for line in ["+ volume", "u32, default 7", "+ index `volume`", "+ answered_at", "3 safe: publish applies it"] {
        assert!(difference.stdout.contains(line), "{line:?} is not in {}", difference.stdout);
    }
    let plan = node.run(&["migrate", "plan", path, "-o", "json"]).ok().json();
    assert_eq!((&plan["ok"], &plan["steps"][0]["rows"], &plan["offset"]), (&json!(true), &json!("2"), &json!("2")));
    assert!(!node.run(&["schema", "show", "hello"]).ok().stdout.contains("volume"), "nothing was published");
    let published = node.run(&["publish", path]).ok();
    assert!(published.stdout.contains("hello.greeting   v1 → v2   2 rows"), "{}", published.stdout);
    let rows = node.run(&["sql", "select name, volume, answered_at from hello.greeting", "-o", "json"]).ok().json();
    assert_eq!(rows["rows"], json!([["world", 7, null], ["ada", 7, null]]));

    // What nobody can know is asked for, with the beginning of it.
    edit(project.path(), split);
    let refused = node.run(&["publish", path]).refused(1, "no-migration-path");
    assert!(refused.stderr.contains("`greeting.first_word` string, no default"), "{}", refused.stderr);
    let saved = node.run(&["migrate", "new", path, "-o", "json"]).ok().json();
    assert_eq!(saved["version"], 1);
    let stub = saved["stubs"][0].as_str().unwrap();
    for line in ["#[migration(from = 1)]", "guest: old.name,", "first_word: todo!(\"string\"),", "volume: old.volume,"]
    {
        assert!(stub.contains(line), "{line:?} is not in {stub}");
    }
    assert!(project.path().join("schema/v1.json").is_file());
    edit(project.path(), |source| source + MIGRATION);
    let again = node.run(&["migrate", "new", path]).ok();
    assert!(
        again.stdout.contains("is there already") && again.stdout.contains("no migration is to be written"),
        "{again:?}"
    );
    let plan = node.run(&["migrate", "plan", path]).ok();
    assert!(
        plan.stdout.contains("hello.greeting   v2 → v3   2 rows   migration `greeting_from_v1`"),
        "{}",
        plan.stdout
    );
    node.run(&["publish", path]).ok();
    let rows =
        node.run(&["sql", "select guest, first_word, rest, volume from hello.greeting", "-o", "json"]).ok().json();
    assert_eq!(rows["rows"], json!([["world", "Hello", "world!", 7], ["ada", "Hello", "ada!", 7]]));
    node.run(&["publish", path]).ok();
    node.run(&["call", "hello.greet", "grace"]).ok();

    // All of it is told, from the node and from its files.
    for args in
        [&["migrate", "status", "hello", "-o", "json"][..], &["migrate", "status", "-o", "json", "--data", data]]
    {
        let status = node.run(args).ok().json();
        let versions: Vec<_> =
            status["rows"].as_array().unwrap().iter().map(|row| (&row[4], &row[5], &row[6])).collect();
        assert_eq!(versions, [(&json!(1), &json!(2), &json!("2")), (&json!(2), &json!(3), &json!("2"))]);
    }
    let past = node.run(&["schema", "diff", "hello@1", "hello@3", "-o", "json"]).ok().json();
    assert_eq!(past["tables"][0]["differences"].as_array().unwrap().len(), 3);
    let dump = node.run(&["log", "dump", "--table", "hello.greeting", "-o", "jsonl"]).ok();
    let said = |line: &str| dump.stdout.lines().any(|told| told.contains(line));
    assert!(said(r#""insert":{"id":"2","name":"ada""#), "rows are told in the schema of their time: {}", dump.stdout);
    assert!(
        said(r#""first_word":"Hello","guest":"ada""#),
        "also within the transaction that changed it: {}",
        dump.stdout
    );
    node.replays();
    node.kill();
    let node = Node::start(directory.path());
    let rows = node.run(&["sql", "select guest from hello.greeting", "-o", "json"]).ok().json();
    assert_eq!(rows["rows"], json!([["world"], ["ada"], ["grace"]]));
    node.run(&["snapshot", "create"]).ok();
    node.kill();
    let node = Node::start(directory.path());
    assert_eq!(node.run(&["sql", "select guest from hello.greeting", "-o", "json"]).ok().json()["rows"], rows["rows"]);

    // What would be lost is given up only by who says so.
    edit(project.path(), |source| {
        let source = replace(&source, "    pub rest: String,\n", "");
        let source = replace(&source, "        rest: rest.to_owned(),\n", "");
        let source = replace(&source, "let (first_word, rest) =", "let (first_word, _) =");
        replace(&source, "rest: format!(\"{name}!\"), ", "")
    });
    let refused = node.run(&["publish", path]).refused(7, "destructive");
    assert!(
        refused.stderr.contains("`greeting.rest` string") && refused.stderr.contains("--break"),
        "{}",
        refused.stderr
    );
    let plan = node.run(&["publish", path, "--dry-run"]);
    assert_eq!(plan.exit, 4, "{plan:?}");
    node.run(&["publish", path, "--break"]).ok();
    let rows = node.run(&["sql", "select first_word, guest from hello.greeting", "-o", "json"]).ok().json();
    assert_eq!(rows["rows"], json!([["Hello", "world"], ["Hello", "ada"], ["Hello", "grace"]]));
    assert_eq!(node.run(&["sql", "select rest from hello.greeting"]).exit, 1);

    // The history of a row goes through all of that: by the index of the node, and by going over all of a backup.
    let backups = tempfile::tempdir().unwrap();
    node.run(&["backup", "create", "--to", backups.path().to_str().unwrap()]).ok();
    let files = std::fs::read_dir(backups.path()).unwrap().map(|entry| entry.unwrap().path());
    let backup = files.into_iter().find(|path| path.extension().is_some_and(|ext| ext == "json")).unwrap();
    for key in ["1", "2", "3", "4"] {
        let history = ["history", "hello.greeting", key, "-o", "json"];
        let told = node.run(&history).ok().json();
        assert_eq!(run(&[&history[..], &["--data", backup.to_str().unwrap()]].concat()).ok().json(), told, "{key}");
        let changes = told["entries"].as_array().unwrap().len();
        assert_eq!(changes, if key == "4" { 0 } else { 2 - usize::from(key == "3") }, "{told}");
    }
}

/// A version that was published before is published again, if its tables fit what is there.
#[test]
fn a_former_version_comes_back_where_its_tables_fit() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path());
    let project = copy_of("examples/hello", |text| text);
    let path = project.path().to_str().unwrap();
    node.run(&["modules", "rollback", "hello"]).refused(1, "unknown-version");
    node.publish(path);
    edit(project.path(), |source| replace(&source, "Hello, {name}!", "Good day, {name}!"));
    node.publish(path);
    node.run(&["modules", "rollback", "hello"]).ok();
    node.run(&["call", "hello.greet", "ada"]).ok();
    let texts = node.run(&["sql", "select text from hello.greeting", "-o", "json"]).ok().json();
    assert_eq!(texts["rows"], json!([["Hello, world!"], ["Hello, ada!"]]));
    let versions = node.run(&["modules", "show", "hello", "-o", "json"]).ok().json()["versions"].clone();
    assert_eq!(
        versions.as_array().unwrap().iter().map(|row| &row["published_at"]).collect::<Vec<_>>(),
        ["3", "2", "1"]
    );
    edit(project.path(), wider);
    node.publish(path);
    let refused = node.run(&["modules", "rollback", "hello"]).refused(7, "destructive");
    assert!(refused.stderr.contains("`greeting.volume` u32"), "{}", refused.stderr);
    node.run(&["modules", "rollback", "hello", "--to", "1", "--break"]).ok();
    assert_eq!(node.run(&["sql", "select volume from hello.greeting"]).exit, 1);
    node.run(&["modules", "rollback", "hello", "--to", "4"]).refused(1, "unknown-version");
    node.replays();
}

/// Greets many at once.
const FILL: &str = r#"
#[reducer]
fn fill(ctx: &ReducerContext, greetings: Insert<Greeting>, from: u64, to: u64) {
    for number in from..to {
        greetings.insert(Greeting { id: 0, text: format!("Hello, {number}!"), name: "all".to_owned(), said_at: ctx.now() });
    }
}
"#;

/// A node that has many greetings, and the next version of their module, which makes all of them anew.
fn many_greetings(data: &Path) -> (tempfile::TempDir, std::path::PathBuf) {
    let node = Node::start(data);
    let project = copy_of("examples/hello", |text| text);
    let path = project.path().to_str().unwrap();
    edit(project.path(), |source| source + FILL);
    node.publish(path);
    for from in (0..GREETINGS).step_by(10_000) {
        node.run(&["call", "hello.fill", &from.to_string(), &(from + 10_000).to_string()]).ok();
    }
    edit(project.path(), |source| split(source.replace(FILL, "")));
    node.run(&["migrate", "new", path]).ok();
    let migration = MIGRATION.replace("        volume: old.volume,\n        answered_at: old.answered_at,\n", "");
    edit(project.path(), |source| source + &migration);
    let next = data.with_extension("wasm");
    std::fs::copy(build(path), &next).unwrap();
    assert_eq!(node.terminate(), Some(0));
    (project, next)
}

const GREETINGS: u64 = 100_000;

/// Rows with the columns of the version before and after, and how many migrations were recorded.
fn state(node: &Node) -> (String, String) {
    let told = |sql: &str| node.run(&["sql", sql, "-o", "jsonl"]).stdout;
    let rows = told("select count(*) from hello.greeting where text = 'Hello, 77777!'");
    let new = told("select count(*) from hello.greeting where rest = '77777!'");
    let all = told("select count(*) from hello.greeting");
    let migrations = told("select module, name, rows from interstice.migration");
    (format!("{rows}{new}"), format!("{all}{migrations}"))
}

/// Whenever the node is killed: the table is as it was, or as it is to be, and the record of the migration says which.
#[test]
fn a_migration_is_whole_or_has_not_begun_whatever_kills_the_node() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let (_project, next) = many_greetings(&data);
    let next = next.to_str().unwrap();
    let copy = |number: u32| {
        let copy = directory.path().join(format!("copy-{number}"));
        copy_files(&data, &copy);
        copy
    };
    let whole = copy(0);
    let node = Node::start(&whole);
    let before = state(&node);
    let started = Instant::now();
    node.run(&["publish", next]).ok();
    let elapsed = started.elapsed();
    let after = state(&node);
    node.kill();
    assert_ne!(before, after);
    let mut found = BTreeSet::new();
    for number in 1..=12 {
        let data = copy(number);
        let node = Node::start(&data);
        let mut publish = interstice(&["publish", next]);
        let publish = publish.env("INTERSTICE_SERVER", &node.url).stdout(Stdio::null()).stderr(Stdio::null());
        let mut publish = publish.spawn().unwrap();
        std::thread::sleep(elapsed * (number - 1) / 8);
        node.kill();
        let acknowledged = publish.wait().unwrap().success();
        run(&["log", "verify", "--data", data.to_str().unwrap()]).ok();
        let node = Node::start(&data);
        let state = state(&node);
        assert!(state == before || state == after, "kill {number}: {state:?} is neither {before:?} nor {after:?}");
        assert!(!acknowledged || state == after, "kill {number}: what was acknowledged is gone");
        found.insert(state == after);
        // What was begun and lost is published as if nothing had been; what was done is done once.
        node.run(&["publish", next]).ok();
        assert_eq!(self::state(&node), after, "kill {number}");
        node.kill();
        std::fs::remove_dir_all(&data).unwrap();
    }
    assert_eq!(found.len(), 2, "killed too early each time, or too late: {found:?}");
}
