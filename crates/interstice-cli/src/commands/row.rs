//! `history`: every change of a row, by whom, through what call.

use super::history::failed;
use super::log::document;
use crate::directory::Directory;
use crate::failure::{Failure, exit};
use crate::node::{Node, body};
use crate::output::Output;
use crate::report::{Report, cell, columns};
use interstice::history::row::{DEFAULT_LIMIT, row_history, selector};
use interstice_protocol::http::{RowHistory, route};
use serde_json::{Map, Value};
use std::path::Path;

pub(crate) fn history(
    node: &Node,
    data: Option<&Path>,
    (table, key): (&str, &str),
    limit: Option<usize>,
    output: &Output,
) -> Result<Report, Failure> {
    let mut damage = None;
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    let selector = selector(table, key).map_err(|problem| Failure::new(exit::USAGE, problem))?;
    let document = match data {
        None => {
            let query = serde_urlencoded::to_string([("key", key), ("limit", &limit.to_string())]);
            let query = query.expect("invariant: names with values");
            node.get(&format!("{}/{}?{query}", route::HISTORY, table.replacen('.', "/", 1)))?
        }
        Some(data) => {
            let directory = Directory::open(data)?;
            let found = if let Some(found) = directory.row_history(&selector, limit) {
                found
            } else {
                let log;
                (log, damage) = directory.readable()?;
                let start = directory.start(&log, directory.beginning(&log)?)?;
                row_history(&log, start, &selector, limit)
            };
            let found = found.map_err(|error| failed(&directory, &error))?;
            document(RowHistory { entries: found.entries, more: found.more })
        }
    };
    let found: RowHistory = body(&document)?;
    Ok(Report::new(document, text(&found)).items("entries").beside(damage, output))
}

/// `31415  2026-11-20T10:02:11Z  c0ffee12  balance 10 → -40  bank.transfer(from=7, to=9, amount=50)`
fn text(found: &RowHistory) -> String {
    let mut lines = vec![["offset", "time", "by", "change", "cause"].map(str::to_owned).to_vec()];
    lines.extend(found.entries.iter().map(line));
    let mut text = columns(&lines);
    if found.entries.is_empty() {
        "no transaction changed this row".clone_into(&mut text);
    }
    if found.more {
        text.push_str("\nthere are older changes: see them with `--limit`");
    }
    text
}

fn line(entry: &Value) -> Vec<String> {
    let part = |name: &str| entry.get(name).map(cell).unwrap_or_default();
    let by: String = part("caller").chars().take(8).collect();
    vec![part("offset"), part("time"), by, change_text(&entry["old"], &entry["new"]), part("call")]
}

/// The columns that became others; a row that came or went as a whole.
fn change_text(old: &Value, new: &Value) -> String {
    match (old.as_object(), new.as_object()) {
        (None, Some(new)) => format!("+ {}", fields(new)),
        (Some(old), None) => format!("- {}", fields(old)),
        (Some(old), Some(new)) => {
            let differs = |(name, value): (&String, &Value)| {
                let before = old.get(name);
                (before != Some(value))
                    .then(|| format!("{name} {} → {}", before.map(cell).unwrap_or_default(), cell(value)))
            };
            new.iter().filter_map(differs).collect::<Vec<_>>().join(", ")
        }
        (None, None) => String::new(),
    }
}

fn fields(row: &Map<String, Value>) -> String {
    row.iter().map(|(name, value)| format!("{name}={}", cell(value))).collect::<Vec<_>>().join(", ")
}
