//! What would have been: history through other code, without a transaction, with other arguments; the same from a node, from its data
//! directory and from a backup.

use crate::support::{Node, Ran, build, copy_of, run, wait_until};
use expect_test::expect;
use serde_json::json;
use tempfile::TempDir;

/// Accounts, alarms about those that hold little, and promises that are kept later.
const LEDGER: &str = r#"
use interstice_sdk::prelude::*;

#[table(public)]
pub struct Account {
    #[primary_key]
    pub id: u32,
    pub balance: i64,
}

#[table]
pub struct Alarm {
    #[primary_key(auto_inc)]
    pub id: u64,
    pub account: u32,
}

#[table(public)]
pub struct Letter {
    #[primary_key(auto_inc)]
    pub id: u64,
    pub account: u32,
    pub text: String,
}

#[reducer]
fn open(accounts: Insert<Account>, id: u32, balance: i64) -> u32 {
    accounts.insert(Account { id, balance }).id
}

const FEE: i64 = 0;

#[reducer]
fn transfer(accounts: Write<Account>, alarms: Insert<Alarm>, from: u32, to: u32, amount: i64) {
    let payer = accounts.get(from).unwrap();
    let payee = accounts.get(to).unwrap();
    if payer.balance - amount - FEE < 40 {
        alarms.insert(Alarm { id: 0, account: from });
    }
    accounts.update(Account { balance: payer.balance - amount - FEE, ..payer });
    accounts.update(Account { balance: payee.balance + amount, ..payee });
}

#[reducer(on = insert(Alarm))]
fn write_letter(letters: Insert<Letter>, alarm: Alarm) {
    letters.insert(Letter { id: 0, account: alarm.account, text: "you have little".to_owned() });
}

#[reducer]
fn promise(ctx: &ReducerContext, account: u32, amount: i64) {
    ctx.schedule_at::<keep>(ctx.now(), (account, amount));
}

#[reducer(access = internal)]
fn keep(accounts: Write<Account>, account: u32, amount: i64) {
    let there = accounts.get(account).unwrap();
    accounts.update(Account { balance: there.balance + amount, ..there });
}
"#;

/// A node with the ledger, its data directory and a backup of it.
///
/// Offsets: 2 opens account 1, 3 opens account 2, 4 and 5 are transfers of 20 and 30, 6 promises 40, which 7 keeps, 8 is a transfer of 15 that raises an
/// alarm, 9 the letter about it.
struct Past {
    directory: TempDir,
    node: Node,
}

impl Past {
    fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let node = Node::start(&directory.path().join("data"));
        node.publish(ledger(name, |source| source).path().to_str().unwrap());
        let calls = [
            ["open", "1", "100"].as_slice(),
            &["open", "2", "100"],
            &["transfer", "1", "2", "20"],
            &["transfer", "1", "2", "30"],
            &["promise", "2", "40"],
        ];
        let call =
            |call: &[&str]| drop(node.run(&[&["call", &format!("{name}.{}", call[0])], &call[1..]].concat()).ok());
        calls.into_iter().for_each(call);
        let count = |count: &str| {
            node.run(&["sql", &format!("select count(*) from {name}.letter"), "-o", "csv"]).ok().stdout.contains(count)
        };
        wait_until("the promise is kept", || {
            node.run(&["sql", &format!("select balance from {name}.account where id = 2"), "-o", "csv"])
                .ok()
                .stdout
                .contains("190")
        });
        call(&["transfer", "1", "2", "15"]);
        wait_until("the letter is written", || count("1"));
        node.run(&["backup", "create", "--to", directory.path().join("backups").to_str().unwrap()]).ok();
        Self { directory, node }
    }

    /// What comes of a check on the node, on the directory and on the backup: the same everywhere.
    fn check(&self, args: &[&str]) -> Ran {
        let args = [&["replay", "check"], args].concat();
        let files =
            std::fs::read_dir(self.directory.path().join("backups")).unwrap().map(|entry| entry.unwrap().path());
        let backup = files.into_iter().find(|path| path.extension().is_some_and(|ext| ext == "json")).unwrap();
        let ran = self.node.run(&args);
        for data in [&self.directory.path().join("data"), &backup] {
            let again = run(&[&args[..], &["--data", data.to_str().unwrap()]].concat());
            assert_eq!((&again.stdout, again.exit), (&ran.stdout, ran.exit), "{}: {again:?}", data.display());
        }
        ran
    }

    /// What it prints, if something is otherwise.
    fn otherwise(&self, args: &[&str]) -> String {
        let ran = self.check(args);
        assert_eq!((ran.exit, &*ran.stderr), (4, ""), "{ran:?}");
        ran.stdout
    }
}

fn ledger(name: &str, edit: impl Fn(String) -> String) -> TempDir {
    // A name of its own: tests build beside each other.
    let project =
        copy_of("examples/hello", |manifest| manifest.replace("name = \"hello\"", &format!("name = \"{name}\"")));
    std::fs::write(project.path().join("src/lib.rs"), edit(LEDGER.to_owned())).unwrap();
    project
}

fn built(name: &str, edit: impl Fn(String) -> String) -> (TempDir, String) {
    let project = ledger(name, edit);
    let wasm = build(project.path().to_str().unwrap()).display().to_string();
    (project, wasm)
}

#[test]
fn history_runs_through_other_code_and_what_differs_is_told_row_by_row() {
    let past = Past::new("fees");
    let (_project, same) = built("fees", |source| source);
    let ran = past.check(&["--module", &same]).ok();
    assert_eq!(ran.stdout.lines().last(), Some("10 same · 0 differ"), "{}", ran.stdout);

    let (_project, fee) = built("fees", |source| source.replace("FEE: i64 = 0", "FEE: i64 = 10"));
    let told = past.otherwise(&["--module", &fee]);
    expect![[r#"
        offset 4 (fees.transfer): fees.account 1 balance 80 → 70
        offset 5 (fees.transfer): fees.account 1 balance 50 → 30, and 1 more
            fees.alarm 1 nothing → (id=1, account=1)
        before offset 6 (fees.write_letter): happens now: ok; fees.letter 1 nothing → (id=1, account=1, text="you have little")
        offset 8 (fees.transfer): fees.account 1 balance 35 → 5, and 1 more
            fees.alarm 2 nothing → (id=2, account=1)
        before offset 9 (fees.write_letter): happens now: ok; fees.letter 2 nothing → (id=2, account=1, text="you have little")
        offset 9 (fees.write_letter): does not happen
        fees.transfer: 3 differ
        fees.write_letter: 1 do not happen · 2 happen now
        at the end fees.account: 1 rows differ · 0 only recorded · 0 only now
            fees.account 1 balance 35 → 5
        at the end fees.alarm: 0 rows differ · 0 only recorded · 1 only now
            fees.alarm 2 nothing → (id=2, account=1)
        at the end fees.letter: 0 rows differ · 0 only recorded · 1 only now
            fees.letter 2 nothing → (id=2, account=1, text="you have little")
        6 same · 6 differ · first at 4 (fees.transfer): fees.account 1 balance 80 → 70
    "#]].assert_eq(&told);
    let ran = past.check(&["--module", &fee, "-o", "json"]);
    let found = ran.json();
    assert_eq!((ran.exit, &found["schema"], &found["ok"]), (4, &json!("interstice.what-if/v1"), &json!(false)));
    assert_eq!(
        found["transactions"][0]["rows"],
        json!([{
            "table": "fees.account", "key": 1, "column": "balance", "recorded": "80", "replayed": "70",
            "carried": false, "text": "fees.account 1 balance 80 → 70"
        }])
    );
    assert_eq!(found["tables"][0]["changed"], json!(1));
}

#[test]
fn a_transaction_is_left_out_or_has_other_arguments() {
    let past = Past::new("without");
    expect![[r#"
        offset 5 (without.transfer): left out: without.account 1 balance 50 → 80, and 1 more
            without.account 2 balance 150 → 120
        offset 7 (without.keep): without.account 2 balance 190 → 160
        offset 8 (without.transfer): without.account 1 balance 35 → 65, and 2 more
            without.account 2 balance 205 → 175
            without.alarm 1 (id=1, account=1) → nothing
        offset 9 (without.write_letter): does not happen: without.letter 1 (id=1, account=1, text="you have little") → nothing
        without.keep: 1 carried on
        without.transfer: 1 same · 1 differ · 1 left out
        without.write_letter: 1 do not happen
        at the end without.account: 2 rows differ · 0 only recorded · 0 only now
            without.account 1 balance 35 → 65
            without.account 2 balance 205 → 175
        at the end without.alarm: 0 rows differ · 1 only recorded · 0 only now
            without.alarm 1 (id=1, account=1) → nothing
        at the end without.letter: 0 rows differ · 1 only recorded · 0 only now
            without.letter 1 (id=1, account=1, text="you have little") → nothing
        6 same · 4 differ · first at 5 (without.transfer): left out: without.account 1 balance 50 → 80, and 1 more
    "#]].assert_eq(&past.otherwise(&["--drop", "5"]));
    // A letter, and a promise, that are left out, are not made up for.
    expect![[r#"
        offset 7 (without.keep): left out: without.account 2 balance 190 → 150
        offset 8 (without.transfer): without.account 2 balance 205 → 165
        offset 9 (without.write_letter): left out: without.letter 1 (id=1, account=1, text="you have little") → nothing
        without.keep: 1 left out
        without.transfer: 2 same · 1 carried on
        without.write_letter: 1 left out
        at the end without.account: 1 rows differ · 0 only recorded · 0 only now
            without.account 2 balance 205 → 165
        at the end without.letter: 0 rows differ · 1 only recorded · 0 only now
            without.letter 1 (id=1, account=1, text="you have little") → nothing
        7 same · 3 differ · first at 7 (without.keep): left out: without.account 2 balance 190 → 150
    "#]]
    .assert_eq(&past.otherwise(&["--drop", "7", "--drop", "9"]));
    expect![[r#"
        offset 4 (without.transfer): without.account 1 balance 80 → 50, and 1 more
            without.account 2 balance 120 → 150
        offset 5 (without.transfer): without.account 1 balance 50 → 20, and 2 more
            without.account 2 balance 150 → 180
            without.alarm 1 nothing → (id=1, account=1)
        before offset 6 (without.write_letter): happens now: ok; without.letter 1 nothing → (id=1, account=1, text="you have little")
        offset 7 (without.keep): without.account 2 balance 190 → 220
        offset 8 (without.transfer): without.account 1 balance 35 → 5, and 2 more
            without.account 2 balance 205 → 235
            without.alarm 2 nothing → (id=2, account=1)
        before offset 9 (without.write_letter): happens now: ok; without.letter 2 nothing → (id=2, account=1, text="you have little")
        offset 9 (without.write_letter): does not happen
        without.keep: 1 carried on
        without.transfer: 3 differ
        without.write_letter: 1 do not happen · 2 happen now
        at the end without.account: 2 rows differ · 0 only recorded · 0 only now
            without.account 1 balance 35 → 5
            without.account 2 balance 205 → 235
        at the end without.alarm: 0 rows differ · 0 only recorded · 1 only now
            without.alarm 2 nothing → (id=2, account=1)
        at the end without.letter: 0 rows differ · 0 only recorded · 1 only now
            without.letter 2 nothing → (id=2, account=1, text="you have little")
        5 same · 7 differ · first at 4 (without.transfer): without.account 1 balance 80 → 50, and 1 more
    "#]].assert_eq(&past.otherwise(&["--set-args", "4=[1, 2, 50]"]));
    expect![[r#"
        offset 4 (without.transfer): ok → panic: called `Option::unwrap()` on a `None` value (src/lib.rs:36); without.account 1 balance 80 → 100, and 1 more
            without.account 2 balance 120 → 100
        offset 5 (without.transfer): without.account 1 balance 50 → 70, and 1 more
            without.account 2 balance 150 → 130
        offset 7 (without.keep): without.account 2 balance 190 → 170
        offset 8 (without.transfer): without.account 1 balance 35 → 55, and 2 more
            without.account 2 balance 205 → 185
            without.alarm 1 (id=1, account=1) → nothing
        offset 9 (without.write_letter): does not happen: without.letter 1 (id=1, account=1, text="you have little") → nothing
        without.keep: 1 carried on
        without.transfer: 2 differ · 1 carried on
        without.write_letter: 1 do not happen
        at the end without.account: 2 rows differ · 0 only recorded · 0 only now
            without.account 1 balance 35 → 55
            without.account 2 balance 205 → 185
        at the end without.alarm: 0 rows differ · 1 only recorded · 0 only now
            without.alarm 1 (id=1, account=1) → nothing
        at the end without.letter: 0 rows differ · 1 only recorded · 0 only now
            without.letter 1 (id=1, account=1, text="you have little") → nothing
        5 same · 5 differ · first at 4 (without.transfer): ok → panic: called `Option::unwrap()` on a `None` value (src/lib.rs:36); without.account 1 balance 80 → 100, and 1 more
    "#]].assert_eq(&past.otherwise(&["--set-args", r#"4={"from": 2, "to": 7, "amount": 1}"#]));
    // Only what is looked at counts.
    assert!(past.otherwise(&["--drop", "5", "--from", "5", "--to", "6"]).ends_with(
        "0 same · 1 differ · first at 5 (without.transfer): left out: without.account 1 balance 50 → 80, and 1 more\n"
    ));
}

#[test]
fn another_schema_is_compared_as_far_as_both_have_it() {
    let past = Past::new("wider");
    let (_project, wider) = built("wider", |source| {
        let edits = [
            ("    pub balance: i64,\n", "    pub balance: i64,\n    #[default(0)]\n    pub limit: u32,\n"),
            ("Account { id, balance }", "Account { id, balance, limit: 9 }"),
            ("from: u32, to: u32, amount: i64) {", "from: u64, to: u64, amount: i64) -> Result<(), TooMuch> {"),
            ("accounts.get(from)", "accounts.get(u32::try_from(from).unwrap())"),
            ("accounts.get(to)", "accounts.get(u32::try_from(to).unwrap())"),
            ("account: from }", "account: payer.id }"),
            (
                "const FEE",
                "#[datatype(error)]\npub enum TooMuch {\n    #[error(\"{0} is too much\")]\n    TooMuch(i64),\n}\n\nconst FEE",
            ),
            (
                "    if payer.balance",
                "    if amount > 25 {\n        return Err(TooMuch::TooMuch(amount));\n    }\n    if payer.balance",
            ),
            ("+ amount, ..payee });", "+ amount, ..payee });\n    Ok(())"),
            ("pub struct Letter", "pub struct Postcard"),
            ("<Letter>", "<Postcard>"),
            ("Letter {", "Postcard {"),
        ];
        edits.iter().fold(source, |source, (from, to)| {
            assert!(source.contains(from), "{from}");
            source.replace(from, to)
        })
    });
    expect![[r"
        offset 5 (wider.transfer): ok → too-much: 30 is too much; wider.account 1 balance 50 → 80, and 1 more
            wider.account 2 balance 150 → 120
        offset 7 (wider.keep): wider.account 2 balance 190 → 160
        offset 8 (wider.transfer): wider.account 1 balance 35 → 65, and 2 more
            wider.account 2 balance 205 → 175
            wider.alarm 1 (id=1, account=1) → nothing
        offset 9 (wider.write_letter): does not happen
        wider.keep: 1 carried on
        wider.transfer: 1 same · 2 differ
        wider.write_letter: 1 do not happen
        at the end wider.account: 2 rows differ · 0 only recorded · 0 only now
            wider.account 1 balance 35 → 65
            wider.account 2 balance 205 → 175
        at the end wider.alarm: 0 rows differ · 1 only recorded · 0 only now
            wider.alarm 1 (id=1, account=1) → nothing
        not compared: column `limit` of `wider.account`: it is not the same in both
        not compared: table `wider.letter` is only in the recorded history
        not compared: table `wider.postcard` is only in the other history
        6 same · 4 differ · first at 5 (wider.transfer): ok → too-much: 30 is too much; wider.account 1 balance 50 → 80, and 1 more
    "]].assert_eq(&past.otherwise(&["--module", &wider]));
    // In the middle of history the tables are brought under the other schema first.
    expect![[r"
        offset 5 (wider.transfer): ok → too-much: 30 is too much; wider.account 1 balance 50 → 80, and 1 more
            wider.account 2 balance 150 → 120
        offset 7 (wider.keep): wider.account 2 balance 190 → 160
        offset 8 (wider.transfer): wider.account 1 balance 35 → 65, and 2 more
            wider.account 2 balance 205 → 175
            wider.alarm 1 (id=1, account=1) → nothing
        offset 9 (wider.write_letter): does not happen
        wider.keep: 1 carried on
        wider.transfer: 2 differ
        wider.write_letter: 1 do not happen
        at the end wider.account: 2 rows differ · 0 only recorded · 0 only now
            wider.account 1 balance 35 → 65
            wider.account 2 balance 205 → 175
        at the end wider.alarm: 0 rows differ · 1 only recorded · 0 only now
            wider.alarm 1 (id=1, account=1) → nothing
        not compared: column `limit` of `wider.account`: it is not the same in both
        not compared: table `wider.letter` is only in the recorded history
        not compared: table `wider.postcard` is only in the other history
        1 same · 4 differ · first at 5 (wider.transfer): ok → too-much: 30 is too much; wider.account 1 balance 50 → 80, and 1 more
    "]].assert_eq(&past.otherwise(&["--module", &wider, "--from", "5"]));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let past = Past::new("senseless");
    let refused = |args: &[&str], exit: i32, code: &str| drop(past.check(args).refused(exit, code));
    refused(&["--drop", "99"], 1, "unknown-offset");
    refused(&["--drop", "4", "--from", "5"], 1, "unknown-offset");
    refused(&["--drop", "0"], 1, "not-droppable");
    refused(&["--set-args", "4"], 2, "usage");
    refused(&["--set-args", "4=7"], 2, "usage");
    refused(&["--set-args", "4=[1]"], 1, "invalid-arguments");
    refused(&["--set-args", "9=[]"], 1, "not-a-call");
    refused(&["--drop", "4", "--set-args", "4=[1, 2, 3]"], 2, "usage");
    assert_eq!(past.check(&["--drop", "4", "--fresh"]).exit, 2);
    let bank = build("examples/bank");
    refused(&["--module", bank.to_str().unwrap()], 1, "unknown-module");
    let file = past.directory.path().join("no.wasm");
    std::fs::write(&file, "no").unwrap();
    refused(&["--module", file.to_str().unwrap()], 1, "invalid-wasm");
}
