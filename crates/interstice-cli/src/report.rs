//! What a command found, before anyone decides how it looks.

use crate::failure::Failure;
use crate::output::Output;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The exit code of a check that found something.
pub(crate) const FOUND: u8 = 4;

/// The result of a command.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    /// One JSON document with a versioned name in `schema`.
    pub(crate) document: Value,
    /// The key of the document whose list is written line by line in `jsonl`.
    pub(crate) items: Option<&'static str>,
    /// For people, without a line break at the end.
    pub(crate) text: String,
    /// 0, or what the command's exit says.
    pub(crate) exit: u8,
}

impl Report {
    /// A document and its text.
    pub(crate) fn new(document: Value, text: impl Into<String>) -> Self {
        Self { document, items: None, text: text.into(), exit: 0 }
    }

    /// With the list under `key` as the lines of `jsonl`.
    pub(crate) fn items(mut self, key: &'static str) -> Self {
        self.items = Some(key);
        self
    }

    /// With an exit code.
    pub(crate) fn exit(mut self, code: u8) -> Self {
        self.exit = code;
        self
    }

    /// Beside the reason why it is not about everything, which is said too.
    pub(crate) fn beside(self, damage: Option<Failure>, output: &Output) -> Self {
        match damage {
            None => self,
            Some(damage) => self.exit(output.fail(&damage)),
        }
    }

    /// The items, or the document as the one of them.
    pub(crate) fn lines(&self) -> Vec<&Value> {
        match self.items.map(|key| &self.document[key]) {
            Some(Value::Array(items)) => items.iter().collect(),
            _ => vec![&self.document],
        }
    }

    /// As a table: the items with their names, or the document as the one row.
    pub(crate) fn rows<'r>(&'r self) -> (Vec<&'r str>, Vec<Vec<&'r Value>>) {
        let items = self.lines();
        if let Some(columns) = self.document["columns"].as_array() {
            // Rows that are lists have their columns beside them.
            let names = columns.iter().filter_map(|column| column["name"].as_str()).collect();
            return (names, items.iter().filter_map(|row| row.as_array()).map(|row| row.iter().collect()).collect());
        }
        let objects: Vec<_> = items.iter().filter_map(|item| item.as_object()).collect();
        let names = objects.iter().flat_map(|object| object.keys()).map(String::as_str);
        let names: BTreeSet<_> = names.filter(|name| *name != "schema").collect();
        let row = |object: &&'r Map<String, Value>| {
            names.iter().map(|name| object.get(*name).unwrap_or(&Value::Null)).collect()
        };
        let rows = objects.iter().map(row).collect();
        (names.into_iter().collect(), rows)
    }

    /// Nothing to write: all of it was written as it came.
    pub(crate) fn nothing() -> Self {
        Self::new(Value::Null, "")
    }
}

/// Columns that line up, two spaces apart, without borders. A very long cell moves only what is behind it.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    const WIDEST: usize = 200;
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let widths = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        widths.filter(|width| *width <= WIDEST).max()
    };
    let widths: Vec<_> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A JSON value in a cell: text as it is, everything else as JSON.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect(),
        other => other.to_string(),
    }
}
