//! Publishes that find rows: what is applied, what is looked at, what the module's code says, what is refused.

use interstice_engine::engine::{Engine, Input, Output, Request};
use interstice_engine::execution::{Execution, HostError, ScanRequest};
use interstice_engine::limits::Limits;
use interstice_engine::module::{Call, CallError, LoadError, Loaded, Module, ModuleFactory, ModuleLoader};
use interstice_engine::publish::PublishOptions;
use interstice_engine::recheck::Verdict;
use interstice_store::range::KeyRange;
use interstice_store::table::{IndexId, Table};
use interstice_types::codec;
use interstice_types::id::Identity;
use interstice_types::json;
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use interstice_types::time::Timestamp;
use interstice_types::transaction::Transaction;
use interstice_types::value::Value;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Modules whose artefact is their schema; what a function does goes by its name.
pub(crate) struct ByName;

impl ModuleLoader for ByName {
    fn load(&self, artefact: &[u8]) -> Result<Loaded, LoadError> {
        let schema: Schema = serde_json::from_slice(artefact).unwrap();
        Ok(Loaded { schema: schema.clone(), factory: Arc::new(Named(Arc::new(schema))) })
    }
}

#[derive(Clone)]
struct Named(Arc<Schema>);

impl ModuleFactory for Named {
    fn instantiate(&self) -> Result<Box<dyn Module>, LoadError> {
        Ok(Box::new(self.clone()))
    }
}

impl Module for Named {
    fn call(&mut self, call: &Call<'_>, mut execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
        let function = &self.0.functions[call.function as usize];
        let result = match function.name.as_str() {
            "seed" => (1..=5_u64).try_for_each(|id| put(&mut execution, 0, &row(0, &format!("first{id} last{id}")))),
            "merge" => merge(&mut execution),
            "spends_most" | "spends_most_again" => {
                while execution.fuel() > Limits::default().fuel / 4 {
                    execution.count(0, &[]).unwrap();
                }
                Ok(())
            }
            name => match crate::lifetimes::run(name, &mut execution)
                .or_else(|| crate::connections::run(name, &mut execution))
            {
                Some(result) => result,
                None => return (execution, migrated(name, call.args)),
            },
        };
        (execution, result.map(|()| Vec::new()))
    }
}

pub(crate) fn put(execution: &mut Execution, handle: u32, row: &[u8]) -> Result<(), CallError> {
    execution.insert(handle, row).map(|_| ()).map_err(|error| match error {
        HostError::Refused(problem) => CallError::Refused(problem),
        HostError::Trapped(problem) => CallError::Trapped(problem),
    })
}

/// Reads the table as it was through handle 0, and writes one row for all of it through handle 1.
fn merge(execution: &mut Execution) -> Result<(), CallError> {
    let bounds = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    let all = ScanRequest { bounds, filter: &[], reverse: false, limit: u64::MAX };
    let scan = execution.scan_open(0, IndexId::PRIMARY, &all).unwrap();
    let mut rows = Vec::new();
    execution.scan_next(scan, 1 << 16, &mut rows).unwrap();
    put(execution, 1, &row(1, &format!("{} bytes", rows.len())))
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

pub(crate) fn row(id: u64, name: &str) -> Vec<u8> {
    [&id.to_le_bytes()[..], &text(name)].concat()
}

/// `split` makes two names of one; `shout` makes one of them again, in capitals; `fail_at_4` does not like row 4.
fn migrated(migration: &str, old: &[u8]) -> Result<Vec<u8>, CallError> {
    let id = u64::from_le_bytes(old[..8].try_into().unwrap());
    let name = String::from_utf8_lossy(&old[12..]).into_owned();
    match migration {
        "split" => {
            let (first, last) = name.split_once(' ').unwrap();
            Ok([&id.to_le_bytes()[..], &text(first), &text(last)].concat())
        }
        "shout" => {
            let length = u32::from_le_bytes(old[8..12].try_into().unwrap()) as usize;
            Ok([&id.to_le_bytes()[..], &text(&name[..length].to_uppercase())].concat())
        }
        "fail_at_4" if id == 4 => Err(CallError::Trapped(Problem::new("panic", "no last name"))),
        "fail_at_4" => migrated("split", old),
        other => panic!("there is no function {other}"),
    }
}

fn one_name() -> Json {
    json!({"name": "user", "public": true, "primary_key": [0], "columns": [
        {"name": "id", "type": "u64", "auto_inc": true}, {"name": "name", "type": "string"}]})
}

fn two_names() -> Json {
    json!({"name": "user", "public": true, "primary_key": [0], "columns": [
        {"name": "id", "type": "u64", "auto_inc": true}, {"name": "first", "type": "string"},
        {"name": "last", "type": "string"}]})
}

fn caps() -> Json {
    json!({"name": "user", "public": true, "primary_key": [0], "columns": [
        {"name": "id", "type": "u64", "auto_inc": true}, {"name": "caps", "type": "string"}]})
}

fn row_type(table: &Json) -> Json {
    let fields: Vec<_> = table["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| json!({"name": column["name"], "type": column["type"]}))
        .collect();
    json!({"struct": {"name": "User", "fields": fields}})
}

/// A migration of rows from one form to another.
fn migration(name: &str, from: &Json, to: &Json) -> Json {
    json!({"name": name, "kind": {"migration": {"table": "user", "from": from}},
        "args": [{"name": "old", "type": row_type(from)}], "returns": row_type(to)})
}

fn module(table: &Json, mut functions: Vec<Json>) -> Vec<u8> {
    functions.push(json!({"name": "seed", "kind": "init", "returns": "unit",
        "handles": [{"table": table["name"], "access": "insert"}]}));
    functions.sort_by_key(|function| function["name"].to_string());
    let schema = json!({"module": "m", "version": "1.0.0", "tables": [table], "functions": functions});
    serde_json::to_vec(&schema).unwrap()
}

pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) log: Vec<Transaction>,
}

impl Node {
    /// Five users with one name each.
    fn new() -> Self {
        let mut node = Self::empty();
        node.publish(&one_name(), vec![]).unwrap();
        node
    }

    pub(crate) fn empty() -> Self {
        let mut node = Self { engine: Engine::new(Arc::new(ByName), Limits::default()), log: Vec::new() };
        node.step(Request::Genesis { node: [1; 16] });
        node
    }

    pub(crate) fn publish_artefact(&mut self, artefact: Vec<u8>) -> Result<(), Problem> {
        let loaded = ByName.load(&artefact).unwrap();
        let (caller, options) = (Identity::default(), PublishOptions::default());
        self.step(Request::Publish { artefact, loaded, caller, options }).reply.map(drop)
    }

    pub(crate) fn step(&mut self, request: Request) -> Output {
        let output = self.engine.step(Input { now: Timestamp(1), seed: [5; 16], request });
        self.log.extend(output.transaction.clone());
        output
    }

    fn publish(&mut self, table: &Json, functions: Vec<Json>) -> Result<(), Problem> {
        self.publish_so(table, functions, PublishOptions::default())
    }

    /// A publish that is refused has changed nothing.
    fn publish_so(&mut self, table: &Json, functions: Vec<Json>, options: PublishOptions) -> Result<(), Problem> {
        let artefact = module(table, functions);
        let loaded = ByName.load(&artefact).unwrap();
        let (before, offset) = (self.engine.store().digest(), self.engine.next_offset());
        let reply = self.step(Request::Publish { artefact, loaded, caller: Identity::default(), options }).reply;
        if reply.is_err() {
            assert_eq!((self.engine.store().digest(), self.engine.next_offset()), (before, offset));
        }
        reply.map(drop)
    }

    pub(crate) fn table(&self, module: &str, name: &str) -> &Table {
        let id = self.engine.catalog().table(module, name).unwrap_or_else(|| panic!("no table {name}"));
        self.engine.store().table(id).unwrap()
    }

    pub(crate) fn rows_of(&self, module: &str, name: &str) -> Vec<Json> {
        let table = self.table(module, name);
        let rows = table.scan(IndexId::PRIMARY, &KeyRange::all(), false);
        rows.map(|row| json::record_to_json(&table.schema().fields(), row).unwrap()).collect()
    }

    fn rows(&self) -> Vec<Json> {
        self.rows_of("m", "user")
    }

    /// The steps of each migration, with the versions that it led from and to.
    fn migrations(&self) -> Vec<(u64, u64, String)> {
        let rows = self.rows_of("interstice", "migration");
        let number = |value: &Json| value.as_u64().unwrap();
        let row = |row: &Json| {
            (number(&row["from_version"]), number(&row["to_version"]), row["steps"].as_str().unwrap().to_owned())
        };
        rows.iter().map(row).collect()
    }

    /// The log gives the same state, and every cause in it comes out as it is recorded.
    pub(crate) fn assert_history(&self) {
        let mut applied = Engine::new(Arc::new(ByName), Limits::default());
        let mut again = Engine::new(Arc::new(ByName), Limits::default());
        for transaction in &self.log {
            applied.apply(transaction).unwrap();
            assert_eq!(again.recheck(transaction).unwrap(), Verdict::Same);
        }
        assert_eq!(applied.store().digest(), self.engine.store().digest());
    }
}

fn columns(table: &Json, change: impl FnOnce(&mut Vec<Json>)) -> Json {
    let mut table = table.clone();
    change(table["columns"].as_array_mut().unwrap());
    table
}

#[test]
fn what_is_safe_is_applied_and_counted() {
    let mut node = Node::new();
    let mut wider = columns(&one_name(), |columns| {
        columns[0]["type"] = json!("u64");
        columns[1] = json!({"name": "full_name", "renamed_from": "name", "type": {"option": "string"}});
        columns.insert(1, json!({"name": "level", "type": "u8", "default": "07"}));
        columns.push(json!({"name": "edited_at", "type": {"option": "timestamp"}}));
    });
    wider["indexes"] = json!([{"name": "by_name", "columns": [2]}]);
    node.publish(&wider, vec![]).unwrap();
    assert_eq!(node.rows()[4], json!({"id": "5", "level": 7, "full_name": "first5 last5", "edited_at": null}));
    let (from, to, steps) = node.migrations().pop().unwrap();
    assert_eq!((from, to), (1, 2));
    assert_eq!(
        steps.lines().collect::<Vec<_>>(),
        [
            "+ level u8, default 7",
            "~ full_name renamed from name",
            "~ full_name string → option<string>",
            "+ edited_at option<timestamp>, default none",
            "+ index `by_name` (full_name)",
        ]
    );
    node.publish(&wider, vec![]).unwrap();
    assert_eq!(node.migrations().len(), 1, "what was done is not done again");
    node.assert_history();
}

#[test]
fn what_is_checked_is_applied_if_all_rows_pass() {
    let mut node = Node::new();
    let narrow = |ty: &str| columns(&one_name(), |columns| columns[0] = json!({"name": "id", "type": ty}));
    node.publish(&narrow("u8"), vec![]).unwrap();
    node.publish(&narrow("i64"), vec![]).unwrap();
    assert_eq!(node.rows()[4]["id"], "5");
    let optional = columns(&one_name(), |columns| columns[1]["type"] = json!({"option": "string"}));
    node.publish(&optional, vec![]).unwrap();
    node.publish(&one_name(), vec![]).unwrap();
    let mut unique = one_name();
    unique["indexes"] = json!([{"name": "name", "columns": [1], "unique": true}]);
    node.publish(&unique, vec![]).unwrap();
    let mut by_name = one_name();
    by_name["primary_key"] = json!([1]);
    node.publish(&by_name, vec![]).unwrap();
    assert_eq!(node.table("m", "user").schema().primary_key, [1]);
    assert_eq!(node.migrations().len(), 6);
    node.assert_history();
}

#[test]
fn a_row_that_does_not_pass_is_named_and_nothing_happens() {
    let mut node = Node::new();
    let mut level =
        columns(&one_name(), |columns| columns.push(json!({"name": "level", "type": "u16", "default": "0100"})));
    level["primary_key"] = json!([0, 2]);
    node.publish(&level, vec![]).unwrap();
    let mut by_level = level.clone();
    by_level["primary_key"] = json!([2]);
    let problem = node.publish(&by_level, vec![]).unwrap_err();
    assert_eq!(problem.code, "duplicate-key");
    assert_eq!(problem.message, "table `user` has a row with primary key 1 already");
    let wide = columns(&one_name(), |columns| columns.push(json!({"name": "level", "type": "u16", "default": "2c01"})));
    let mut node = Node::new();
    node.publish(&wide, vec![]).unwrap();
    let narrow = columns(&wide, |columns| columns[2] = json!({"name": "level", "type": "u8", "default": "00"}));
    let options = PublishOptions { max_failures: 3, ..PublishOptions::default() };
    let problem = node.publish_so(&narrow, vec![], options).unwrap_err();
    assert_eq!(problem.code, "does-not-convert");
    assert_eq!(problem.message, "row 1 of table `user`: column `level`: 300 is not a u8");
    assert_eq!(problem.data.as_ref().unwrap()["failures"].as_array().unwrap().len(), 3);
    node.assert_history();
}

#[test]
fn without_a_migration_a_declared_difference_is_refused_with_one_to_fill_in() {
    let mut node = Node::new();
    let problem = node.publish(&two_names(), vec![]).unwrap_err();
    assert_eq!(problem.code, "no-migration-path");
    assert!(problem.message.contains("`user.first` string, no default"), "{}", problem.message);
    let hint = problem.hint.as_ref().unwrap();
    for line in [
        "interstice migrate new",
        "#[migration(from = 1)]",
        "fn user_from_v1(old: v1::User) -> User {",
        "id: old.id,",
        "first: todo!(\"string\"),",
    ] {
        assert!(hint.contains(line), "{line:?} is not in {hint}");
    }
}

#[test]
fn rows_go_through_a_chain_of_migrations() {
    let chain = || vec![migration("split", &one_name(), &two_names()), migration("shout", &two_names(), &caps())];
    let mut node = Node::new();
    node.publish(&caps(), chain()).unwrap();
    assert_eq!(node.rows()[2], json!({"id": "3", "caps": "FIRST3"}));
    assert_eq!(node.table("m", "user").sequences().collect::<Vec<_>>(), [(0, 6)], "sequences go on");
    assert_eq!(node.migrations().len(), 1);
    node.assert_history();
    // Another node has been at the second form: it takes the second half of the way.
    let mut node = Node::new();
    node.publish(&two_names(), vec![migration("split", &one_name(), &two_names())]).unwrap();
    assert_eq!(node.rows()[2]["last"], "last3");
    node.publish(&caps(), chain()).unwrap();
    assert_eq!(node.rows()[2], json!({"id": "3", "caps": "FIRST3"}));
    node.publish(&caps(), chain()).unwrap();
    assert_eq!(node.migrations().len(), 2, "a table that is there already is left alone");
    node.assert_history();
    // What stands between two migrations may be safe: here a column that the second does not know is not there yet.
    let mut node = Node::new();
    let more = columns(&caps(), |columns| columns.push(json!({"name": "level", "type": "u8", "default": "01"})));
    node.publish(&more, chain()).unwrap();
    assert_eq!(node.rows()[2], json!({"id": "3", "caps": "FIRST3", "level": 1}));
    node.assert_history();
}

#[test]
fn a_row_that_does_not_come_through_is_named_and_nothing_happens() {
    let mut node = Node::new();
    let fails = || vec![migration("fail_at_4", &one_name(), &two_names())];
    let problem = node.publish(&two_names(), fails()).unwrap_err();
    assert_eq!(problem.code, "migration-failed");
    assert_eq!(problem.message, "row 4 of table `user`: no last name (panic)");
    assert_eq!(problem.place.as_deref(), Some("module `m`, function `fail_at_4`"));
    // The rows behind it come through: the trap of one is its own.
    let all = PublishOptions { max_failures: 10, ..PublishOptions::default() };
    let problem = node.publish_so(&two_names(), fails(), all).unwrap_err();
    assert_eq!(problem.data, None, "or all failures would be listed");
    assert_eq!(node.rows().len(), 5);
    node.publish(&two_names(), vec![migration("split", &one_name(), &two_names())]).unwrap();
    node.assert_history();
}

#[test]
fn a_whole_table_is_read_as_it_was_and_written_as_it_is() {
    let mut node = Node::new();
    let merge = json!({"name": "merge", "kind": {"migration": {"table": "user", "from": one_name()}}, "returns": "unit",
        "handles": [{"table": "user", "access": "read", "former": true}, {"table": "user", "access": "insert"}]});
    node.publish(&caps(), vec![merge.clone()]).unwrap();
    assert_eq!(node.rows(), [json!({"id": "1", "caps": "140 bytes"})]);
    node.assert_history();
    // Rows may have a way to go before the table is as it is read.
    let mut node = Node::new();
    let mut merge = merge;
    merge["kind"]["migration"]["from"] = two_names();
    node.publish(&caps(), vec![migration("split", &one_name(), &two_names()), merge]).unwrap();
    assert_eq!(node.rows(), [json!({"id": "1", "caps": "155 bytes"})]);
    node.assert_history();
}

#[test]
fn what_is_told_of_a_publish_has_all_the_fuel_of_a_call_whatever_its_migrations_took() {
    let mut node = Node::new();
    let handles = json!([{"table": "user", "access": "read", "former": true}, {"table": "user", "access": "insert"}]);
    let spends = json!({"name": "spends_most", "kind": {"migration": {"table": "user", "from": one_name()}}, "returns": "unit",
        "handles": handles});
    let told = json!({"name": "spends_most_again", "kind": "upgrade", "returns": "unit",
        "handles": [{"table": "user", "access": "read"}]});
    node.publish(&caps(), vec![spends, told]).unwrap();
    assert!(node.log.last().unwrap().work.fuel > Limits::default().fuel, "both were paid for");
    node.assert_history();
}

#[test]
fn what_loses_data_needs_leave() {
    let mut node = Node::new();
    let shorter = columns(&one_name(), |columns| drop(columns.pop()));
    let problem = node.publish(&shorter, vec![]).unwrap_err();
    assert_eq!((&*problem.code, problem.message.contains("`user.name` string")), ("destructive", true), "{problem}");
    let leave = PublishOptions { may_break: true, ..PublishOptions::default() };
    node.publish_so(&shorter, vec![], leave).unwrap();
    assert_eq!(node.rows()[4], json!({"id": "5"}));
    let mut other = one_name();
    other["name"] = json!("person");
    assert_eq!(node.publish(&other, vec![]).unwrap_err().code, "destructive");
    node.publish_so(&other, vec![], leave).unwrap();
    assert!(node.engine.catalog().table("m", "user").is_none());
    assert_eq!(node.migrations().len(), 2);
    node.assert_history();
}

#[test]
fn a_renamed_table_keeps_its_rows_and_its_number() {
    let mut node = Node::new();
    let id = node.table("m", "user").id();
    let mut person = one_name();
    person["name"] = json!("person");
    person["renamed_from"] = json!("user");
    node.publish(&person, vec![]).unwrap();
    assert_eq!(node.table("m", "person").id(), id);
    assert_eq!(node.rows_of("m", "person").len(), 5);
    assert_eq!(node.migrations(), [(1, 2, "~ table renamed from user".to_owned())]);
    node.assert_history();
}

#[test]
fn a_table_without_rows_takes_any_form() {
    let mut node = Node::new();
    let leave = PublishOptions { may_break: true, ..PublishOptions::default() };
    let mut other = two_names();
    other["name"] = json!("empty");
    let tables = |other: &Json| json!([one_name(), other]);
    let publish = |node: &mut Node, other: &Json| {
        let schema = json!({"module": "m", "version": "1.0.0", "tables": tables(other), "functions": []});
        node.publish_artefact(serde_json::to_vec(&schema).unwrap())
    };
    publish(&mut node, &other).unwrap();
    let mut another = caps();
    another["name"] = json!("empty");
    publish(&mut node, &another).unwrap();
    assert_eq!(node.table("m", "empty").schema().columns[1].name, "caps");
    node.publish_so(&one_name(), vec![], leave).unwrap();
    node.assert_history();
}

/// A column that gets a sequence goes on behind the greatest value that it holds.
#[test]
fn a_new_sequence_begins_behind_what_is_there() {
    let mut node = Node::new();
    let plain = columns(&one_name(), |columns| columns[0] = json!({"name": "id", "type": "u64"}));
    node.publish(&plain, vec![]).unwrap();
    assert_eq!(node.table("m", "user").sequences().count(), 0);
    node.publish(&one_name(), vec![]).unwrap();
    assert_eq!(node.table("m", "user").sequences().collect::<Vec<_>>(), [(0, 6)]);
    node.assert_history();
}

#[test]
fn values_keep_what_they_mean() {
    let mut node = Node::new();
    let was = json!({"enum": {"name": "Kind", "variants": [
        {"name": "A", "shape": "unit"}, {"name": "B", "shape": "tuple", "fields": [{"name": "0", "type": "u8"}]}]}});
    let is = json!({"enum": {"name": "Kind", "variants": [
        {"name": "B", "shape": "tuple", "fields": [{"name": "0", "type": "u32"}]},
        {"name": "C", "shape": "unit"}, {"name": "A", "shape": "unit"}]}});
    let with = |kind: &Json, default: &str| {
        columns(&one_name(), |columns| columns.push(json!({"name": "kind", "type": kind, "default": default})))
    };
    node.publish(&with(&was, "0109"), vec![]).unwrap();
    node.publish(&with(&is, "02"), vec![]).unwrap();
    assert_eq!(node.rows()[0]["kind"], json!({"tag": "B", "value": 9}));
    let value = Value::Enum(0, vec![Value::U32(9)]);
    let ty = node.table("m", "user").schema().columns[2].ty.clone();
    assert!(node.rows().iter().all(|row| json::from_json(&ty, &row["kind"]) == Ok(value.clone())));
    assert_eq!(codec::encode_all([&ty], &[value]), [0, 9, 0, 0, 0]);
    node.assert_history();
}
