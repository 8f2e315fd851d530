//! `replay debug`: by scripts, the same from a node, from its data directory and from a backup of it; by keys in a terminal.

use crate::support::{Node, Ran, interstice, root, run, run_with_stdin};
use crate::travel::{Past, masked};
use expect_test::expect;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::process::Stdio;

/// Times and digests are others in each run, fuel with each compiler.
fn steady(text: &str) -> String {
    let fuel = |line: &str| match line.split_once("fuel") {
        Some((front, rest)) => {
            let behind = rest.trim_start_matches(' ').trim_start_matches(|letter: char| letter.is_ascii_digit());
            format!("{front}fuel N{behind}\n")
        }
        None if line.starts_with("digest ") => "digest D\n".to_owned(),
        None => format!("{}\n", line.trim_end()),
    };
    masked(text).lines().map(fuel).collect()
}

/// What a script prints, which is the same everywhere.
fn print(past: &Past, args: &[&str], script: &str) -> String {
    let args = [&["replay", "debug", "--script", "-"], args].concat();
    let node = past.node.run_with_stdin(&args, script).ok();
    assert_eq!(node.stderr, "");
    for data in [past.text("data"), past.backup()] {
        let ran = run_with_stdin(&[&args[..], &["--data", &data]].concat(), script).ok();
        assert_eq!((&ran.stdout, &*ran.stderr), (&node.stdout, ""), "{data}");
    }
    node.stdout
}

#[test]
fn a_script_goes_through_history_wherever_it_is() {
    let past = Past::new();
    let script = "\
# Where the tea went.
break key inventory.stock [2, \"tea\"]
break when 'select * from inventory.stock where count > 12'
breaks
goto first
continue
continue
changes
calls
table inventory.stock
delete 2
continue
cause
changes
calls
logs
continue

sql select count(*) from inventory.stock
changes
continue
reverse
back 2
step 99
";
    expect![[r#"
        breakpoint 1: key inventory.stock [2, "tea"]
        breakpoint 2: when 'select * from inventory.stock where count > 12'
        1  key inventory.stock [2, "tea"]
        2  when 'select * from inventory.stock where count > 12'
        0  TIME                         genesis  genesis  ok  8 rows
        3  TIME                         call  inventory.receive(warehouse=2, sku="tea", count=10)  ok  1 rows
        breakpoint 1: key inventory.stock [2, "tea"]
        4  TIME                         call  inventory.receive(warehouse=2, sku="tea", count=5)  ok  1 rows
        breakpoint 1: key inventory.stock [2, "tea"]
        breakpoint 2: when 'select * from inventory.stock where count > 12'
        ~ inventory.stock [2,"tea"]  count 10 → 15
        run again, as recorded
        inventory.receive {"count":"5","sku":"tea","warehouse":2}
          0 get inventory.stock, key [2,"tea"] → {"count":"10","sku":"tea","warehouse":2}  fuel N
          1 get inventory.stock, key [2,"tea"] → {"count":"10","sku":"tea","warehouse":2}  fuel N
          2 update inventory.stock, row {"count":"15","sku":"tea","warehouse":2}  fuel N
        ok  fuel N
        warehouse  sku  count
        2          tea  15
        breakpoint 2: when 'select * from inventory.stock where count > 12'
        5  TIME                         call  inventory.take(sku="tea", count=4)  ok  1 rows
        breakpoint 1: key inventory.stock [2, "tea"]
        offset    5
        time      TIME
        cause     call
        function  inventory.take
        args      {"count":"4","sku":"tea"}
        caller    58ab843a5a6597cbf4058fd9f3f3cd847c6ecb5c5a88de48d3d1c681f8edc2a4
        outcome   ok
        digest D
        fuel N
        ~ inventory.stock [2,"tea"]  count 15 → 11
        run again, as recorded
        inventory.take {"count":"4","sku":"tea"}
          0 get inventory.item, key tea → {"price":{"cents":"450","currency":"EUR"},"sku":"tea","title":"Green tea","unit":{"tag":"Weight","value":{"grams":100}}}  fuel N
          1 scan_open inventory.stock, index sku, keys sku = "tea", scan 0  fuel N
          2 scan_next inventory.stock, scan 0 → [{"count":"15","sku":"tea","warehouse":2}]  fuel N
          3 scan_next inventory.stock, scan 0 → []  fuel N
          4 scan_close scan 0  fuel N
          5 update inventory.stock, row {"count":"11","sku":"tea","warehouse":2}  fuel N
        ok  fuel N
        run again, as recorded
        nothing was logged
        6  TIME                         call  inventory.close(id=2)  ok  3 rows
        breakpoint 1: key inventory.stock [2, "tea"]
        count
        0
        sequence interstice.client  id=4
        + interstice.client 3  id=3, identity=a5e309e52b3a3bc0ad08ff3a5d8eca3e48cd843d4a5a756135d163ac99be331a
        - inventory.warehouse 2  id=2, name=north
        - inventory.stock [2,"tea"]  warehouse=2, sku=tea, count=11
        8  TIME                         call  inventory.receive(warehouse=1, sku="tea", count=1)  ok  1 rows
        there is nothing behind it
        6  TIME                         call  inventory.close(id=2)  ok  3 rows
        breakpoint 1: key inventory.stock [2, "tea"]
        4  TIME                         call  inventory.receive(warehouse=2, sku="tea", count=5)  ok  1 rows
        8  TIME                         call  inventory.receive(warehouse=1, sku="tea", count=1)  ok  1 rows
        there is nothing behind it
    "#]].assert_eq(&steady(&print(&past, &[], script)));
}

#[test]
fn it_begins_where_it_is_told() {
    let past = Past::new();
    let offset = |args: &[&str]| print(&past, args, "step 0\n").split_whitespace().next().unwrap().to_owned();
    assert_eq!(offset(&[]), "8");
    assert_eq!(offset(&["--at", "5"]), "5");
    assert_eq!(offset(&["--at", "head", "--to", "5"]), "4");
    assert_eq!(offset(&["--from", "3"]), "3");
    assert_eq!(offset(&["--from", "3", "--at", "4"]), "4");
    assert_eq!(offset(&["--at", &past.time(6)]), "6");
    // From a snapshot on, and before it.
    past.node.run(&["snapshot", "create"]).ok();
    past.node.run(&["call", "inventory.receive", "1", "tea", "1"]).ok();
    let script = "step 0\ntable inventory.stock\ngoto 5\ntable inventory.stock\ngoto head\ntable inventory.stock\n";
    let args = ["replay", "debug", "--script", "-"];
    let node = past.node.run_with_stdin(&args, script).ok().stdout;
    let directory = run_with_stdin(&[&args[..], &["--data", &past.text("data")]].concat(), script).ok().stdout;
    assert_eq!(node, directory);
    let counts: Vec<_> = node.lines().filter(|line| line.contains("tea") && !line.contains('(')).collect();
    assert_eq!(counts, ["1          tea  2", "2          tea  11", "1          tea  2"]);
}

#[test]
fn every_answer_is_a_document_too() {
    let past = Past::new();
    let script = "goto 5\ncause\nchanges\ncalls\nlogs\ntables\ntable inventory.stock 1\nsql select sku from inventory.item\n\
                  break table inventory.stock\nbreaks\nreverse\nhelp\n";
    let told = print(&past, &["-o", "jsonl"], script);
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = told.iter().map(|told| told["answer"].as_str().unwrap()).collect();
    let expected = [
        "moved",
        "cause",
        "changes",
        "calls",
        "logs",
        "tables",
        "rows",
        "rows",
        "breakpoint",
        "breakpoints",
        "moved",
        "help",
    ];
    assert_eq!(kinds, expected);
    for (number, told) in (1..).zip(&told) {
        assert_eq!((&told["schema"], &told["line"]), (&json!("interstice.debug/v1"), &json!(number)));
        assert_eq!(told["command"], script.lines().nth(number - 1).unwrap());
    }
    assert_eq!((&told[0]["transaction"]["offset"], &told[0]["stopped"]), (&json!("5"), &json!("arrived")));
    assert_eq!(told[1]["transaction"]["args"], json!({"sku": "tea", "count": "4"}));
    let change = json!({
        "table": "inventory.stock", "change": "update", "key": [2, "tea"],
        "columns": [{"name": "count", "old": "15", "new": "11"}],
    });
    assert_eq!(told[2]["changes"], json!([change]));
    assert_eq!((&told[3]["verdict"], &told[3]["more"]), (&json!("same"), &json!(0)));
    let calls: Vec<_> = told[3]["steps"].as_array().unwrap().iter().filter_map(|step| step["call"].as_str()).collect();
    assert_eq!(calls, ["get", "scan_open", "scan_next", "scan_next", "scan_close", "update"]);
    // What is burnt between two steps is told, the module's own instructions among it, and adds up to what is recorded.
    let fuel = |step: &Value| step["fuel"].as_str().unwrap().parse::<u64>().unwrap();
    let steps = told[3]["steps"].as_array().unwrap();
    assert_eq!(steps.iter().map(fuel).sum::<u64>(), fuel(&told[1]["transaction"]));
    assert!(steps[1..].iter().all(|step| fuel(step) > 0) && fuel(&steps[1]) > 100, "{steps:?}");
    assert_eq!((&told[6]["rows"], &told[6]["offset"]), (&json!([[2, "tea", "11"]]), &json!("5")));
    assert_eq!((&told[10]["offset"], &told[10]["stopped"]), (&json!("4"), &json!("breakpoint")));
    assert_eq!(told[10]["breakpoints"], json!([{"number": 1, "breakpoint": "table inventory.stock"}]));
}

/// What a script printed before the line that ends it, with an error that says which line it is.
fn refused(past: &Past, script: &str, exit: i32, code: &str, line: usize) -> Ran {
    let ran = past.node.run_with_stdin(&["replay", "debug", "--script", "-"], script).refused(exit, code);
    assert!(ran.stderr.contains(&format!("\n  where: line {line} of stdin")), "{ran:?}");
    assert!(ran.stderr.contains("\n  hint:  "), "{ran:?}");
    ran
}

#[test]
fn a_script_ends_at_the_first_line_that_is_wrong() {
    let past = Past::new();
    let ran = refused(&past, "goto 3\n\n# fine\nstpe\nstep\n", 2, "unknown-command", 4);
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    assert!(ran.stderr.contains("did you mean `step`?"), "{ran:?}");
    refused(&past, "step many", 2, "invalid-command", 1);
    refused(&past, "goto soon", 2, "invalid-moment", 1);
    refused(&past, "goto 9", 1, "unknown-offset", 1);
    refused(&past, "goto 1999-01-01T00:00:00Z", 1, "unknown-offset", 1);
    let ran = refused(&past, "goto 0\nbreak function inventory.tak", 1, "unknown-function", 2);
    assert!(ran.stderr.contains("did you mean `take`?"), "{ran:?}");
    let ran = refused(&past, "break table inventory.stok", 1, "unknown-table", 1);
    assert!(ran.stderr.contains("did you mean `inventory.stock`?"), "{ran:?}");
    refused(&past, "break key inventory.stock 1", 1, "invalid-selection", 1);
    refused(&past, "delete 7", 1, "unknown-breakpoint", 1);
    let ran = refused(&past, "sql select * from inventory.stock where coutn = 1", 1, "unknown-column", 1);
    let caret = "where: line 1 of stdin: line 1, column 37\n  |\n1 | select * from inventory.stock where coutn = 1\n  |                                     ^^^^^";
    assert!(ran.stderr.contains(caret), "{}", ran.stderr);
    let ran = past.node.run_with_stdin(&["replay", "debug", "--script", "-", "-o", "jsonl"], "goto 3\nxyzzy\n");
    let error: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!((ran.exit, &error["error"]["code"]), (2, &json!("unknown-command")));
    assert_eq!(error["error"]["where"], "line 2 of stdin");
    // Ends early, and says nothing against what comes behind.
    past.node.run_with_stdin(&["replay", "debug", "--script", "-"], "goto 3\nquit\nxyzzy\n").ok();
    let long = format!("sql select {}\n", "x".repeat(70_000));
    past.node.run_with_stdin(&["replay", "debug", "--script", "-"], &long).refused(1, "invalid-command");
}

#[test]
fn what_cannot_be_debugged_says_why() {
    let past = Past::new();
    let debug = |args: &[&str]| past.node.run(&[&["replay", "debug"], args].concat());
    debug(&[]).refused(2, "usage");
    debug(&["--script", "/no/such/file"]).refused(1, "file");
    debug(&["--script", "-", "--at", "soon"]).refused(2, "invalid-moment");
    debug(&["--script", "-", "--at", "9"]).refused(1, "unknown-offset");
    debug(&["--script", "-", "--at", "2", "--from", "3"]).refused(1, "unknown-offset");
    debug(&["--script", "-", "--from", "9"]).refused(1, "unknown-offset");
    debug(&["--script", "-", "--to", "10"]).refused(1, "unknown-offset");
    debug(&["--script", "-", "--from", "5", "--to", "5"]).refused(2, "usage");
    debug(&["--script", "-", "--data", "/no/such/directory"]).refused(1, "no-data");
    assert_eq!(debug(&["--script", "-", "-o", "csv"]).exit, 2);
    run(&["--server", "http://127.0.0.1:1", "replay", "debug", "--script", "-"]).refused(5, "unreachable");
}

#[test]
fn what_was_seen_is_written_into_a_file() {
    let past = Past::new();
    let (text, document) = (past.text("seen.txt"), past.text("seen.json"));
    let script = format!("goto 5\nchanges\nexport {text}\nexport {document}\n");
    let ran = past.node.run_with_stdin(&["replay", "debug", "--script", "-"], &script).ok();
    assert!(ran.stdout.contains(&format!("2 answers written to `{text}`\n")), "{ran:?}");
    let written = std::fs::read_to_string(&text).unwrap();
    assert!(written.starts_with("> goto 5\n5  "), "{written}");
    assert!(written.ends_with("> changes\n~ inventory.stock [2,\"tea\"]  count 15 → 11\n\n"), "{written}");
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&document).unwrap()).unwrap();
    assert_eq!((&written["schema"], &written["left_out"]), (&json!("interstice.debug-export/v1"), &json!(0)));
    let commands: Vec<_> = written["entries"].as_array().unwrap().iter().map(|entry| &entry["command"]).collect();
    assert_eq!(commands[..2], [&json!("goto 5"), &json!("changes")]);
    // Nothing is written over.
    refused(&past, &format!("export {text}"), 1, "file", 1);
}

#[test]
fn of_a_damaged_log_what_stands_before_the_damage_is_debugged() {
    let (_directory, data) = Past::new().damaged();
    let args = ["replay", "debug", "--script", "-", "--data", data.to_str().unwrap()];
    let ran = run_with_stdin(&args, "step 0\nchanges\ngoto 5\ncalls 1\n").refused(8, "corrupt-log");
    assert!(ran.stdout.starts_with("6  ") && ran.stdout.contains("run again, as recorded"), "{ran:?}");
    run_with_stdin(&[&args[..], &["--at", "7"]].concat(), "").refused(8, "corrupt-log");
}

#[test]
fn a_node_in_memory_is_debugged_too() {
    let node = Node::in_memory();
    node.publish("examples/inventory");
    let ran = node.run_with_stdin(&["replay", "debug", "--script", "-"], "calls\ntables\n").ok();
    assert!(
        ran.stdout.contains("inventory.init {}") && ran.stdout.contains("\ninventory.item           1\n"),
        "{ran:?}"
    );
}

/// Each `$ interstice replay debug …` on the page, with its script and what it prints.
#[test]
fn the_guide_shows_what_happens() {
    let past = Past::new();
    let page = std::fs::read_to_string(root().join("docs/guide/debug.md")).unwrap();
    let blocks = page.split("```console\n").skip(1).map(|block| block.split("```").next().unwrap());
    let mut shown = 0;
    for block in blocks {
        let Some(block) = block.strip_prefix("$ interstice ") else { continue };
        let Some((command, rest)) = block.split_once(" --script - <<'END'\n") else { continue };
        let (script, printed) = rest.split_once("END\n").unwrap();
        let args: Vec<_> = command.split(' ').chain(["--script", "-"]).collect();
        let ran = past.node.run_with_stdin(&args, script);
        assert_eq!(steady(&(ran.stdout + &ran.stderr)), steady(printed), "{block}");
        shown += 1;
    }
    assert!(shown >= 4, "only {shown} examples are run");
}

/// By keys, in a terminal that `script` of util-linux makes.
#[test]
fn keys_move_it_in_a_terminal_which_is_given_back() {
    let past = Past::new();
    let command = format!(
        "stty rows 30 cols 120; exec {} replay debug --data {}",
        interstice(&[]).get_program().to_str().unwrap(),
        past.text("data")
    );
    let mut terminal = std::process::Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &command, "/dev/null"]).env("TERM", "xterm-256color");
    let mut child = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut seen = Vec::new();
    let mut until = |wanted: &str| {
        while !String::from_utf8_lossy(&seen).contains(wanted) {
            let mut more = [0; 4_096];
            let count = screen.read(&mut more).unwrap();
            assert!(count > 0, "it ended before {wanted}: {}", String::from_utf8_lossy(&seen));
            seen.extend(&more[..count]);
        }
        std::mem::take(&mut seen)
    };
    let begun = until("at 8 of 0 to 8");
    assert!(begun.windows(8).any(|bytes| bytes == b"\x1b[?1049h"), "it has a screen of its own");
    keys.write_all(b"ppp2").unwrap();
    until("count 15");
    keys.write_all(b":goto 99\r").unwrap();
    until("unknown-offset");
    keys.write_all(b"q").unwrap();
    until("\x1b[?1049l");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
