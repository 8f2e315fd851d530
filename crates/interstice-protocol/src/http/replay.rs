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

/// The changes of a row, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowHistory {
    /// Each with `offset`, `time`, `cause`, `caller`, `old` and `new` (`null` where there was no row), and where there are such
    /// `function`, `args`, `module`, `event`.
    pub entries: Vec<Json>,
    /// Whether there are older ones.
    pub more: bool,
}
