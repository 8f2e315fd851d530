//! History as it is shown: run again, of a row.

use super::as_text;
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// What running the log again found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayChecked {
    /// Whether everything that can be compared came out as recorded.
    pub ok: bool,
    /// What ran the code of modules: `wasmtime`, as on a node, or `wasmi`, whose fuel is another and was not compared.
    pub engine: String,
    /// Transactions that ran again.
    #[serde(with = "as_text")]
    pub checked: u64,
    /// Versions of modules that ran.
    pub versions: u64,
    /// How many came out otherwise.
    pub divergent: u64,
    /// The first thousand of these.
    pub divergences: Vec<DivergenceFound>,
    /// How many cannot be compared.
    pub incomparable: u64,
    /// The first thousand of these.
    pub incomparables: Vec<IncomparableFound>,
}

/// A transaction that came out otherwise, by the first difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DivergenceFound {
    /// Which.
    #[serde(with = "as_text")]
    pub offset: Offset,
    /// `module.function`, or the kind of its cause.
    pub function: String,
    /// `cause`, `outcome`, `changes`, `sequence`, `host-calls`, `fuel` or `digest`.
    pub kind: String,
    /// `module.table`, if it is about one.
    pub table: Option<String>,
    /// The primary key of the row that it is about; of several columns a list.
    pub key: Option<Json>,
    /// The column.
    pub column: Option<String>,
    /// Between which host calls of the transaction it lies.
    pub host_calls: Option<HostCallsFound>,
    /// The instances in which it came out otherwise: `used`, which had run calls before, `fresh`, or `all`.
    pub instances: String,
    /// What is recorded.
    pub recorded: String,
    /// What came out.
    pub replayed: String,
    /// All of it in one line.
    pub text: String,
}

/// Host calls of a transaction, by number, from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCallsFound {
    /// The first one that may be it.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// What the first one is.
    pub name: String,
}

/// A transaction of which nothing can be said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncomparableFound {
    /// Which.
    #[serde(with = "as_text")]
    pub offset: Offset,
    /// `module.function`, or the kind of its cause.
    pub function: String,
    /// `ephemeral`: it saw rows that are in no log. `resource-limit`: one ended it. `module-unavailable`: its module cannot run here.
    pub reason: String,
    /// What limit it was, or why the module cannot run.
    pub problem: Option<Problem>,
}

/// What would have been otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WhatIfFound {
    /// Whether it would all have been the same.
    pub ok: bool,
    /// Transactions that would have been the same.
    #[serde(with = "as_text")]
    pub same: u64,
    /// Those that would not, with those of one history alone.
    #[serde(with = "as_text")]
    pub otherwise: u64,
    /// The same of each function, or kind of cause, by name.
    pub functions: Vec<FunctionWhatIf>,
    /// The first thousand that would not have been the same, in order.
    pub transactions: Vec<TransactionWhatIf>,
    /// Tables that differ at the end.
    pub tables: Vec<TableWhatIf>,
    /// What was not compared, and why.
    pub uncompared: Vec<String>,
}

/// What would have become of the transactions of a function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionWhatIf {
    /// `module.function`, or the kind of a cause.
    pub function: String,
    /// As recorded.
    pub same: u64,
    /// With other rows, or another ending.
    pub differs: u64,
    /// With rows that were others before.
    pub carried: u64,
    /// Left out as asked.
    pub dropped: u64,
    /// They would not have happened.
    pub missing: u64,
    /// They would have happened in addition.
    pub extra: u64,
    /// They saw rows that are in no log.
    pub incomparable: u64,
}

/// A transaction that would not have been the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransactionWhatIf {
    /// Which; of one that would have happened in addition, the recorded one before which it would have.
    #[serde(with = "as_text")]
    pub offset: Offset,
    /// `module.function`, or the kind of its cause.
    pub function: String,
    /// `differs`, `carried`, `dropped`, `missing`, `extra` or `incomparable`.
    pub way: String,
    /// How it ended, if it would have ended otherwise.
    pub recorded: Option<String>,
    /// How it would have ended.
    pub replayed: Option<String>,
    /// The first twenty rows that would be others behind it.
    pub rows: Vec<RowWhatIf>,
    /// How many there are.
    pub differences: u64,
    /// All of it in one line, with the first row.
    pub text: String,
}

/// A row that would be another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowWhatIf {
    /// `module.table`
    pub table: String,
    /// The primary key; of several columns a list.
    pub key: Json,
    /// The column; none if only one history has the row.
    pub column: Option<String>,
    /// The column, or the row, as recorded; `null` if there is no such row.
    pub recorded: Json,
    /// What there would be.
    pub replayed: Json,
    /// Whether it differed before already.
    pub carried: bool,
    /// All of it in one line.
    pub text: String,
}

/// A table that would be another one at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableWhatIf {
    /// `module.table`
    pub table: String,
    /// Rows that are only in the recorded history.
    pub only_recorded: u64,
    /// Rows that would be there in addition.
    pub only_replayed: u64,
    /// Rows with other values.
    pub changed: u64,
    /// The first differences; a thousand over all tables.
    pub rows: Vec<RowWhatIf>,
}

/// The changes of a row, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowHistory {
    /// Each with `offset`, `time`, `cause`, `caller`, `old` and `new` (`null` where there was no row), and where there are such
    /// `function`, `args`, `module`, `event`.
    pub entries: Vec<Json>,
    /// Whether there are older ones.
    pub more: bool,
}
