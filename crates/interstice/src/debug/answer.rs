//! What the debugger shows: data, before anyone decides how it looks.

use super::breakpoint::Breakpoint;
use super::calls::{Calls, RerunVerdict};
use crate::history::describe::{complete, tell_change};
use crate::history::names::{self, Tables};
use crate::history::row::call_text;
use interstice_engine::engine::Engine;
use interstice_engine::execution::LogLine;
use interstice_types::change::Change;
use interstice_types::id::Offset;
use interstice_types::row::RowBytes;
use interstice_types::transaction::Transaction;
use interstice_types::ty::Field;
use serde::Serialize;
use serde_json::Value as Json;
use std::sync::Arc;

/// What comes of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Where it is now.
    Moved(Moved),
    /// A breakpoint was set, or taken away.
    Breakpoint(u32, Breakpoint),
    /// Those that are set.
    Breakpoints(Vec<(u32, Breakpoint)>),
    /// Why a transaction happened, and how it ended.
    Cause(Json),
    /// What it changed.
    Changes(Vec<Changed>),
    /// What it did when it ran again.
    Calls(Calls),
    /// What its functions logged when it ran again.
    Logs(Vec<LogLine>, RerunVerdict),
    /// Tables, and how many rows they have.
    Tables(Vec<(String, usize)>),
    /// Rows.
    Rows(Rows),
    /// What can be said.
    Help,
}

/// Where the debugger is, and why there.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// The transaction.
    pub at: Brief,
    /// Why it went no further.
    pub stopped: Stopped,
}

/// Why a walk ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// It is where it was to go.
    Arrived,
    /// These breakpoints stop there.
    Breakpoints(Vec<(u32, Breakpoint)>),
    /// There is nothing before it.
    First,
    /// There is nothing behind it.
    Last,
    /// Whoever waited did not any more.
    Interrupted,
}

impl Stopped {
    /// Its kebab-case name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Arrived => "arrived",
            Self::Breakpoints(_) => "breakpoint",
            Self::First => "first",
            Self::Last => "last",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A transaction in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Brief {
    /// Its offset.
    pub offset: String,
    /// Its time.
    pub time: String,
    /// What kind of cause it has.
    pub cause: &'static str,
    /// What ran, as it was called.
    pub call: String,
    /// How it ended.
    pub outcome: &'static str,
    /// Changes of rows.
    pub rows: usize,
    /// Who caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
}

impl Brief {
    pub(super) fn of(transaction: &Transaction, before: &Engine) -> Self {
        let is_row =
            |change: &&Change| matches!(change, Change::Insert { .. } | Change::Update { .. } | Change::Delete { .. });
        Self {
            offset: transaction.offset.to_string(),
            time: transaction.time.to_string(),
            cause: transaction.cause.name(),
            call: call_text(transaction, before),
            outcome: transaction.outcome.name(),
            rows: transaction.changes.iter().filter(is_row).count(),
            caller: names::caller(transaction, before).map(|caller| caller.to_string()),
        }
    }
}

/// A change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed {
    /// `module.table`.
    pub table: String,
    /// `insert`, `update`, `delete`, `sequence`, `create`, `alter`, `clear`, `drop`.
    pub change: &'static str,
    /// The primary key of the row, if it is about one; of several columns a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Json>,
    /// The columns that it is about: all of a row that came or went, else those that became others.
    pub columns: Vec<ChangedColumn>,
}

/// What became of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedColumn {
    /// Its name.
    pub name: String,
    /// What it was; `None` if there was no row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Json>,
    /// What it is; `None` if there is no row any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Json>,
}

const KINDS: [&str; 8] = ["insert", "update", "delete", "sequence", "create", "alter", "clear", "drop"];

impl Changed {
    /// What `transaction` changed, which was made on `before`.
    pub(super) fn all(transaction: &Transaction, before: &Engine) -> Vec<Self> {
        let (changes, after) = complete(transaction, before);
        let tables = Tables::of(transaction, before);
        let tell = |change| {
            let told = tell_change(change, [before.store(), &after]);
            let table = tables.get(change.table());
            let columns = table.map(|table| table.schema().columns.as_slice()).unwrap_or_default();
            let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
            let key = table.map(|table| table.schema().primary_key.as_slice()).unwrap_or_default();
            Self::of(&told, &names, key)
        };
        changes.iter().map(tell).collect()
    }

    /// Of a change as it is told of; `names` are the columns of its table, `key` the numbers of those of its primary key.
    fn of(told: &Json, names: &[&str], key: &[u16]) -> Self {
        let change =
            KINDS.into_iter().find(|kind| told.get(*kind).is_some()).expect("invariant: a change is of a kind");
        let what = &told[change];
        let (old, new) = match change {
            "insert" => (None, Some(what)),
            "delete" => (Some(what), None),
            "update" => (Some(&what["old"]), Some(&what["new"])),
            _ => (None, None),
        };
        let (old, new) = (old.filter(|row| row.is_object()), new.filter(|row| row.is_object()));
        let value = |row: Option<&Json>, name: &str| row.and_then(|row| row.get(name)).cloned();
        let column = |name: &&str| {
            let (old, new) = (value(old, name), value(new, name));
            (old != new).then(|| ChangedColumn { name: (*name).to_owned(), old, new })
        };
        let mut columns: Vec<_> = names.iter().filter_map(column).collect();
        if change == "sequence" {
            let name = what["column"].as_str().unwrap_or_default().to_owned();
            columns.push(ChangedColumn { name, old: None, new: what.get("next").cloned() });
        }
        let mut key: Vec<_> =
            key.iter().filter_map(|column| value(new.or(old), names.get(usize::from(*column))?)).collect();
        let key = match key.len() {
            0 => None,
            1 => Some(key.remove(0)),
            _ => Some(Json::Array(key)),
        };
        Self { table: told["table"].as_str().unwrap_or_default().to_owned(), change, key, columns }
    }
}

/// Rows of a table, or of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// The transaction behind which they are.
    pub offset: Offset,
    /// The columns.
    pub fields: Arc<[Field]>,
    /// The rows: one value after the other, as the columns are.
    pub rows: Vec<RowBytes>,
    /// How many more there are.
    pub more: usize,
}
