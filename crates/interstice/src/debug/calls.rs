//! A transaction run again: its host calls in order, under the names that were in force then, beside what the record says of it.

use crate::history::describe::record;
use crate::history::names;
use crate::sql::text_of;
use interstice_engine::catalog::{Catalog, FunctionEntry};
use interstice_engine::engine::Engine;
use interstice_engine::execution::trace::{Bytes, Ending, HostStep, Step, Trace};
use interstice_engine::execution::{HostCall, LogLine};
use interstice_engine::recheck::{Reason, Verdict};
use interstice_engine::recorded::RecordedError;
use interstice_engine::rerun::Likeness;
use interstice_store::store::{SharedTable, Store};
use interstice_store::table::IndexId;
use interstice_types::codec::{self, Reader};
use interstice_types::filter::{Filter, Predicate};
use interstice_types::id::{TableId, to_hex};
use interstice_types::json;
use interstice_types::key::{self, Key};
use interstice_types::problem::Problem;
use interstice_types::schema::TableSchema;
use interstice_types::time::Timestamp;
use interstice_types::transaction::{Cause, Transaction};
use interstice_types::ty::{Field, Type};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

/// A transaction that was run again.
pub(super) struct Rerun {
    verdict: RerunVerdict,
    trace: Option<Box<Trace>>,
    /// What functions logged.
    pub(super) log: Vec<LogLine>,
    problem: Option<Problem>,
}

/// How a transaction came out when it ran again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RerunVerdict {
    /// `same`, `divergent`, `incomparable`.
    pub verdict: &'static str,
    /// What differs, or why nothing can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// The steps of a transaction that was run again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calls {
    /// Beside the record.
    #[serde(flatten)]
    pub verdict: RerunVerdict,
    /// Functions entered and left, host calls: each with `step`, `depth` and `fuel`, which was burnt since the step before.
    pub steps: Vec<Json>,
    /// How many more there are.
    pub more: usize,
    /// Why it does not run here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

impl Rerun {
    /// Runs `transaction` again, which was made on `before`.
    ///
    /// # Errors
    /// If the record does not fit.
    pub(super) fn of(transaction: &Transaction, before: &Engine) -> Result<Self, RecordedError> {
        let mut engine = before.fork();
        let unloaded = engine.load_modules();
        let verdict = engine.fork().recheck_fresh(transaction)?;
        let function = engine.function_of(transaction);
        let interstice_engine::rerun::Rerun { trace, log, likeness } = engine.rerun(transaction, true)?;
        let problem = match likeness {
            Likeness::Unavailable(problem) => Some(*problem),
            Likeness::Same | Likeness::Otherwise => None,
        };
        // What kept the module from loading says more than that it is not there.
        let module = function.split('.').next().unwrap_or_default();
        let reason = unloaded.into_iter().find(|(name, _)| name == module).map(|(_, error)| error.problem);
        let problem = problem.map(|problem| match reason {
            Some(reason) if problem.code == "module-unavailable" => reason.at(format!("module `{module}`")),
            _ => problem,
        });
        Ok(Self { verdict: verdict_of(&verdict, problem.as_ref()), trace, log, problem })
    }

    /// The first `limit` steps, told; `behind` is the state that the record leads to.
    pub(super) fn calls(&self, transaction: &Transaction, states: [&Engine; 2], limit: usize) -> Calls {
        let [before, behind] = states;
        let published = matches!(transaction.cause, Cause::Publish { .. });
        // What a publish runs is of the version that it brings.
        let catalog = if published { behind.catalog() } else { before.catalog() };
        let stores = [behind.store(), before.store()];
        let mut telling = Telling { catalog, stores, running: Vec::new(), scans: Vec::new(), fuel: None };
        let steps = self.trace.as_ref().map_or(&[][..], |trace| &trace.steps);
        let told = steps.iter().take(limit).map(|step| telling.step(step)).collect();
        let more = steps.len().saturating_sub(limit);
        Calls { verdict: self.verdict.clone(), steps: told, more, problem: self.problem.clone() }
    }

    /// How it came out.
    pub(super) fn verdict(&self) -> &RerunVerdict {
        &self.verdict
    }
}

fn verdict_of(verdict: &Verdict, problem: Option<&Problem>) -> RerunVerdict {
    let said = |problem: &Problem| format!("{}: {}", problem.code, problem.message);
    let (verdict, text) = match verdict {
        Verdict::Same => ("same", None),
        Verdict::Divergent(divergence) => ("divergent", Some(divergence.to_string())),
        Verdict::Incomparable(Reason::Ephemeral) => ("incomparable", Some("it saw rows that are in no log".to_owned())),
        Verdict::Incomparable(Reason::ResourceLimit(found)) => ("incomparable", Some(said(found))),
        Verdict::Incomparable(Reason::Unavailable(found)) => ("incomparable", Some(said(problem.unwrap_or(found)))),
    };
    RerunVerdict { verdict, text }
}

/// Steps being told, each beside those before it.
struct Telling<'e> {
    catalog: &'e Catalog,
    /// Where tables are looked for.
    stores: [&'e Store; 2],
    /// The functions that run, and how many scans there were when each began.
    running: Vec<(usize, u32, usize)>,
    /// The tables of scans, by number.
    scans: Vec<Option<SharedTable>>,
    /// What was left at the step before.
    fuel: Option<u64>,
}

impl Telling<'_> {
    fn step(&mut self, step: &Step) -> Json {
        let mut told = Map::new();
        let left = match step {
            Step::Enter { module, function, args, fuel } => {
                told.insert("step".to_owned(), json!("enter"));
                told.insert("depth".to_owned(), json!(self.running.len()));
                let found = self.catalog.at(*module, *function);
                told.insert("function".to_owned(), json!(found.full_name()));
                let fields = &found.function().schema.args;
                told.insert("args".to_owned(), of_bytes(args, |bytes| record(fields, bytes)));
                self.running.push((*module, *function, self.scans.len()));
                *fuel
            }
            Step::Host(step) => {
                told.insert("step".to_owned(), json!("call"));
                told.insert("depth".to_owned(), json!(self.running.len()));
                told.insert("number".to_owned(), json!(step.position));
                told.insert("call".to_owned(), json!(step.call.name()));
                self.host(step, &mut told);
                step.fuel
            }
            Step::Leave { ending, fuel } => {
                told.insert("step".to_owned(), json!("leave"));
                told.insert("depth".to_owned(), json!(self.running.len().saturating_sub(1)));
                self.leave(ending, &mut told);
                *fuel
            }
        };
        let burnt = self.fuel.replace(left).map_or(0, |before| before.saturating_sub(left));
        told.insert("fuel".to_owned(), json!(burnt.to_string()));
        Json::Object(told)
    }

    fn function(&self) -> Option<&FunctionEntry> {
        let (module, function, _) = *self.running.last()?;
        Some(self.catalog.at(module, function).function())
    }

    fn leave(&mut self, ending: &Ending, told: &mut Map<String, Json>) {
        let value = |ty: Option<&Type>, bytes: &Bytes| {
            of_bytes(bytes, |bytes| ty.map_or_else(|| json!(to_hex(bytes)), |ty| value_of(ty, bytes)))
        };
        let schema = self.function().map(|function| &function.schema);
        let (name, what) = match ending {
            Ending::Ok(bytes) => ("ok", value(schema.map(|schema| &schema.returns), bytes)),
            Ending::Returned(bytes) => ("returned", value(schema.and_then(|schema| schema.error.as_ref()), bytes)),
            Ending::Refused(code) => ("refused", json!(code)),
            Ending::Trapped(code) => ("trapped", json!(code)),
        };
        told.insert("ending".to_owned(), json!(name));
        told.insert("value".to_owned(), what);
        let scans = self.running.pop().map_or(0, |(_, _, scans)| scans);
        self.scans.truncate(scans);
    }

    fn host(&mut self, step: &HostStep, told: &mut Map<String, Json>) {
        let indexed = matches!(step.call, HostCall::Get | HostCall::ScanOpen);
        let handle = if indexed { step.number >> 16 } else { step.number };
        let index = IndexId(if indexed { step.number as u16 } else { 0 });
        match step.call {
            HostCall::Insert | HostCall::Update | HostCall::Delete | HostCall::Get => {
                let table = self.table(handle, told);
                of_a_row(step, table.as_ref(), index, told);
            }
            HostCall::Count | HostCall::DeleteWhere => {
                let table = self.table(handle, told);
                filter(&step.bytes, table.as_ref(), told);
                // Of a removal that was refused it is 0 too.
                let count = step.results.first().map(|(count, _)| json!(count.to_string()));
                told.extend(count.map(|count| ("result".to_owned(), count)));
            }
            HostCall::ScanOpen => self.open_scan(step, (handle, index), told),
            HostCall::ScanNext => {
                let scan = self.scans.get(step.number as usize).and_then(Option::as_ref);
                told.insert("scan".to_owned(), json!(step.number));
                told.extend(scan.map(|table| ("table".to_owned(), json!(name_of(table)))));
                let rows = step.results.first();
                let rows = rows.map(|(_, bytes)| of_bytes(bytes, |bytes| rows_of(bytes, scan)));
                told.extend(rows.map(|rows| ("result".to_owned(), rows)));
            }
            HostCall::ScanClose => {
                told.insert("scan".to_owned(), json!(step.number));
                if let Some(slot) = self.scans.get_mut(step.number as usize) {
                    *slot = None;
                }
            }
            HostCall::Call => self.call(step, told),
            HostCall::Schedule => self.schedule(step, told),
            HostCall::Cancel => {
                told.insert("schedule".to_owned(), json!(step.number.to_string()));
                told.extend(step.results.first().map(|(found, _)| ("result".to_owned(), json!(*found != 0))));
            }
            HostCall::Log => {
                told.insert("level".to_owned(), json!(LogLine::level_name(step.number as u8)));
                told.insert("text".to_owned(), of_bytes(&step.bytes, |bytes| json!(String::from_utf8_lossy(bytes))));
            }
        }
    }

    /// The table behind a handle of the running function, as it is told.
    fn table(&self, handle: u64, told: &mut Map<String, Json>) -> Option<SharedTable> {
        let (module, _, _) = *self.running.last()?;
        let function = self.function()?;
        let declared = function.schema.handles.get(usize::try_from(handle).ok()?)?;
        let owner = declared.table.module.as_deref().unwrap_or(&self.catalog.modules()[module].schema.module);
        let former = if declared.former { " as it was" } else { "" };
        told.insert("table".to_owned(), json!(format!("{owner}.{}{former}", declared.table.table)));
        let find = |id: TableId| self.stores.iter().find_map(|store| store.table(id)).cloned();
        if declared.former {
            let mut tables = self.stores[1].tables();
            return tables.find(|one| **one.module() == *owner && one.schema().name == declared.table.table).cloned();
        }
        function.handles.get(handle as usize).copied().flatten().and_then(|(id, _)| find(id))
    }

    fn open_scan(&mut self, step: &HostStep, (handle, index): (u64, IndexId), told: &mut Map<String, Json>) {
        let table = self.table(handle, told);
        filter(&step.bytes, table.as_ref(), told);
        let [(reverse, start), (has_end, end), (limit, _)] = step.results.as_slice() else { return };
        told.insert("scan".to_owned(), json!(self.scans.len()));
        if let Some(table) = &table {
            told.insert("index".to_owned(), json!(index_name(table.schema(), index)));
            let end = end.kept().filter(|_| *has_end != 0);
            let range = start.kept().map(|start| range_of(table, index, (start, end)));
            told.extend(range.filter(|range| !range.is_empty()).map(|range| ("keys".to_owned(), json!(range))));
        }
        if *reverse != 0 {
            told.insert("reverse".to_owned(), json!(true));
        }
        if *limit != u64::MAX {
            told.insert("limit".to_owned(), json!(limit.to_string()));
        }
        self.scans.push(table);
    }

    fn call(&self, step: &HostStep, told: &mut Map<String, Json>) {
        let module = self.running.last().map(|(module, ..)| *module);
        let imports = module.map(|module| self.catalog.modules()[module].imports.as_slice()).unwrap_or_default();
        let target = imports.get(step.number as usize).copied().flatten();
        let Some((module, function)) = target else { return };
        let found = self.catalog.at(module, function);
        told.insert("function".to_owned(), json!(found.full_name()));
        let schema = &found.function().schema;
        told.insert("args".to_owned(), of_bytes(&step.bytes, |bytes| record(&schema.args, bytes)));
        if let Some((is_ok, bytes)) = step.results.first() {
            let (name, ty) = if *is_ok == 1 { ("ok", Some(&schema.returns)) } else { ("error", schema.error.as_ref()) };
            let value = of_bytes(bytes, |bytes| ty.map_or_else(|| json!(to_hex(bytes)), |ty| value_of(ty, bytes)));
            told.insert("result".to_owned(), json!({ name: value }));
        }
    }

    fn schedule(&self, step: &HostStep, told: &mut Map<String, Json>) {
        let module = self.running.last().map(|(module, ..)| &self.catalog.modules()[*module]);
        let function = module.and_then(|module| module.functions.get(step.number as usize));
        if let (Some(module), Some(function)) = (module, function) {
            told.insert("function".to_owned(), json!(names::full(&module.schema.module, &function.schema.name)));
            told.insert("args".to_owned(), of_bytes(&step.bytes, |bytes| record(&function.schema.args, bytes)));
        }
        if let Some((due, _)) = step.results.first() {
            told.insert("due".to_owned(), json!(Timestamp(*due as i64).to_string()));
        }
        let id = step.results.get(1).map(|(id, _)| if *id == 0 { json!("refused") } else { json!(id.to_string()) });
        told.extend(id.map(|id| ("result".to_owned(), id)));
    }
}

/// `insert`, `update`, `delete` and `get`.
fn of_a_row(step: &HostStep, table: Option<&SharedTable>, index: IndexId, told: &mut Map<String, Json>) {
    let fields = table.map(|table| table.schema().fields()).unwrap_or_default();
    let row = |bytes: &[u8]| record(&fields, bytes);
    let is_row = matches!(step.call, HostCall::Insert | HostCall::Update);
    if is_row {
        told.insert("row".to_owned(), of_bytes(&step.bytes, row));
    } else {
        let columns = table.and_then(|table| table.index_columns(index)).unwrap_or_default();
        told.insert("key".to_owned(), of_bytes(&step.bytes, |bytes| key_of(&fields, columns, bytes)));
        let name = table.filter(|_| index != IndexId::PRIMARY).map(|table| index_name(table.schema(), index));
        told.extend(name.map(|name| ("index".to_owned(), json!(name))));
    }
    let result = match step.results.first() {
        Some((1, bytes)) => of_bytes(bytes, row),
        // Nothing is noted of an update that is made, nor of a call that ended in a trap.
        Some(_) if is_row => json!("refused"),
        Some(_) => Json::Null,
        None => return,
    };
    told.insert("result".to_owned(), result);
}

fn filter(bytes: &Bytes, table: Option<&SharedTable>, told: &mut Map<String, Json>) {
    if bytes.kept().is_some_and(<[u8]>::is_empty) {
        return;
    }
    let text = of_bytes(bytes, |bytes| {
        let fits = table.and_then(|table| {
            let filter = Filter::decode(bytes).ok()?;
            Predicate::new(&filter, table.layout()).ok()?;
            Some(text_of(&filter, table.schema(), false))
        });
        json!(fits.unwrap_or_else(|| to_hex(bytes)))
    });
    told.insert("filter".to_owned(), text);
}

/// What is told of bytes; of those that were not kept how many there were.
fn of_bytes(bytes: &Bytes, tell: impl FnOnce(&[u8]) -> Json) -> Json {
    match bytes {
        Bytes::Kept(bytes) => tell(bytes),
        Bytes::Dropped(size) => json!({ "bytes_not_kept": size }),
    }
}

fn value_of(ty: &Type, bytes: &[u8]) -> Json {
    json::value_to_json(ty, bytes).unwrap_or_else(|_| json!({ "bytes": to_hex(bytes) }))
}

/// Rows, each behind its length.
fn rows_of(mut bytes: &[u8], table: Option<&SharedTable>) -> Json {
    let fields = table.map(|table| table.schema().fields()).unwrap_or_default();
    let mut rows = Vec::new();
    while let Some((size, rest)) = bytes.split_first_chunk::<4>() {
        let Some((row, rest)) = rest.split_at_checked(u32::from_le_bytes(*size) as usize) else { break };
        rows.push(record(&fields, row));
        bytes = rest;
    }
    Json::Array(rows)
}

/// Values of the first columns of a key; one alone is itself.
fn key_of(fields: &[Field], columns: &[u16], bytes: &[u8]) -> Json {
    let (mut reader, mut values) = (Reader::new(bytes), Vec::new());
    for column in columns {
        if reader.left() == 0 && !values.is_empty() {
            break;
        }
        let ty = &fields[usize::from(*column)].ty;
        match codec::decode(ty, &mut reader) {
            Ok(value) => values.push(json::to_json(ty, &value)),
            Err(_) => return json!({ "bytes": to_hex(bytes) }),
        }
    }
    if values.len() == 1 { values.remove(0) } else { Json::Array(values) }
}

/// A range of keys as conditions on the first columns of the index.
fn range_of(table: &SharedTable, index: IndexId, (start, end): (&[u8], Option<&[u8]>)) -> String {
    let columns = table.index_columns(index).unwrap_or_default();
    let types: Vec<_> = columns.iter().map(|column| &table.schema().columns[usize::from(*column)]).collect();
    let values = |prefix: &[u8]| {
        let (mut reader, mut parts) = (Reader::new(prefix), Vec::new());
        for column in &types {
            if reader.left() == 0 {
                break;
            }
            let mut bytes = Vec::new();
            key::decode(&column.ty, &mut reader, &mut bytes).ok()?;
            parts.push((column.name.as_str(), json::value_to_json(&column.ty, &bytes).ok()?.to_string()));
        }
        (reader.left() == 0 && !parts.is_empty()).then_some(parts)
    };
    let text = |sign: &str, prefix: &[u8]| {
        let parts = values(prefix)?;
        let (names, values): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        Some(format!("{} {sign} {}", names.join(", "), values.join(", ")))
    };
    if let Some(text) = end.filter(|end| key::after_prefix(start) == Some(Key::new(end))).and_then(|_| text("=", start))
    {
        return text;
    }
    // A bound that leaves a prefix out, or one that takes it in at the end, is the first key behind it.
    let bound = |bytes: &[u8], exact: &str, behind: &str| {
        let mut prefix = bytes.to_vec();
        if let Some(last) = prefix.last_mut() {
            *last = last.wrapping_sub(1);
        }
        let text = text(exact, bytes).or_else(|| text(behind, &prefix));
        text.unwrap_or_else(|| format!("key {exact} {}", to_hex(bytes)))
    };
    let lower = (!start.is_empty()).then(|| bound(start, ">=", ">"));
    let upper = end.map(|end| bound(end, "<", "<="));
    lower.into_iter().chain(upper).collect::<Vec<_>>().join(" and ")
}

fn index_name(schema: &TableSchema, index: IndexId) -> String {
    match index.0 {
        0 => "primary key".to_owned(),
        number => {
            let found = schema.indexes.get(usize::from(number) - 1);
            found.map_or_else(|| format!("index {number}"), |index| index.name.clone())
        }
    }
}

fn name_of(table: &SharedTable) -> String {
    names::full(table.module(), &table.schema().name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use interstice_store::range::KeyRange;
    use interstice_store::table::Table;
    use interstice_types::schema::{ColumnSchema, IndexSchema};
    use interstice_types::value::Value;
    use std::ops::Bound::{self, Excluded, Included, Unbounded};

    /// Rows of a name, a number and a flag, with an index on name and number.
    fn table() -> SharedTable {
        let types = [("name", Type::String), ("number", Type::I32), ("flag", Type::Bool)];
        let columns = types.map(|(name, ty)| ColumnSchema::new(name, ty)).to_vec();
        let indexes = vec![IndexSchema { name: "by_both".to_owned(), columns: vec![0, 1], unique: false }];
        let schema =
            TableSchema { name: "t".to_owned(), columns, primary_key: vec![1], indexes, ..TableSchema::default() };
        SharedTable::new(Table::new(TableId(0), "m".into(), schema.into()))
    }

    #[test]
    fn a_range_of_keys_is_told_as_conditions() {
        let table = table();
        let name = |text: &str| (Type::String, Value::String(text.to_owned()));
        let number = |number: i32| (Type::I32, Value::I32(number));
        let key = |values: &[(Type, Value)]| -> Vec<u8> {
            values.iter().flat_map(|(ty, value)| json::key_of(ty, value)).collect()
        };
        let told = |index: u16, lower: Bound<Vec<u8>>, upper: Bound<Vec<u8>>| {
            let range = KeyRange::between(lower.as_ref().map(Vec::as_slice), upper.as_ref().map(Vec::as_slice));
            let end = range.end.as_ref().map(Key::as_bytes);
            range_of(&table, IndexId(index), (range.start.as_bytes(), end))
        };
        let (one, both) = (key(&[name("a b")]), key(&[name("a"), number(-5)]));
        let (low, high) = (key(&[number(3)]), key(&[number(7)]));
        assert_eq!(told(1, Included(one.clone()), Included(one.clone())), r#"name = "a b""#);
        assert_eq!(told(1, Included(both.clone()), Included(both.clone())), r#"name, number = "a", -5"#);
        assert_eq!(told(1, Included(one.clone()), Unbounded), r#"name >= "a b""#);
        assert_eq!(told(1, Excluded(one.clone()), Unbounded), r#"name > "a b""#);
        assert_eq!(told(1, Unbounded, Included(one.clone())), r#"name <= "a b""#);
        assert_eq!(told(1, Unbounded, Excluded(one)), r#"name < "a b""#);
        // Of whole numbers a bound that leaves one out takes the next one in.
        assert_eq!(told(0, Excluded(low.clone()), Included(high.clone())), "number >= 4 and number < 8");
        assert_eq!(told(0, Included(low), Excluded(high)), "number >= 3 and number < 7");
        assert_eq!(told(0, Unbounded, Unbounded), "");
    }

    #[test]
    fn a_filter_is_told_as_sql_and_bytes_that_are_none_as_they_are() {
        use interstice_types::filter::{Operator, Place};
        let table = table();
        let told = |bytes: &[u8]| {
            let mut told = Map::new();
            filter(&Bytes::Kept(bytes.to_vec()), Some(&table), &mut told);
            told.remove("filter")
        };
        let (place, mut bytes) = (Place { column: 1, steps: Vec::new() }, Vec::new());
        Filter::compare(place, Operator::Less, &Type::I32, &Value::I32(4)).encode(&mut bytes);
        assert_eq!(told(&bytes), Some(json!("number < 4")));
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[0xee, 1]), Some(json!("ee01")));
        assert_eq!(of_bytes(&Bytes::Dropped(7), |_| panic!("there are none")), json!({"bytes_not_kept": 7}));
    }
}
