//! Recordings: transactions out of a log, with the state before them, so that they can be done again elsewhere and compared.
//!
//! A recording is JSON that people read and edit: what a transaction is to come to is what was recorded, until somebody says that it was
//! wrong. It is about one module and those that it imports; of other modules it knows nothing.
//!
//! 1. A [`Recorder`] begins at the state before the first transaction, follows the log, and says what a recording cannot hold (`make`).
//!    If there are many rows it keeps only those that the transactions look at (`touched`).
//! 2. An engine in which the modules are published is put where the recording begins: its rows, sequences, schedules, owners, and the
//!    offset, so that what runs there sees the offsets of then ([`Recording::state`]).
//! 3. What caused each transaction happens again, at its time, with its random bytes, in its order, and is compared: how it ended, what
//!    it answered, each row that it touched (`reproduce`).

mod make;
mod print;
mod reproduce;
mod row;
mod state;
mod text;
mod touched;

pub use make::{Recorder, RecorderError};
pub use reproduce::{Came, Difference, filler};

use interstice_types::id::{Identity, Offset, ScheduleId};
use interstice_types::problem::Problem;
use interstice_types::time::Timestamp;
use interstice_types::transaction::ScheduleAction;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use text::Text;

/// What is said in `schema`.
const SCHEMA: &str = "interstice.recording/v1";
/// Offsets between the first and the last transaction of a recording.
pub const MAX_SPAN: u64 = 10_000;
/// Rows that a recording has of the state before.
pub const MAX_ROWS: usize = 10_000;

/// Transactions, and the state before them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    schema: String,
    /// The first offset.
    from: Text<Offset>,
    /// The one behind the last.
    to: Text<Offset>,
    /// The module that it is about.
    module: String,
    /// Who published each module first.
    #[serde(default)]
    owners: BTreeMap<String, Text<Identity>>,
    /// By `module.table`.
    #[serde(default)]
    tables: BTreeMap<String, TableState>,
    /// What is still to run.
    #[serde(default)]
    schedules: Vec<Json>,
    transactions: Vec<Recorded>,
}

/// A table before the first transaction.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableState {
    /// By column, the value that comes next.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sequences: BTreeMap<String, Text<u64>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rows: Vec<Json>,
}

/// A transaction: what caused it, and what it is to come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    offset: Text<Offset>,
    time: Text<Timestamp>,
    seed: Text<[u8; 16]>,
    cause: Kind,
    /// `module.function`, of a call, an event, a schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    function: Option<String>,
    /// Of a call: an object by name, or a list in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    args: Option<Json>,
    /// Of a call, a connection, a control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    caller: Option<Text<Identity>>,
    /// Of an event, the transaction that raised it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<Text<Offset>>,
    /// Of a schedule, the time that it runs for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<Text<Timestamp>>,
    /// Of a connection that begins or ends, its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connection: Option<Text<u64>>,
    /// Of a control, what is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action: Option<ScheduleAction>,
    /// Of a control, with which schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schedule: Option<Text<ScheduleId>>,
    outcome: Ended,
    /// What it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Json>,
    /// Why it failed: `code` and `data` are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    problem: Option<ExpectedProblem>,
    /// Rows, in the order in which they were changed.
    #[serde(default)]
    changes: Vec<RowChange>,
}

/// What causes a transaction that can be done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Call,
    Event,
    Schedule,
    Connect,
    Disconnect,
    Control,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ended {
    Ok,
    Rejected,
    Trapped,
}

/// Why something is to fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedProblem {
    code: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Json>,
}

/// What becomes of a row: one of the three.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RowChange {
    /// `module.table`
    table: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    insert: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    update: Option<Update>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delete: Option<Json>,
}

/// A row that becomes another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    /// For people.
    #[serde(default)]
    old: Json,
    new: Json,
}

impl Recording {
    /// Reads what [`text`](Self::text) wrote, and people edited.
    ///
    /// # Errors
    /// `invalid-recording`.
    pub fn read(text: &str) -> Result<Self, Problem> {
        let wrong = |error: serde_json::Error| invalid(error.to_string());
        // Another version may have other fields: it is looked at first.
        let document: Json = serde_json::from_str(text).map_err(wrong)?;
        if document["schema"] != SCHEMA {
            return Err(invalid(format!("`schema` is {}, not `{SCHEMA}`", document["schema"])));
        }
        let this: Self = serde_json::from_str(text).map_err(wrong)?;
        this.check().map(|()| this)
    }

    /// Its JSON, for files.
    pub fn text(&self) -> String {
        print::pretty(&serde_json::to_value(self).expect("invariant: a recording has a JSON form"))
    }

    /// The transactions, in order.
    pub fn transactions(&self) -> &[Recorded] {
        &self.transactions
    }

    /// The module that it is about.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// Rows of the state before.
    pub fn row_count(&self) -> usize {
        self.tables.values().map(|table| table.rows.len()).sum()
    }

    fn check(&self) -> Result<(), Problem> {
        let (from, to) = (self.from.0, self.to.0);
        if from == 0 || to < from || to - from > MAX_SPAN {
            return Err(invalid(format!("a recording is not from {from} to {to}: it has at most {MAX_SPAN} offsets")));
        }
        let (mut least, mut earliest) = (from, Timestamp(i64::MIN));
        for recorded in &self.transactions {
            let (offset, time) = (recorded.offset.0, recorded.time.0);
            if offset < least || offset >= to {
                return Err(invalid(format!("offset {offset} is not in order between {from} and {to}")));
            }
            if time < earliest {
                return Err(recorded.wrong(format!("its time, {time}, is before that of the transaction before it")));
            }
            (least, earliest) = (offset + 1, time);
            recorded.check()?;
        }
        Ok(())
    }
}

impl Recorded {
    /// Its offset.
    pub fn offset(&self) -> Offset {
        self.offset.0
    }

    /// Its time.
    pub fn time(&self) -> Timestamp {
        self.time.0
    }

    /// Whether what its cause needs is there.
    fn check(&self) -> Result<(), Problem> {
        let (function, caller) = (("function", self.function.is_some()), ("caller", self.caller.is_some()));
        let connection = ("connection", self.connection.is_some());
        let needed = match self.cause {
            Kind::Call => vec![function, ("args", self.args.is_some()), caller],
            Kind::Event => vec![function, ("of", self.of.is_some())],
            Kind::Schedule => vec![function, ("due", self.due.is_some())],
            Kind::Connect => vec![caller, connection],
            Kind::Disconnect => vec![connection],
            Kind::Control => vec![("action", self.action.is_some()), ("schedule", self.schedule.is_some()), caller],
        };
        match needed.into_iter().find(|(_, is_there)| !is_there) {
            Some((name, _)) => Err(self.wrong(format!("`{name}` is missing"))),
            None => Ok(()),
        }
    }

    /// Something about it makes no sense.
    fn wrong(&self, text: impl Into<String>) -> Problem {
        invalid(text).at(self.place())
    }

    fn place(&self) -> String {
        format!("offset {} ({})", self.offset.0, self.name())
    }

    /// What ran, for people: `module.function`, or the kind of the cause.
    pub fn name(&self) -> String {
        let connection = || self.connection.map(|number| format!(" {}", number.0)).unwrap_or_default();
        match (&self.function, self.cause) {
            (Some(function), _) => function.clone(),
            (None, Kind::Connect) => format!("connect{}", connection()),
            (None, Kind::Disconnect) => format!("disconnect{}", connection()),
            (None, _) => "control".to_owned(),
        }
    }
}

fn invalid(text: impl Into<String>) -> Problem {
    Problem::new("invalid-recording", text)
}
