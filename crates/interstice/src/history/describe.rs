//! Transactions told as JSON: who did what, and every row that it changed, under the names that were in force then.
//!
//! A record names versions, functions and tables by number, so it can be told only beside the state before it: an engine to
//! which the transactions before it were applied.

use super::names;
use interstice_engine::engine::Engine;
use interstice_store::store::Store;
use interstice_types::change::Change;
use interstice_types::id::to_hex;
use interstice_types::json;
use interstice_types::schema::FunctionSchema;
use interstice_types::transaction::{Cause, Outcome, Transaction};
use interstice_types::ty::Field;
use serde_json::{Map, Value as Json, json};

/// Tells `transaction`; `before` is the state that it was made on.
pub fn describe(transaction: &Transaction, before: &Engine) -> Json {
    let mut told = head(transaction, before);
    let (changes, after) = complete(transaction, before);
    let stores = [before.store(), &after];
    told.insert("changes".to_owned(), changes.iter().map(|change| tell_change(change, stores)).collect());
    Json::Object(told)
}

/// Everything but what it changed.
pub(crate) fn head(transaction: &Transaction, before: &Engine) -> Map<String, Json> {
    let mut told = Map::new();
    told.insert("offset".to_owned(), json!(transaction.offset.to_string()));
    told.insert("time".to_owned(), json!(transaction.time.to_string()));
    told.insert("cause".to_owned(), json!(transaction.cause.name()));
    let function = tell_cause(transaction, before, &mut told);
    tell_outcome(&transaction.outcome, function, &mut told);
    told.insert("fuel".to_owned(), json!(transaction.work.fuel.to_string()));
    told.insert("digest".to_owned(), json!(format!("{:032x}", transaction.state_digest)));
    told
}

/// What it changed, and the state behind it. Changes in a log may lack old rows: making them on a clone fills those in.
pub(crate) fn complete(transaction: &Transaction, before: &Engine) -> (Vec<Change>, Store) {
    let (mut changes, mut after) = (transaction.changes.clone(), before.store().clone());
    if after.apply(&mut changes).is_err() {
        changes.clone_from(&transaction.changes);
    }
    (changes, after)
}

/// Tells why it happened; returns the function that ran.
fn tell_cause<'e>(
    transaction: &Transaction,
    before: &'e Engine,
    told: &mut Map<String, Json>,
) -> Option<&'e FunctionSchema> {
    let cause = &transaction.cause;
    let ran = names::function(cause, before.catalog());
    match cause {
        Cause::Genesis { node } => drop(told.insert("node".to_owned(), json!(to_hex(node)))),
        Cause::Configure => {}
        Cause::Publish { module, .. } => drop(told.insert("module".to_owned(), json!(module))),
        Cause::Call { args, .. } => {
            let args = ran.map(|(_, schema)| record(&schema.args, args));
            told.extend(args.map(|args| ("args".to_owned(), args)));
        }
        Cause::Event { event, depth } => {
            let reason = json!({
                "of": event.of.to_string(), "change": event.change, "subscriber": event.subscriber, "depth": depth
            });
            told.insert("event".to_owned(), reason);
        }
        Cause::Schedule { schedule, due, .. } => {
            told.insert("schedule".to_owned(), json!({"id": schedule.to_string(), "due": due.to_string()}));
        }
        Cause::Connect { connection, .. } | Cause::Disconnect { connection } => {
            told.insert("connection".to_owned(), json!(connection.to_string()));
        }
        Cause::Control { action, schedule, .. } => {
            told.insert("control".to_owned(), json!({"action": action.name(), "schedule": schedule.to_string()}));
        }
    }
    let caller = names::caller(transaction, before);
    told.extend(caller.map(|caller| ("caller".to_owned(), json!(caller.to_string()))));
    let (entry, schema) = ran?;
    told.insert("function".to_owned(), json!(names::full(&entry.schema.module, &schema.name)));
    Some(schema)
}

fn tell_outcome(outcome: &Outcome, function: Option<&FunctionSchema>, told: &mut Map<String, Json>) {
    told.insert("outcome".to_owned(), json!(outcome.name()));
    match outcome {
        Outcome::Ok(bytes) => {
            let value = function.map(|function| json::value_to_json(&function.returns, bytes));
            told.insert("value".to_owned(), value.and_then(Result::ok).unwrap_or_default());
        }
        Outcome::Rejected(problem) | Outcome::Trapped(problem) => {
            told.insert("problem".to_owned(), serde_json::from_slice(problem).unwrap_or_default());
        }
    }
}

pub(crate) fn tell_change(change: &Change, [before, after]: [&Store; 2]) -> Json {
    let id = change.table();
    let table = after.table(id).or_else(|| before.table(id));
    let name = table.map_or_else(|| id.to_string(), |table| names::full(table.module(), &table.schema().name));
    let fields = table.map(|table| table.schema().fields()).unwrap_or_default();
    let row = |bytes: &[u8]| record(&fields, bytes);
    match change {
        Change::Insert { row: new, .. } => json!({"table": name, "insert": row(new)}),
        Change::Delete { old, .. } => json!({"table": name, "delete": old.as_deref().map(row)}),
        Change::Update { old, new, .. } => {
            json!({"table": name, "update": {"old": old.as_deref().map(row), "new": row(new)}})
        }
        Change::Sequence { column, next, .. } => {
            let column = fields.get(usize::from(*column)).map(|field| field.name.as_str());
            json!({"table": name, "sequence": {"column": column, "next": next.to_string()}})
        }
        Change::CreateTable { .. } => json!({"table": name, "create": id.0}),
        Change::AlterTable { .. } => json!({"table": name, "alter": id.0}),
        Change::ClearTable { .. } => json!({"table": name, "clear": id.0}),
        Change::DropTable { .. } => json!({"table": name, "drop": id.0}),
    }
}

/// As an object by name; as hex where the bytes were written under a schema that is not known any more.
pub(crate) fn record(fields: &[Field], bytes: &[u8]) -> Json {
    json::record_to_json(fields, bytes).unwrap_or_else(|_| json!({"bytes": to_hex(bytes)}))
}
