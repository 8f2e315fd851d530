//! `log inspect`, `log dump`, `log grep` and `log stats`, on a node or a data directory.

use super::log::document;
use crate::args::{Filters, Format};
use crate::directory::Directory;
use crate::failure::{Failure, exit};
use crate::node::{Node, body};
use crate::output::{Output, Table};
use crate::report::{Report, cell, columns};
use interstice::history::{HistoryError, Selection, Selector, Stats, tell};
use interstice_protocol::http::{FunctionCounted, LogStats, route};
use interstice_server::reports;
use interstice_types::problem::Problem;
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::Path;

/// The columns of transactions as CSV.
const COLUMNS: [&str; 12] =
    ["offset", "time", "cause", "function", "caller", "args", "outcome", "value", "problem", "changes", "fuel", "loss"];

impl From<&Filters> for Selection {
    fn from(filters: &Filters) -> Self {
        let Filters { from, to, since, until, module, table, key, function, caller, cause, outcome, limit } =
            filters.clone();
        Self { from, to, since, until, module, table, key, function, caller, cause, outcome, limit, pattern: None }
    }
}

pub(crate) fn inspect(node: &Node, data: Option<&Path>, offset: u64) -> Result<Report, Failure> {
    let mut found = None;
    let selection = Selection { from: Some(offset), to: Some(offset.saturating_add(1)), ..Selection::default() };
    each(node, data, selection, |told| {
        // What was given up there is told of in front of it.
        found = Some(told).filter(|told| told.get("loss").is_none());
        if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    let transaction = found.ok_or_else(|| {
        Problem::new("unknown-offset", format!("there is no transaction {offset}"))
            .hint("`interstice status` says how many there are")
    })?;
    let text = serde_json::to_string_pretty(&transaction).expect("invariant: JSON is JSON");
    Ok(Report::new(json!({ "schema": "interstice.transaction/v1", "transaction": transaction }), text))
}

pub(crate) fn dump(node: &Node, data: Option<&Path>, selection: Selection, output: &Output) -> Result<Report, Failure> {
    match output.format() {
        Format::Json | Format::Yaml => {
            let mut transactions = Vec::new();
            each(node, data, selection, |transaction| {
                transactions.push(transaction);
                ControlFlow::Continue(())
            })?;
            let document = json!({ "schema": "interstice.log-dump/v1", "transactions": transactions });
            return Ok(Report::new(document, ""));
        }
        Format::Csv => {
            let mut table = Table::new(COLUMNS);
            each(node, data, selection, |transaction| {
                table.row(COLUMNS.map(|name| transaction.get(name).unwrap_or(&Value::Null)));
                ControlFlow::Continue(())
            })?;
        }
        Format::Text | Format::Jsonl => each(node, data, selection, |transaction| {
            output.item(&transaction, || transaction_line(&transaction));
            ControlFlow::Continue(())
        })?,
    }
    Ok(Report::nothing())
}

/// Gives every transaction that is selected to `take`, in order, until it breaks off.
pub(crate) fn each(
    node: &Node,
    data: Option<&Path>,
    selection: Selection,
    take: impl FnMut(Value) -> ControlFlow<()>,
) -> Result<(), Failure> {
    let Some(data) = data else {
        return node.lines(&asked(route::LOG_DUMP, &selection), take);
    };
    let selector = selector(selection)?;
    let directory = Directory::open(data)?;
    let (log, damage) = directory.readable()?;
    let start = directory.start(&log, selector.from())?;
    tell(&log, start, &selector, &|| true, take).map_err(|error| failed(&directory, &error))?;
    damage.map_or(Ok(()), Err)
}

pub(crate) fn stats(node: &Node, data: Option<&Path>, selection: Selection) -> Result<Report, Failure> {
    let document = match data {
        None => node.get(&asked(route::LOG_STATS, &selection))?,
        Some(data) => {
            let selector = selector(selection)?;
            let directory = Directory::open(data)?;
            let log = directory.log()?;
            let start = directory.start(&log, selector.from())?;
            let stats = Stats::of(&log, start, &selector).map_err(|error| failed(&directory, &error))?;
            document(reports::log_stats(&stats))
        }
    };
    let stats: LogStats = body(&document)?;
    Ok(Report::new(document, stats_text(&stats)).items("functions"))
}

fn asked(route: &str, selection: &Selection) -> String {
    let parameters = serde_urlencoded::to_string(selection).expect("invariant: a selection is names with values");
    format!("{route}?{parameters}")
}

fn selector(selection: Selection) -> Result<Selector, Failure> {
    selection.selector().map_err(|problem| Failure::new(exit::FAILED, problem))
}

pub(super) fn failed(directory: &Directory, error: &HistoryError) -> Failure {
    match error {
        HistoryError::NoSuchRow(problem) => Problem::clone(problem).into(),
        error if error.is_trimmed() => reports::trimmed(error).into(),
        _ => directory.corrupt(error),
    }
}

/// `3  2026-11-20T10:02:11.000000Z  call  chat.send  ok  message +1`
pub(crate) fn transaction_line(transaction: &Value) -> String {
    let part = |name: &str| transaction.get(name).map(cell).unwrap_or_default();
    let function = ["function", "module", "control", "connection"].iter().find_map(|name| transaction.get(name));
    let function = function.map(cell).unwrap_or_default();
    let args = transaction.get("args").filter(|args| !args.is_null()).map(cell).unwrap_or_default();
    let changes = transaction["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows =
        changes.iter().filter(|change| ["insert", "update", "delete"].iter().any(|kind| change.get(kind).is_some()));
    let head = format!("{:>6}  {}  {:<9} {function}{args}", part("offset"), part("time"), part("cause"));
    if let Some(loss) = transaction.get("loss") {
        return format!("{}  {loss}", head.trim_end());
    }
    format!("{}  {}  {} rows", head.trim_end(), part("outcome"), rows.count())
}

/// Sections with an empty line between.
fn stats_text(stats: &LogStats) -> String {
    let mut sections = vec![columns(&head(stats))];
    let functions = stats.functions.iter().map(function_line);
    sections.extend(section(&["function", "ok", "rejected", "trapped", "fuel each", "bytes each"], functions));
    let tables = stats.tables.iter().map(|(name, counts)| {
        [name.clone(), counts.insert.to_string(), counts.update.to_string(), counts.delete.to_string()].to_vec()
    });
    sections.extend(section(&["table", "insert", "update", "delete"], tables));
    let total = [("all of it".to_owned(), stats.bytes)];
    let parts = stats.parts.iter().map(|part| (part.part.clone(), part.bytes)).chain(total);
    let parts = parts.map(|(part, bytes)| vec![part, bytes.to_string(), each_of(bytes, stats.transactions)]);
    sections.extend(section(&["part of a record", "bytes", "bytes each"], parts));
    sections.join("\n\n")
}

fn head(stats: &LogStats) -> Vec<Vec<String>> {
    let counts = |counts: &std::collections::BTreeMap<String, u64>| {
        counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
    };
    let ends = |first: &Option<String>, last: &Option<String>| match (first, last) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "none".to_owned(),
    };
    let beside = stats.frame_bytes.saturating_sub(stats.payload_bytes);
    let pairs = [
        ("transactions", stats.transactions.to_string()),
        ("offsets", ends(&stats.first_offset, &stats.last_offset)),
        ("times", ends(&stats.first_time, &stats.last_time)),
        ("causes", counts(&stats.causes)),
        (
            "frames read",
            format!("{}: {} bytes, {beside} of them beside records", counts(&stats.frames), stats.frame_bytes),
        ),
    ];
    pairs.map(|(name, value)| vec![name.to_owned(), value]).to_vec()
}

fn section(head: &[&str], lines: impl Iterator<Item = Vec<String>>) -> Option<String> {
    let mut rows = vec![head.iter().map(|name| (*name).to_owned()).collect()];
    rows.extend(lines);
    (rows.len() > 1).then(|| columns(&rows))
}

fn function_line(counted: &FunctionCounted) -> Vec<String> {
    let FunctionCounted { function, ok, rejected, trapped, fuel, bytes, .. } = counted;
    let count = ok + rejected + trapped;
    let numbers = [ok, rejected, trapped].map(ToString::to_string);
    std::iter::once(function.clone()).chain(numbers).chain([each_of(*fuel, count), each_of(*bytes, count)]).collect()
}

/// A mean with one digit behind the point.
fn each_of(sum: u64, count: u64) -> String {
    if count == 0 { "0".to_owned() } else { format!("{:.1}", sum as f64 / count as f64) }
}
