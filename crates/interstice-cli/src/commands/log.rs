//! `log inspect`, `log dump`, `log verify` and `replay check`, on a node or a data directory.

use crate::args::{Format, Range};
use crate::directory::Directory;
use crate::failure::Failure;
use crate::node::{Node, body};
use crate::output::Output;
use crate::report::{FOUND, Report, cell};
use interstice::describe::descriptions;
use interstice_protocol::http::{Envelope, LogVerified, ReplayChecked, SegmentVerified, route};
use interstice_server::reports;
use interstice_types::problem::Problem;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

/// Transactions asked for at a time: as many as a node gives, for it walks over its log to tell them.
const PAGE: u64 = 10_000;

pub(crate) fn inspect(node: &Node, data: Option<&Path>, offset: u64) -> Result<Report, Failure> {
    let mut found = None;
    each(node, data, &Range { from: offset, to: Some(offset + 1) }, |transaction| found = Some(transaction))?;
    let transaction = found.ok_or_else(|| {
        Problem::new("unknown-offset", format!("there is no transaction {offset}"))
            .hint("`interstice status` says how many there are")
    })?;
    let text = serde_json::to_string_pretty(&transaction).expect("invariant: JSON is JSON");
    Ok(Report::new(json!({ "schema": "interstice.transaction/v1", "transaction": transaction }), text))
}

pub(crate) fn dump(node: &Node, data: Option<&Path>, range: &Range, output: &Output) -> Result<Report, Failure> {
    if matches!(output.format(), Format::Json | Format::Yaml) {
        let mut transactions = Vec::new();
        each(node, data, range, |transaction| transactions.push(transaction))?;
        let document = json!({ "schema": "interstice.log-dump/v1", "transactions": transactions });
        return Ok(Report::new(document, ""));
    }
    each(node, data, range, |transaction| output.item(&transaction, || transaction_line(&transaction)))?;
    Ok(Report::nothing())
}

/// Gives every transaction of `range` to `take`, in order.
fn each(node: &Node, data: Option<&Path>, range: &Range, mut take: impl FnMut(Value)) -> Result<(), Failure> {
    let end = range.to.unwrap_or(u64::MAX);
    let Some(data) = data else {
        let mut from = range.from;
        while from < end {
            let page = node.lines(&format!("{}?from={from}&limit={}", route::LOG_DUMP, PAGE.min(end - from)))?;
            if page.is_empty() {
                break;
            }
            from += page.len() as u64;
            page.into_iter().for_each(&mut take);
        }
        return Ok(());
    };
    let directory = Directory::open(data)?;
    let log = directory.log()?;
    let told = descriptions(&log, directory.start(&log, range.from)?, range.from)
        .map_err(|error| directory.corrupt(&error))?;
    for transaction in told.take(usize::try_from(end.saturating_sub(range.from)).unwrap_or(usize::MAX)) {
        take(transaction.map_err(|error| directory.corrupt(&error))?);
    }
    Ok(())
}

/// `3  2026-11-20T10:02:11.000000Z  call  chat.send  ok  message +1`
pub(crate) fn transaction_line(transaction: &Value) -> String {
    let part = |name: &str| transaction.get(name).map(cell).unwrap_or_default();
    let function = transaction.get("function").or_else(|| transaction.get("module")).map(cell).unwrap_or_default();
    let args = transaction.get("args").filter(|args| !args.is_null()).map(cell).unwrap_or_default();
    let changes = transaction["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows =
        changes.iter().filter(|change| ["insert", "update", "delete"].iter().any(|kind| change.get(kind).is_some()));
    let head = format!("{:>6}  {}  {:<9} {function}{args}", part("offset"), part("time"), part("cause"));
    format!("{}  {}  {} rows", head.trim_end(), part("outcome"), rows.count())
}

pub(crate) fn verify(node: &Node, data: Option<&Path>) -> Result<Report, Failure> {
    let document = match data {
        None => node.get(route::LOG_VERIFY)?,
        Some(data) => {
            let directory = Directory::open(data)?;
            let report = interstice_log::verify::verify(directory.storage());
            let report = report.map_err(|error| directory.corrupt(&error))?;
            document(reports::log_verified(&report))
        }
    };
    let verified: LogVerified = body(&document)?;
    let mut lines: Vec<_> = verified.segments.iter().flat_map(segment_lines).collect();
    let verdict = if verified.ok { "ok" } else { "corrupt" };
    lines.push(format!("{verdict}: {} transactions, head {}", verified.transactions, verified.head));
    let exit = if verified.ok { 0 } else { FOUND };
    Ok(Report::new(document, lines.join("\n")).items("segments").exit(exit))
}

fn segment_lines(segment: &SegmentVerified) -> Vec<String> {
    let state = if segment.sealed { "sealed" } else { "open" };
    let torn = match segment.torn_tail_bytes {
        0 => String::new(),
        bytes => format!("  torn tail: {bytes} bytes, never acknowledged"),
    };
    let offsets = format!("offsets {}..{}", segment.first_offset, segment.next_offset);
    let verdict = if segment.ok { "crc ok  chain ok" } else { "damaged" };
    let head = format!("segment {}  {offsets}  {state}  {verdict}  {} bytes{torn}", segment.name, segment.bytes);
    let faults = segment.faults.iter().map(|fault| {
        format!("  {} at byte {}, from offset {}: {}", fault.kind, fault.byte, fault.offset, fault.evidence)
    });
    let notices = segment.notices.iter().map(|notice| format!("  note: {notice}"));
    std::iter::once(head).chain(faults).chain(notices).collect()
}

pub(crate) fn replay_check(node: &Node, data: Option<&Path>) -> Result<Report, Failure> {
    let started = Instant::now();
    let document = match data {
        None => node.post(route::REPLAY_CHECK, &Value::Null)?,
        Some(data) => {
            let directory = Directory::open(data)?;
            let log = directory.log()?;
            let report = interstice::check::check(&log, directory.earliest(&log)?);
            let report = report.map_err(|error| directory.corrupt(&error))?;
            document(reports::replay_checked(&report))
        }
    };
    let checked: ReplayChecked = body(&document)?;
    let lines = checked.divergences.iter().map(|found| {
        let table = found.table.as_ref().map(|table| format!(" {table}")).unwrap_or_default();
        format!(
            "offset {} ({}): {}{table}: recorded {}, replayed {}",
            found.offset, found.function, found.kind, found.recorded, found.replayed
        )
    });
    let mut lines: Vec<_> = lines.collect();
    let rate = checked.checked as f64 / started.elapsed().as_secs_f64() / 1e3;
    let count = checked.divergences.len();
    lines.push(format!("{} transactions re-executed, {count} divergences        {rate:.1} k/s", checked.checked));
    let exit = if checked.ok { 0 } else { FOUND };
    Ok(Report::new(document, lines.join("\n")).items("divergences").exit(exit))
}

pub(super) fn document<T: interstice_protocol::http::Shape>(body: T) -> Value {
    serde_json::to_value(Envelope::new(body)).expect("invariant: a report has a JSON form")
}
