//! History as it is asked for: filters, patterns, counts, formats; the same from a node and from its data directory.

use crate::support::{Node, copy_of, interstice, run};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

/// A node with `chat`, what happened on it, and its directory.
///
/// Offsets: 0 genesis, 1 publish, 2 ada in general, 3 grace in general, 4 ada in random, 5 an image of ada's, 6 the name of
/// grace.
struct Past {
    directory: tempfile::TempDir,
    node: Node,
}

impl Past {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let node = Node::start(directory.path());
        node.publish("examples/chat");
        let calls = [
            ["--as", "ada", "call", "chat.send", "general", "from ada"].as_slice(),
            &["--as", "grace", "call", "chat.send", "general", "from grace (2.5 %)"],
            &["--as", "ada", "call", "chat.send", "random", "elsewhere"],
            &["--as", "ada", "call", "chat.send_image", "general", "a.png", "3", "4"],
            &["--as", "grace", "call", "chat.set_name", "grace"],
        ];
        for call in calls {
            node.run(call).ok();
        }
        Self { directory, node }
    }

    /// What the command prints, asked of the node and of the directory.
    fn print(&self, args: &[&str]) -> String {
        let data = self.directory.path().to_str().unwrap();
        let look = || (self.node.run(args).ok().stdout, run(&[args, &["--data", data]].concat()).ok().stdout);
        // A node that has just become idle seals its log.
        let (live, kept) = std::iter::repeat_with(look).take(5).find(|(live, kept)| live == kept).unwrap_or_else(look);
        assert_eq!(kept, live, "{args:?}");
        live
    }

    /// The offsets that are told.
    fn offsets(&self, args: &[&str]) -> Vec<u64> {
        let lines = self.print(&[&["log"], args, &["-o", "jsonl"]].concat());
        let offset = |line: &str| serde_json::from_str::<Value>(line).unwrap()["offset"].as_str().unwrap().parse();
        lines.lines().map(|line| offset(line).unwrap()).collect()
    }

    /// The same problem from both.
    fn refused(&self, args: &[&str], exit: i32, code: &str) -> String {
        let data = self.directory.path().to_str().unwrap();
        run(&[args, &["--data", data]].concat()).refused(exit, code);
        self.node.run(args).refused(exit, code).stderr
    }
}

#[test]
fn what_is_asked_for_is_told_and_nothing_else() {
    let past = Past::new();
    let selected = |args: &[&str]| past.offsets(&[&["dump"], args].concat());
    assert_eq!(selected(&[]), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(selected(&["--from", "2", "--to", "4"]), [2, 3]);
    assert_eq!(selected(&["--from", "7"]), [0_u64; 0]);
    assert_eq!(selected(&["--from", "5", "--to", "2"]), [0_u64; 0]);
    assert_eq!(selected(&["--module", "chat", "--limit", "3"]), [1, 2, 3]);
    assert_eq!(selected(&["--function", "chat.send"]), [2, 3, 4]);
    assert_eq!(selected(&["--table", "chat.message"]), [1, 2, 3, 4, 5]);
    assert_eq!(selected(&["--table", "chat.message", "--key", r#"["general", 2]"#]), [3]);
    assert_eq!(selected(&["--table", "chat.message", "--key", r#"["general", 9]"#]), [0_u64; 0]);
    assert_eq!(selected(&["--caller", "grace"]), [3, 6]);
    assert_eq!(selected(&["--caller", "grace", "--function", "chat.send"]), [3]);
    assert_eq!(selected(&["--cause", "publish"]), [1]);
    assert_eq!(selected(&["--outcome", "ok", "--cause", "genesis"]), [0]);
    assert_eq!(selected(&["--outcome", "trapped"]), [0_u64; 0]);
    let transaction: Value = past.node.run(&["log", "inspect", "4", "-o", "json"]).ok().json();
    let (time, caller) = (&transaction["transaction"]["time"], &transaction["transaction"]["caller"]);
    let (time, caller) = (time.as_str().unwrap(), caller.as_str().unwrap());
    assert_eq!(selected(&["--caller", &caller[..12], "--cause", "call"]), [2, 4, 5]);
    assert_eq!(selected(&["--since", time, "--until", time]), [4]);
    assert_eq!(selected(&["--until", time]), [0, 1, 2, 3, 4]);
    assert_eq!(selected(&["--table", "chat.user", "--key", &past_caller(&past, 6)]), [6]);
}

fn past_caller(past: &Past, offset: u64) -> String {
    let inspected = past.node.run(&["log", "inspect", &offset.to_string(), "-o", "json"]).ok().json();
    inspected["transaction"]["caller"].as_str().unwrap().to_owned()
}

#[test]
fn a_pattern_is_looked_for_in_arguments_answers_and_rows() {
    let past = Past::new();
    let found = |args: &[&str]| past.offsets(&[&["grep"], args].concat());
    assert_eq!(found(&["from (ada|grace)"]), [2, 3]);
    assert_eq!(found(&[r"\(2\.5 %\)"]), [3]);
    assert_eq!(found(&["a\\.png", "--function", "chat.send_image"]), [5]);
    assert_eq!(found(&["a\\.png", "--function", "chat.send"]), [0_u64; 0]);
    assert_eq!(found(&["from (ada|grace)", "--limit", "1"]), [2]);
}

#[test]
fn counts_add_up_to_the_bytes_of_the_log() {
    let past = Past::new();
    let stats: Value = serde_json::from_str(&past.print(&["log", "stats", "-o", "json"])).unwrap();
    assert_eq!((&stats["schema"], &stats["transactions"]), (&json!("interstice.log-stats/v1"), &json!("7")));
    assert_eq!(stats["causes"], json!({"call": 5, "genesis": 1, "publish": 1}));
    let send = stats["functions"].as_array().unwrap().iter().find(|f| f["function"] == "chat.send").unwrap();
    assert_eq!((&send["ok"], &send["rejected"], &send["trapped"]), (&json!(3), &json!(0), &json!(0)));
    assert_eq!(stats["tables"]["chat.message"], json!({"insert": 4, "update": 0, "delete": 0}));
    // All records are in the frames, and their parts are all of them.
    let parts = stats["parts"].as_array().unwrap().iter().map(|part| part["bytes"].as_u64().unwrap()).sum::<u64>();
    assert_eq!((json!(parts), &stats["bytes"]), (stats["payload_bytes"].clone(), &stats["payload_bytes"]));
    let one = past.print(&["log", "stats", "--function", "chat.send", "-o", "jsonl"]);
    assert_eq!(one.lines().count(), 1);
    let some: Value = serde_json::from_str(&past.print(&["log", "stats", "--limit", "2", "-o", "json"])).unwrap();
    assert_eq!((&some["transactions"], &some["last_offset"]), (&json!("2"), &json!("1")));
    let text = past.print(&["log", "stats"]);
    for part in ["chat.send_image  1   0         0", "cause and arguments", "state digest", "all of it"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_table_of_history_has_a_line_for_each_transaction() {
    let past = Past::new();
    let text = past.print(&["log", "dump", "--caller", "grace", "-o", "csv"]);
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(rows.headers().unwrap().iter().take(4).collect::<Vec<_>>(), ["offset", "time", "cause", "function"]);
    let rows: Vec<_> = rows.records().map(Result::unwrap).collect();
    assert_eq!(rows.iter().map(|row| row[3].to_owned()).collect::<Vec<_>>(), ["chat.send", "chat.set_name"]);
    assert_eq!(serde_json::from_str::<Value>(&rows[0][5]).unwrap()["text"], "from grace (2.5 %)");
    let yaml = past.print(&["log", "dump", "--from", "6", "-o", "yaml"]);
    assert!(yaml.starts_with("schema: interstice.log-dump/v1\n") && yaml.contains("function: chat.set_name"), "{yaml}");
    let rows = past.print(&["sql", "select seq, room from chat.message where room = 'general' limit 1", "-o", "csv"]);
    assert_eq!(rows, "seq,room\n1,general\n");
    let modules = past.node.run(&["modules", "list", "-o", "csv"]).ok().stdout;
    assert!(modules.starts_with("artefact,functions,loaded,name,") && modules.lines().count() == 2, "{modules}");
    assert_eq!(past.node.run(&["subscribe", "select * from chat.user", "-o", "csv"]).exit, 2);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let past = Past::new();
    let refused = |args: &[&str], hint: &str| {
        let stderr = past.refused(&[&["log"], args].concat(), 1, "invalid-selection");
        assert!(stderr.contains(hint), "{stderr}");
    };
    refused(&["dump", "--since", "yesterday"], "2026-11-20T10:00:00Z");
    refused(&["dump", "--outcome", "traped"], "did you mean `trapped`?");
    refused(&["dump", "--cause", "cal"], "did you mean `call`?");
    refused(&["dump", "--function", "send"], "module.function");
    refused(&["stats", "--table", "message"], "module.table");
    refused(&["grep", "("], "regular expression");
    refused(&["grep", r"(((\w{900}){900}){900})"], "regular expression");
    refused(&["dump", "--table", "chat.message", "--key", "general"], "room, seq");
    refused(&["dump", "--table", "chat.user", "--key", "7"], "identity");
    assert_eq!(past.node.run(&["log", "dump", "--key", "7"]).exit, 2);
    let unknown = format!("{}/v1/log/dump?form=2", past.node.url);
    let answer = ureq::get(&unknown).config().http_status_as_error(false).build().call().unwrap();
    assert_eq!(answer.status().as_u16(), 400);
}

/// The log describes itself: rows are read by the schema that was in force when they were written.
#[test]
fn rows_are_told_in_the_schema_of_their_time() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(directory.path());
    node.publish("examples/hello");
    node.run(&["call", "hello.greet", "ada"]).ok();
    let wider = copy_of("examples/hello", |text| {
        let text = text.replace("    pub said_at", "    #[default(7)]\n    pub volume: u32,\n    pub said_at");
        text.replace("name, said_at: ctx.now()", "name, volume: 11, said_at: ctx.now()")
    });
    node.run(&["publish", wider.path().to_str().unwrap()]).ok();
    node.run(&["call", "hello.greet", "grace"]).ok();
    let past = Past { directory, node };
    // With its name: the bytes of an artefact are text too, and may hold any three letters.
    let lines = past.print(&["log", "grep", r#""name":"(ada|grace)""#, "-o", "jsonl"]);
    let transactions: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let changes = transactions.iter().flat_map(|transaction| transaction["changes"].as_array().unwrap());
    let rows: Vec<_> = changes.filter_map(|change| change.get("insert")).collect();
    assert_eq!(rows.iter().map(|row| &row["volume"]).collect::<Vec<_>>(), [&Value::Null, &json!(11)], "{lines}");
    assert_eq!(past.offsets(&["dump", "--table", "hello.greeting", "--key", "2"]), [2]);
    // A row that came with the table, in the publish.
    assert_eq!(past.offsets(&["dump", "--table", "hello.greeting", "--key", "1"]), [1]);
    let stats = past.print(&["log", "stats", "--to", "2", "-o", "json"]);
    let stats: Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(stats["tables"]["hello.greeting"]["insert"], 1);
}

/// A reader that has seen enough ends the command, and the node goes on.
#[test]
fn the_first_lines_of_much_are_had_without_the_rest() {
    let past = Past::new();
    let data = past.directory.path().to_str().unwrap().to_owned();
    for args in [["--server", &past.node.url], ["--data", &data]] {
        let mut command = interstice(&[&["log", "dump", "-o", "jsonl"], args.as_slice()].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("genesis"), "{line}");
        let ended = child.wait_with_output().unwrap();
        assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    }
    past.node.run(&["status"]).ok();
}

#[test]
fn history_goes_on_from_a_snapshot_where_its_beginning_is_gone() {
    let past = Past::new();
    past.node.run(&["snapshot", "create"]).ok();
    past.node.run(&["--as", "ada", "call", "chat.send", "general", "later"]).ok();
    assert_eq!(past.offsets(&["dump", "--from", "7"]), [7]);
    assert_eq!(past.offsets(&["dump", "--caller", "ada"]), [2, 4, 5, 7]);
    assert!(Path::new(past.directory.path()).join("snapshots").is_dir());
}
