//! `test from-log`: a history becomes a test, which fails when the module does something else; from a node, from its data directory and from a
//! backup. What a recording cannot hold is refused.

use crate::support::{Node, Ran, copy_files, copy_of, root, run, test_in, wait_until};
use expect_test::expect;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Accounts with a book of everything, letters about those that hold little, promises that are kept later, and who is there.
const LEDGER: &str = r#"
use interstice_sdk::prelude::*;

#[table(public)]
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    #[primary_key]
    pub id: u32,
    pub owner: Identity,
    pub balance: i64,
}

#[table]
pub struct Entry {
    #[primary_key(auto_inc)]
    pub id: u64,
    pub account: u32,
    pub by: Identity,
    pub at: Timestamp,
    pub number: u64,
    pub seen: u64,
}

#[table]
pub struct Letter {
    #[primary_key(auto_inc)]
    pub id: u64,
    #[references(Account)]
    pub account: u32,
    pub text: String,
}

#[table(ephemeral)]
pub struct Guest {
    #[primary_key]
    pub name: String,
}

#[table]
pub struct Visit {
    #[primary_key]
    pub connection: u64,
    pub over: bool,
}

#[reducer(on = init)]
fn init(accounts: Insert<Account>, ctx: &ReducerContext) {
    accounts.insert(Account { id: 0, owner: ctx.caller(), balance: 0 });
}

#[reducer]
fn open(ctx: &ReducerContext, accounts: Insert<Account>, id: u32, balance: i64) -> u32 {
    accounts.insert(Account { id, owner: ctx.caller(), balance }).id
}

#[reducer]
fn transfer(ctx: &ReducerContext, accounts: Write<Account>, entries: Insert<Entry>, from: u32, to: u32, amount: i64) -> u64 {
    let payer = accounts.get(from).unwrap();
    let payee = accounts.get(to).unwrap();
    accounts.update(Account { balance: payer.balance - amount, ..payer });
    accounts.update(Account { balance: payee.balance + amount, ..payee });
    let (by, at, number) = (ctx.caller(), ctx.now(), ctx.rng().next_u64());
    entries.insert(Entry { id: 0, account: from, by, at, number, seen: ctx.offset_hint() }).id
}

#[reducer(on = insert(Entry))]
fn tell(accounts: Read<Account>, letters: Insert<Letter>, entry: Entry) {
    if accounts.get(entry.account).is_some_and(|account| account.balance < 60) {
        letters.insert(Letter { id: 0, account: entry.account, text: "you have little".to_owned() });
    }
}

#[reducer]
fn promise(ctx: &ReducerContext, account: u32, amount: i64) {
    ctx.schedule_at::<keep>(ctx.now(), (account, amount));
}

#[reducer(access = internal)]
fn keep(accounts: Write<Account>, account: u32, amount: i64) -> Result<(), String> {
    let there = accounts.get(account).ok_or("nobody is there")?;
    accounts.update(Account { balance: there.balance + amount, ..there });
    Ok(())
}

#[reducer(access = owner)]
fn fill(ctx: &ReducerContext, accounts: Insert<Account>, first: u32, count: u32) {
    for id in first..first + count {
        accounts.insert(Account { id, owner: ctx.caller(), balance: 1_000 });
    }
}

#[reducer]
fn note_count(accounts: Read<Account>, letters: Insert<Letter>) {
    letters.insert(Letter { id: 0, account: 0, text: format!("{} accounts", accounts.count()) });
}

#[reducer]
fn write(letters: Insert<Letter>, account: u32, text: String) {
    letters.insert(Letter { id: 0, account, text });
}

#[reducer]
fn greet(guests: Insert<Guest>, letters: Insert<Letter>, name: String) {
    letters.insert(Letter { id: 0, account: 0, text: format!("{} is here", guests.insert(Guest { name }).name) });
}

#[reducer(on = connect)]
fn arrive(visits: Insert<Visit>, connection: u64) {
    visits.insert(Visit { connection, over: false });
}

#[reducer(on = disconnect)]
fn depart(visits: Write<Visit>, connection: u64) {
    visits.update(Visit { connection, over: true });
}

#[query]
fn balance(accounts: Read<Account>, id: u32) -> i64 {
    accounts.get(id).map_or(0, |account| account.balance)
}
"#;

/// A node with the ledger, the project, and the node's data directory.
struct Past {
    directory: TempDir,
    project: TempDir,
    node: Node,
    name: &'static str,
}

impl Past {
    fn new(name: &'static str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let node = Node::start(&directory.path().join("data"));
        // A name of its own: tests build beside each other.
        let project =
            copy_of("examples/hello", |manifest| manifest.replace("name = \"hello\"", &format!("name = \"{name}\"")));
        std::fs::write(project.path().join("src/lib.rs"), LEDGER).unwrap();
        let this = Self { directory, project, node, name };
        this.node.publish(&this.path());
        this
    }

    fn path(&self) -> String {
        self.project.path().to_str().unwrap().to_owned()
    }

    fn call(&self, who: &str, call: &[&str]) {
        let function = format!("{}.{}", self.name, call[0]);
        self.node.run(&[&["--as", who, "call", &function], &call[1..]].concat()).ok();
    }

    fn count(&self, table: &str) -> String {
        let statement = format!("select count(*) from {}.{table}", self.name);
        self.node.run(&["sql", &statement, "-o", "csv"]).ok().stdout
    }

    /// Offsets there are.
    fn end(&self) -> u64 {
        end_of(&self.node)
    }

    /// The command with these words, on the node.
    fn test_from_log(&self, words: &[&str]) -> Ran {
        self.node.run(&[&["test", "from-log", &self.path()], words].concat())
    }

    fn refused(&self, words: &[&str], exit: i32, code: &str) -> String {
        let ran = self.test_from_log(words).refused(exit, code);
        assert!(!self.project.path().join("tests").exists(), "nothing is written: {ran:?}");
        ran.stderr
    }

    fn backup(&self) -> String {
        let backups = self.directory.path().join("backups");
        self.node.run(&["backup", "create", "--to", backups.to_str().unwrap()]).ok();
        let mut files = std::fs::read_dir(backups).unwrap().map(|entry| entry.unwrap().path());
        files.find(|path| path.extension().is_some_and(|ext| ext == "json")).unwrap().display().to_string()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.project.path().join(name)
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.file(file)).unwrap();
        assert!(text.contains(from), "{from}: {text}");
        std::fs::write(self.file(file), text.replace(from, to)).unwrap();
    }

    /// The project's tests pass.
    fn green(&self) {
        let ran = test_in(self.project.path()).ok();
        assert!(ran.stdout.contains("test from_log_") && !ran.stderr.contains("warning"), "{ran:?}");
    }

    /// They do not, and say so.
    fn red(&self, line: &str) {
        let ran = test_in(self.project.path());
        assert_ne!(ran.exit, 0, "{ran:?}");
        assert!(ran.stdout.contains(line), "wanted `{line}`: {}", ran.stdout);
    }
}

fn end_of(node: &Node) -> u64 {
    let told = node.run(&["status", "-o", "json"]).ok().json();
    let end = &told["offset"];
    end.as_u64().or_else(|| end.as_str()?.parse().ok()).unwrap_or_else(|| panic!("{told}"))
}

fn json_in(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_history_becomes_a_test_that_fails_when_the_module_does_something_else() {
    let past = Past::new("kept_ledger");
    // 2 opens account 1, 3 account 2, 4 is a transfer, 5 its event, 6 a promise, 7 keeps it, 8 a transfer, 9 its event, with a letter.
    past.call("ada", &["open", "1", "100"]);
    past.call("grace", &["open", "2", "100"]);
    past.call("ada", &["transfer", "1", "2", "20"]);
    wait_until("the event is delivered", || past.end() == 6);
    past.call("ada", &["promise", "2", "40"]);
    wait_until("the promise is kept", || past.end() == 8);
    past.call("grace", &["transfer", "1", "2", "30"]);
    wait_until("the letter is written", || past.count("letter").contains('1'));
    let ran = past.test_from_log(&["--from", "4", "--to", "10"]).ok();
    let name = past.file("tests/from_log_4_10.rs").display().to_string();
    assert_eq!(
        ran.stdout,
        format!("{name}\n6 transactions, 3 rows before them: run it with `cargo test --test from_log_4_10`\n")
    );
    expect![[r#"
        //! Offsets 4 to 9 of a log, as they were recorded.
        //!
        //! What each transaction is to come to is in `from_log_4_10.json`. Where that was wrong, correct it there.

        use interstice_sdk::test::TestDatabase;
        use kept_ledger as _;

        // 4 kept_ledger.transfer(from=1, to=2, amount=20)
        // 5 event kept_ledger.tell
        // 6 kept_ledger.promise(account=2, amount=40)
        // 7 schedule kept_ledger.keep
        // 8 kept_ledger.transfer(from=1, to=2, amount=30)
        // 9 event kept_ledger.tell
        #[interstice_sdk::test]
        fn from_log_4_10(db: &mut TestDatabase) {
            db.reproduce(include_str!("from_log_4_10.json"));
        }
    "#]]
    .assert_eq(&std::fs::read_to_string(&name).unwrap());
    let recorded = json_in(&past.file("tests/from_log_4_10.json"));
    assert_eq!(recorded["tables"]["kept_ledger.account"]["rows"].as_array().unwrap().len(), 3);
    assert_eq!(
        recorded["transactions"][5]["changes"],
        json!([{
            "table": "kept_ledger.letter", "insert": {"id": "1", "account": 1, "text": "you have little"}
        }])
    );
    // The same from the directory and from a backup.
    let data = past.directory.path().join("data").display().to_string();
    for (data, name) in [(data, "of_directory"), (past.backup(), "of_backup")] {
        let words = ["--from", "4", "--to", "10", "--data", &data, "--name", name];
        run(&[&["test", "from-log", &past.path()], &words[..]].concat()).ok();
        assert_eq!(json_in(&past.file(&format!("tests/{name}.json"))), recorded);
        std::fs::remove_file(past.file(&format!("tests/{name}.rs"))).unwrap();
    }
    let ran = past.test_from_log(&["--from", "4", "--to", "10"]).refused(2, "already-there");
    assert!(ran.stderr.contains("`--name from_log_4_10_again`"), "{ran:?}");
    past.green();
    past.edit("src/lib.rs", "you have little", "you are poor");
    past.red(
        r#"offset 9 (kept_ledger.tell): kept_ledger.letter 1 text: recorded "you have little", found "you are poor""#,
    );
    past.edit("tests/from_log_4_10.json", "you have little", "you are poor");
    past.green();
    past.edit("src/lib.rs", "there.balance + amount", "there.balance - amount");
    past.red("offset 7 (kept_ledger.keep): kept_ledger.account 2 balance: recorded 160, found 80");
}

#[test]
fn of_many_rows_those_are_kept_that_transactions_look_at() {
    let past = Past::new("many_ledger");
    // 2 and 3 make accounts, 4 is a transfer, 5 its event, 6 counts all accounts.
    let refused = past.node.run(&["--as", "ada", "call", "many_ledger.fill", "1", "6000"]);
    assert!(refused.stderr.contains("not-allowed"), "only the owner fills: {refused:?}");
    for first in ["1", "6001"] {
        past.node.run(&["call", "many_ledger.fill", first, "6000"]).ok();
    }
    past.call("ada", &["transfer", "7", "11000", "950"]);
    wait_until("the letter is written", || past.end() == 6);
    past.call("ada", &["note_count"]);
    let said = past.refused(&["--from", "4", "--to", "7"], 1, "not-reproducible");
    assert!(said.contains(r#"offset 6 (many_ledger.note_count): many_ledger.letter 2 text: recorded "12001 accounts", found "3 accounts""#), "{said}");
    // What the owner alone may do is done as the owner; a row that is only referred to is there too.
    past.node.run(&["call", "many_ledger.fill", "12001", "2"]).ok();
    past.call("ada", &["write", "5000", "hello"]);
    past.test_from_log(&["--from", "4", "--to", "6"]).ok();
    past.test_from_log(&["--from", "7", "--to", "9"]).ok();
    let accounts = |name: &str| {
        let recorded = json_in(&past.file(&format!("tests/{name}.json")));
        let rows = recorded["tables"]["many_ledger.account"]["rows"].as_array().unwrap().clone();
        rows.iter().map(|row| row["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(accounts("from_log_4_6"), [7, 11_000]);
    assert_eq!(accounts("from_log_7_9"), [5_000]);
    past.green();
}

#[test]
fn what_a_recording_cannot_hold_is_refused_with_what_to_do() {
    let past = Past::new("strict_ledger");
    // 2 opens an account, 3 is a transfer, 4 its event, 5 sees a guest, 6 opens another account.
    past.call("ada", &["open", "1", "100"]);
    past.call("ada", &["transfer", "1", "0", "5"]);
    wait_until("the event is delivered", || past.end() == 5);
    past.call("ada", &["greet", "grace"]);
    past.call("ada", &["open", "2", "100"]);
    // 7 and 8 are a connection.
    past.node.run(&["subscribe", "--query", "strict_ledger.balance", "1", "-n", "1"]).ok();
    wait_until("the connection is over", || past.end() == 9);
    // 9 is another module, 10 to 12 are a call of it and its row, 13 another version.
    past.node.publish("examples/hello");
    past.node.run(&["call", "hello.greet", "ada"]).ok();
    past.call("ada", &["open", "3", "100"]);
    let end = past.end();
    past.edit("src/lib.rs", "you have little", "you are poor");
    past.node.publish(&past.path());

    let text = end.to_string();
    let said = past.refused(&["--from", "2", "--to", &(end + 1).to_string()], 1, "saw-ephemeral");
    assert!(said.contains("offset 5 (strict_ledger.greet) saw rows of ephemeral tables"), "{said}");
    let said = past.refused(&["--from", "6", "--to", &(end + 1).to_string()], 1, "publish-within");
    assert!(said.contains(&format!("`--to {end}`")) && said.contains(&format!("`--from {}`", end + 1)), "{said}");
    let said = past.refused(&["--from", "1", "--to", "3"], 1, "unknown-module");
    assert!(said.contains("strict_ledger"), "{said}");
    let said = past.refused(&["--from", "4", "--to", "5"], 1, "events-pending");
    assert!(said.contains("begin there: `--from 3`"), "{said}");
    let said = past.refused(&["--from", "8", "--to", "9"], 1, "connection-from-before");
    assert!(said.contains("connection 1, which ends at offset 8, began before offset 8"), "{said}");
    past.refused(&["--from", "9", "--to", "11"], 1, "nothing-to-record");
    past.refused(&["--from", "6", "--to", "99"], 1, "unknown-offset");
    past.refused(&["--from", "6", "--to", "6"], 2, "usage");
    past.refused(&["--from", "6", "--to", "7", "--name", "fn"], 2, "invalid-name");
    past.refused(&["--from", "6", "--to", "7", "--name", "a/b"], 2, "invalid-name");
    past.refused(&["--from", "6", "--to", "7", "--data", "/nowhere"], 1, "no-data");
    assert_eq!(past.test_from_log(&["--from", "6"]).exit, 2);
    past.node.run(&["test", "from-log", "--from", "6", "--to", "7", "/nowhere"]).refused(2, "not-a-project");
    let said =
        past.node.run(&["test", "from-log", "--from", "6", "--to", "7", "examples/bank"]).refused(1, "unknown-module");
    assert!(said.stderr.contains("`bank`"), "{said:?}");

    // Another module that changed nothing of it is left out; a connection is there from its beginning to its end.
    let ran = past.test_from_log(&["--from", "6", "--to", &text, "--name", "from_log_all"]).ok();
    assert!(ran.stdout.contains("4 transactions, 2 of other modules left out"), "{ran:?}");
    past.green();
    std::fs::remove_dir_all(past.file("tests")).unwrap();

    past.edit("src/lib.rs", "id: u32, balance: i64) -> u32", "id: u32, balance: i32) -> u32");
    past.edit("src/lib.rs", "owner: ctx.caller(), balance })", "owner: ctx.caller(), balance: balance.into() })");
    past.edit("src/lib.rs", "    pub text: String,", "    pub text: String,\n    pub read: bool,");
    past.edit("src/lib.rs", "Letter { id: 0, ", "Letter { id: 0, read: false, ");
    let said = past.refused(&["--from", "6", "--to", "7"], 1, "another-version");
    assert!(said.contains("table `letter`, function `open` differ"), "{said}");
    assert!(said.contains("interstice schema diff strict_ledger@6 "), "{said}");
}

#[test]
fn what_another_module_does_is_recorded_for_the_project_that_imports_both() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(&directory.path().join("data"));
    let hello = root().join("examples/hello").display().to_string();
    let project = copy_of("examples/caller", |text| {
        text.replace("\"../hello\"", &format!("{hello:?}")).replace("name = \"caller\"", "name = \"twice_caller\"")
    });
    copy_files(&root().join("examples/caller/bindings"), &project.path().join("bindings"));
    let path = project.path().to_str().unwrap();
    node.publish("examples/hello");
    node.publish(path);
    // 3 greets both, 4 and 5 are its events.
    node.run(&["call", "twice_caller.greet_both", "ada", "grace"]).ok();
    wait_until("the events are delivered", || end_of(&node) == 6);
    let stretch = ["--from", "3", "--to", "6", "--name", "from_log_both"];
    let refused =
        node.run(&[&["test", "from-log", "examples/hello"], &stretch[..]].concat()).refused(1, "other-module");
    let said = "offset 3 (twice_caller.greet_both) is of another module than `hello` and those that it imports";
    assert!(refused.stderr.contains(said), "{refused:?}");

    node.run(&[&["test", "from-log", path], &stretch[..]].concat()).ok();
    let test = std::fs::read_to_string(project.path().join("tests/from_log_both.rs")).unwrap();
    assert!(
        test.contains("use hello as _;\nuse interstice_sdk::test::TestDatabase;\nuse twice_caller as _;\n"),
        "{test}"
    );
    let ran = test_in(project.path()).ok();
    assert!(ran.stdout.contains("test from_log_both ... ok"), "{ran:?}");
}
