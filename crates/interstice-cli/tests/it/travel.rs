//! Time travel: what was there at a moment, who changed a row, where an answer turned, a fork; the same from a node, from its data
//! directory and from a backup of it.

use crate::support::{Node, Ran, run};
use expect_test::expect;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A node with `inventory`, its data directory and a backup of it.
///
/// Offsets: 0 genesis, 1 publish, 2 ada opens warehouse 2, 3 and 4 tea comes into it, 5 some is taken out, 6 grace closes it, 7 another
/// one is opened, 8 tea comes into the first one.
pub(crate) struct Past {
    directory: tempfile::TempDir,
    pub(crate) node: Node,
}

impl Past {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let node = Node::start(&directory.path().join("data"));
        node.publish("examples/inventory");
        let calls = [
            ["--as", "ada", "call", "inventory.open", "north"].as_slice(),
            &["call", "inventory.receive", "2", "tea", "10"],
            &["call", "inventory.receive", "2", "tea", "5"],
            &["call", "inventory.take", "tea", "4"],
            &["--as", "grace", "call", "inventory.close", "2"],
            &["call", "inventory.open", "south"],
            &["call", "inventory.receive", "1", "tea", "1"],
        ];
        for call in calls {
            node.run(call).ok();
        }
        node.run(&["backup", "create", "--to", directory.path().join("backups").to_str().unwrap()]).ok();
        Self { directory, node }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn backup(&self) -> String {
        let files = std::fs::read_dir(self.path("backups")).unwrap().map(|entry| entry.unwrap().path());
        files
            .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
            .map(|path| path.display().to_string())
            .next()
            .unwrap()
    }

    /// What comes of a command on the node, on the directory and on the backup.
    fn everywhere(&self, args: &[&str]) -> [Ran; 3] {
        let with = |data: &str| run(&[args, &["--data", data]].concat());
        [self.node.run(args), with(&self.text("data")), with(&self.backup())]
    }

    /// What the command prints, which is the same everywhere.
    fn print(&self, args: &[&str], exit: i32) -> String {
        let [node, directory, backup] = self.everywhere(args);
        assert_eq!((node.exit, &node.stderr[..]), (exit, ""), "{args:?}: {node:?}");
        assert_eq!((&directory.stdout, directory.exit), (&node.stdout, exit), "{args:?}: {directory:?}");
        assert_eq!((&backup.stdout, backup.exit), (&node.stdout, exit), "{args:?}: {backup:?}");
        node.stdout
    }

    /// Its data directory, in which transaction 7 is damaged; nothing runs on it.
    pub(crate) fn damaged(self) -> (tempfile::TempDir, PathBuf) {
        let Self { directory, node } = self;
        node.kill();
        let data = directory.path().join("data");
        let segment = data.join("log").join(format!("{:020}.log", 0));
        let mut bytes = std::fs::read(&segment).unwrap();
        // In the arguments of the transaction.
        let at = bytes.windows(5).position(|bytes| bytes == b"south").unwrap();
        bytes[at] ^= 1;
        std::fs::write(&segment, bytes).unwrap();
        (directory, data)
    }

    fn refused(&self, args: &[&str], exit: i32, code: &str) {
        self.everywhere(args).into_iter().for_each(|ran| drop(ran.refused(exit, code)));
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.print(&[args, &["-o", "json"]].concat(), 0)).unwrap()
    }

    /// The time of a transaction.
    pub(crate) fn time(&self, offset: u64) -> String {
        let told = self.node.run(&["log", "inspect", &offset.to_string(), "-o", "json"]).ok().json();
        told["transaction"]["time"].as_str().unwrap().to_owned()
    }
}

/// Times are others in each run.
pub(crate) fn masked(text: &str) -> String {
    let mask =
        |word: &str| if word.len() == 27 && word.ends_with('Z') { format!("{:27}", "TIME") } else { word.to_owned() };
    let lines = text.lines().map(|line| line.split(' ').map(mask).collect::<Vec<_>>().join(" ") + "\n");
    lines.collect()
}

#[test]
fn every_change_of_a_row_is_told_also_if_it_is_gone() {
    let past = Past::new();
    let stock = ["history", "inventory.stock", r#"[2, "tea"]"#];
    expect![[r#"
        offset  time                         by        change                            cause
        6       TIME                         a5e309e5  - count=11, sku=tea, warehouse=2  inventory.close(id=2)
        5       TIME                         58ab843a  count 15 → 11                     inventory.take(sku="tea", count=4)
        4       TIME                         58ab843a  count 10 → 15                     inventory.receive(warehouse=2, sku="tea", count=5)
        3       TIME                         58ab843a  + count=10, sku=tea, warehouse=2  inventory.receive(warehouse=2, sku="tea", count=10)
    "#]]
    .assert_eq(&masked(&past.print(&stock, 0)));
    let told = past.json(&stock);
    assert_eq!((&told["schema"], &told["more"]), (&json!("interstice.history/v1"), &json!(false)));
    let entry = &told["entries"][1];
    assert_eq!(entry["old"], json!({"warehouse": 2, "sku": "tea", "count": "15"}));
    assert_eq!(entry["new"], json!({"warehouse": 2, "sku": "tea", "count": "11"}));
    assert_eq!((&entry["offset"], &entry["cause"]), (&json!("5"), &json!("call")));
    assert_eq!(told["entries"][0]["new"], Value::Null);
    let newest = past.json(&[&stock[..], &["--limit", "1"]].concat());
    assert_eq!((newest["entries"].as_array().unwrap().len(), &newest["more"]), (1, &json!(true)));
    // A row that came with the publish, and one that never was.
    let main = past.json(&["history", "inventory.warehouse", "1"]);
    assert_eq!(
        (&main["entries"][0]["call"], &main["entries"][0]["offset"]),
        (&json!("publish inventory"), &json!("1"))
    );
    assert_eq!(past.print(&["history", "inventory.warehouse", "99"], 0), "no transaction changed this row\n");
    past.refused(&["history", "inventory.stok", "1"], 1, "unknown-table");
    past.refused(&["history", "inventory.stock", "1"], 1, "invalid-selection");
    past.refused(&["history", "stock", "1"], 2, "invalid-selection");
}

#[test]
fn sql_and_queries_answer_as_of_a_moment() {
    let past = Past::new();
    let (sql, query) =
        ("select count from inventory.stock where sku = 'tea' order by warehouse", "inventory.available");
    for (at, rows, available) in [
        ("2", "count\n", "0"),
        ("3", "count\n10\n", "10"),
        ("4", "count\n15\n", "15"),
        ("5", "count\n11\n", "11"),
        ("6", "count\n", "0"),
        ("8", "count\n1\n", "1"),
        ("head", "count\n1\n", "1"),
        (&past.time(4), "count\n15\n", "15"),
        ("2999-01-01T00:00:00Z", "count\n1\n", "1"),
    ] {
        assert_eq!(past.print(&["sql", sql, "--at", at], 0), rows, "at {at}");
        assert_eq!(past.print(&["query", query, "tea", "--at", at], 0).trim_end(), available, "at {at}");
    }
    let told = past.json(&["sql", sql, "--at", "4"]);
    assert_eq!((&told["offset"], &told["rows"]), (&json!("4"), &json!([["15"]])));
    assert_eq!(past.json(&["query", query, "tea", "--at", "4"])["offset"], "4");
    // With the index that there was then.
    assert_eq!(past.json(&["sql", sql, "--at", "4", "--explain"])["returned"], 1);
    past.refused(&["sql", sql, "--at", "9"], 1, "unknown-offset");
    past.refused(&["sql", sql, "--at", "1999-01-01T00:00:00Z"], 1, "unknown-offset");
    past.refused(&["sql", sql, "--at", "yesterday"], 2, "invalid-moment");
    past.refused(&["sql", sql, "--at", "0"], 1, "unknown-table");
    past.refused(&["query", query, "tea", "--at", "0"], 1, "unknown-module");
    // From a snapshot on, and before it.
    past.node.run(&["snapshot", "create"]).ok();
    past.node.run(&["call", "inventory.receive", "1", "tea", "1"]).ok();
    for (at, rows) in [("5", "count\n11\n"), ("8", "count\n1\n"), ("9", "count\n2\n")] {
        for ran in &past.everywhere(&["sql", sql, "--at", at])[..2] {
            assert_eq!(ran.stdout, rows, "at {at}");
        }
    }
}

#[test]
fn a_fork_starts_as_a_node_of_its_own() {
    let past = Past::new();
    let count = |node: &Node| node.run(&["query", "inventory.available", "tea"]).ok().stdout.trim_end().to_owned();
    for (number, whole) in [false, true].into_iter().enumerate() {
        let more: &[&str] = if whole { &["--whole"] } else { &[] };
        for (place, data) in [None, Some(past.text("data")), Some(past.backup())].into_iter().enumerate() {
            let out = past.text(&format!("fork {number} {place}"));
            let args = [&["fork", "--at", "5", "--out", &out, "-o", "json"], more].concat();
            let made = match &data {
                None => past.node.run(&args),
                Some(data) => run(&[&args[..], &["--data", data]].concat()),
            };
            let made = made.ok().json();
            assert_eq!((&made["schema"], &made["to"]), (&json!("interstice.fork/v1"), &json!("6")), "{made}");
            let node = Node::start(Path::new(&out));
            assert_eq!(count(&node), "11");
            node.run(&["call", "inventory.take", "tea", "11"]).ok();
            assert_eq!(count(&node), "0");
            node.replays();
        }
    }
    assert_eq!(count(&past.node), "1", "nothing of that is seen by the first one");
    let dump = run(&["log", "dump", "--cause", "loss", "-o", "jsonl", "--data", &past.text("fork 0 0")]).ok().stdout;
    let said: Value = serde_json::from_str(dump.lines().next().unwrap()).unwrap();
    assert_eq!((&said["loss"]["cause"], &said["loss"]["at"]), (&json!("fork"), &json!(6)), "{said}");
    // Behind a snapshot no more of the log goes along than what comes behind it; all of it only if it is asked for.
    past.node.run(&["snapshot", "create"]).ok();
    let out = past.text("head");
    past.node.run(&["fork", "--at", "head", "--out", &out]).ok();
    let node = Node::start(Path::new(&out));
    assert_eq!(count(&node), "1");
    // One of its own receipts holds, and one of what the other did later does not.
    past.refused(&["fork", "--at", "5", "--out", &out], 2, "usage");
    past.refused(&["fork", "--at", "99", "--out", &past.text("never")], 1, "unknown-offset");
    past.refused(&["fork", "--at", "soon", "--out", &past.text("never")], 2, "invalid-moment");
    assert!(!past.path("never").exists());
}

#[test]
fn the_state_of_a_moment_is_rebuilt_from_the_log() {
    let past = Past::new();
    for (place, data) in [None, Some(past.text("data")), Some(past.backup())].into_iter().enumerate() {
        let out = past.text(&format!("run {place}"));
        let args = ["replay", "run", "--to", "5", "--out", &out, "-o", "json"];
        let made = match &data {
            None => past.node.run(&args),
            Some(data) => run(&[&args[..], &["--data", data]].concat()),
        };
        let made = made.ok().json();
        let recorded = past.node.run(&["log", "inspect", "4", "-o", "json"]).ok().json();
        assert_eq!(made["digest"], recorded["transaction"]["digest"]);
        assert_eq!((&made["from"], &made["to"]), (&json!("0"), &json!("5")));
        let sql = run(&["sql", "select count from inventory.stock", "--data", &out]).ok().stdout;
        assert_eq!(sql, "count\n15\n");
        run(&["replay", "check", "--data", &out]).ok();
    }
    past.refused(&["replay", "run", "--to", "10", "--out", &past.text("never")], 1, "unknown-offset");
    assert!(!past.path("never").exists());
}

#[test]
fn the_transaction_is_found_at_which_an_answer_turns() {
    let past = Past::new();
    let turn = |statement: &str, more: &[&str], exit: i32| -> Value {
        let args = [&["bisect", statement, "-o", "json"], more].concat();
        serde_json::from_str(&past.print(&args, exit)).unwrap()
    };
    let low = "select warehouse, count from inventory.stock where count < 12";
    let found = turn(low, &["--from", "4"], 4);
    assert_eq!((&found["schema"], &found["offset"]), (&json!("interstice.bisect/v1"), &json!("4")));
    assert_eq!((&found["before"]["rows"], &found["behind"]["rows"]), (&json!([[2, "10"]]), &json!([])));
    assert_eq!(found["transaction"]["function"], "inventory.receive");
    assert_eq!(turn(low, &["--from", "5"], 4)["offset"], "5");
    assert_eq!(turn("select count(*) from inventory.warehouse", &["--from", "3"], 4)["offset"], "6");
    // It came to be by the publish.
    let born = turn("select count(*) from inventory.warehouse", &[], 4);
    assert_eq!((&born["offset"], &born["before"]["error"]["code"]), (&json!("1"), &json!("unknown-table")));
    let same = turn("select * from inventory.item", &["--from", "2"], 0);
    assert_eq!(same["found"], false);
    past.refused(&["bisect", "select * from inventory.itm", "--from", "2"], 1, "unknown-table");
    past.refused(&["bisect", "select", "--from", "2"], 1, "invalid-sql");
    past.refused(&["bisect", low, "--from", "50"], 1, "unknown-offset");
    past.refused(&["bisect", low, "--from", "5", "--to", "5"], 2, "usage");
}

#[test]
fn a_check_runs_what_it_is_asked_for_wherever_the_history_is() {
    let past = Past::new();
    let ways: [&[&str]; 4] = [&[], &["--fresh"], &["--jobs", "1"], &["--jobs", "3"]];
    for (engine, more) in ["wasmtime", "wasmi"].into_iter().flat_map(|engine| ways.map(|more| (engine, more))) {
        for ran in past.everywhere(&[&["replay", "check", "--engine", engine, "-o", "json"], more].concat()) {
            let checked = ran.ok().json();
            assert_eq!((&checked["schema"], &checked["ok"]), (&json!("interstice.replay-check/v1"), &json!(true)));
            assert_eq!(checked["engine"], engine);
            assert_eq!(
                (&checked["checked"], &checked["versions"], &checked["divergent"]),
                (&json!("9"), &json!(1), &json!(0))
            );
        }
    }
    for engine in ["wasmtime", "wasmi"] {
        for ran in past.everywhere(&["replay", "check", "--engine", engine, "--from", "3", "--to", "6", "-o", "json"]) {
            let checked = ran.ok().json();
            assert_eq!((&checked["checked"], &checked["engine"]), (&json!("3"), &json!(engine)));
        }
    }
    let text = past.node.run(&["replay", "check"]).ok().stdout;
    assert!(text.starts_with("9 transactions re-executed by wasmtime, 1 module versions, 0 divergences  "), "{text}");
    past.refused(&["replay", "check", "--from", "9"], 1, "unknown-offset");
    past.refused(&["replay", "check", "--to", "10"], 1, "unknown-offset");
    past.refused(&["replay", "check", "--from", "4", "--to", "4"], 2, "usage");
    let memory = Node::in_memory();
    memory.publish("examples/inventory");
    assert_eq!(memory.run(&["replay", "check", "-o", "json"]).ok().json()["checked"], "2");
    assert_eq!(memory.run(&["replay", "check", "--engine", "wasmi", "-o", "json"]).ok().json()["checked"], "2");
}

/// What stands before the damage is told, and what comes behind it is said not to be.
#[test]
fn of_a_damaged_log_everything_is_told_that_can_be_read() {
    let (directory, data) = Past::new().damaged();
    let data = data.to_str().unwrap();
    let with = |args: &[&str]| run(&[args, &["--data", data]].concat());
    let dump = with(&["log", "dump"]).refused(8, "corrupt-log");
    assert_eq!(dump.stdout.lines().count(), 7, "{dump:?}");
    let told = with(&["history", "inventory.stock", r#"[2, "tea"]"#]).refused(8, "corrupt-log");
    assert_eq!(told.stdout.lines().count(), 5, "{told:?}");
    let checked = with(&["replay", "check"]).refused(8, "corrupt-log");
    assert!(checked.stdout.starts_with("7 transactions re-executed"), "{checked:?}");
    let statement = "select count from inventory.stock";
    assert_eq!(with(&["sql", statement, "--at", "5"]).ok().stdout, "count\n11\n");
    with(&["sql", statement, "--at", "7"]).refused(8, "corrupt-log");
    with(&["sql", statement]).refused(8, "corrupt-log");
    let found = with(&["bisect", statement, "--from", "4"]).refused(8, "corrupt-log");
    assert!(found.stdout.starts_with("4  "), "{found:?}");
    let out = directory.path().join("saved");
    with(&["fork", "--at", "5", "--out", out.to_str().unwrap()]).ok();
    assert_eq!(run(&["sql", statement, "--data", out.to_str().unwrap()]).ok().stdout, "count\n11\n");
    with(&["fork", "--at", "head", "--out", directory.path().join("never").to_str().unwrap()])
        .refused(8, "corrupt-log");
}
