//! HTTP: routes, and the JSON shapes of what goes over them, each in an envelope with a versioned name.

mod backup;
mod lines;
mod log;
mod publish;
mod replay;
mod schedules;
mod snapshots;

pub use backup::{BackupSource, EndListed, SegmentListed, SnapshotListed};
pub use lines::{LineFound, LineSelection, Lines};
pub use log::{Failed, FaultFound, FunctionCounted, LogStats, LogVerified, PartCounted, SegmentVerified};
pub use publish::{DifferenceLine, PublishPlan, Published, TableStep};
pub use replay::{
    DivergenceFound, FunctionWhatIf, HostCallsFound, IncomparableFound, ReplayChecked, RowHistory, RowWhatIf,
    TableWhatIf, TransactionWhatIf, WhatIfFound,
};
pub use schedules::{ScheduleControlled, ScheduleFound, ScheduleList, ScheduleSelection};
pub use snapshots::{SnapshotBuilt, SnapshotFound, SnapshotList};

use crate::receipt::{Receipt, Standing};
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use interstice_types::ty::Field;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The header that names a local development identity.
pub const AS_HEADER: &str = "x-interstice-as";
/// The header that presents a [`Receipt`], as in `LINEAGE:OFFSET:CHAIN`: what follows is done only if the node has its history.
pub const RECEIPT_HEADER: &str = "interstice-receipt";
/// The identity of a caller that names none.
pub const DEFAULT_NAME: &str = "owner";

/// The paths of a node.
pub mod route {
    /// [`Health`](super::Health)
    pub const HEALTH: &str = "/v1/health";
    /// [`Status`](super::Status)
    pub const STATUS: &str = "/v1/status";
    /// Numbers of the node, as Prometheus reads them.
    pub const METRICS: &str = "/metrics";
    /// The WebSocket.
    pub const SOCKET: &str = "/v1/socket";
    /// POST an artefact, get [`Published`](super::Published); with `?dry_run=true` [`PublishPlan`](super::PublishPlan), and nothing
    /// is changed; with `?break=true` data may go that the new version has no place for.
    pub const PUBLISH: &str = "/v1/publish";
    /// [`Modules`](super::Modules)
    pub const MODULES: &str = "/v1/modules";
    /// [`SchemaOf`](super::SchemaOf), behind it `/{module}`.
    pub const SCHEMA: &str = "/v1/schema";
    /// POST arguments, get [`Called`](super::Called), behind it `/{module}/{reducer}`.
    pub const CALL: &str = "/v1/call";
    /// POST arguments, get [`Answer`](super::Answer), behind it `/{module}/{query}`.
    pub const QUERY: &str = "/v1/query";
    /// POST [`SqlRequest`](super::SqlRequest), get [`RowSet`](super::RowSet).
    pub const SQL: &str = "/v1/sql";
    /// POST [`SqlRequest`](super::SqlRequest), get [`Explained`](super::Explained).
    pub const SQL_EXPLAIN: &str = "/v1/sql/explain";
    /// [`RowSet`](super::RowSet), behind it `/{module}/{table}`.
    pub const ROWS: &str = "/v1/rows";
    /// POST a [`Receipt`](crate::receipt::Receipt), get [`ReceiptChecked`](super::ReceiptChecked).
    pub const RECEIPT: &str = "/v1/receipt";
    /// One JSON object a line for each transaction that the parameters select; where that fails on the way,
    /// [`Failed`](super::Failed) on the last line.
    pub const LOG_DUMP: &str = "/v1/log/dump";
    /// [`LogStats`](super::LogStats) of the transactions that the parameters select.
    pub const LOG_STATS: &str = "/v1/log/stats";
    /// [`Lines`](super::Lines) that functions logged, as a [`LineSelection`](super::LineSelection) asks for.
    pub const LINES: &str = "/v1/lines";
    /// [`LogVerified`](super::LogVerified)
    pub const LOG_VERIFY: &str = "/v1/log/verify";
    /// GET [`SnapshotList`](super::SnapshotList); POST nothing, get [`SnapshotBuilt`](super::SnapshotBuilt).
    pub const SNAPSHOTS: &str = "/v1/snapshots";
    /// [`SnapshotList`](super::SnapshotList), every byte looked at.
    pub const SNAPSHOTS_VERIFY: &str = "/v1/snapshots/verify";
    /// [`ScheduleList`](super::ScheduleList) of those that a [`ScheduleSelection`](super::ScheduleSelection) asks for; POST nothing behind
    /// it to `/{id}/run`, `/{id}/pause`, `/{id}/resume` or `/{id}/cancel`, get [`ScheduleControlled`](super::ScheduleControlled).
    pub const SCHEDULES: &str = "/v1/schedules";
    /// [`BackupSource`](super::BackupSource)
    pub const BACKUP: &str = "/v1/backup";
    /// Bytes of a segment's file, behind it `/{name}?from=BYTE&size=BYTES`: at most
    /// [`MAX_PIECE_SIZE`](crate::limits::MAX_PIECE_SIZE), and only what is durable.
    pub const BACKUP_LOG: &str = "/v1/backup/log";
    /// Bytes of a snapshot's file, behind it `/{name}?from=BYTE&size=BYTES`.
    pub const BACKUP_SNAPSHOTS: &str = "/v1/backup/snapshots";
    /// GET with `/{module}/{table}` and `?key=…&limit=…`, get [`RowHistory`](super::RowHistory).
    pub const HISTORY: &str = "/v1/history";
    /// POST nothing, get [`ReplayChecked`](super::ReplayChecked).
    pub const REPLAY_CHECK: &str = "/v1/replay/check";
}

/// A shape of JSON with a versioned name.
pub trait Shape: Serialize {
    /// As in `interstice.call/v1`.
    const NAME: &'static str;
}

/// A shape in its envelope: the name stands beside its fields as `schema`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// The versioned name.
    pub schema: Cow<'static, str>,
    /// The fields.
    #[serde(flatten)]
    pub body: T,
}

impl<T: Shape> Envelope<T> {
    /// `body` under its name.
    pub fn new(body: T) -> Self {
        Self { schema: Cow::Borrowed(T::NAME), body }
    }
}

/// A `u64` as a JSON string: JavaScript's numbers end at 2⁵³.
pub mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the digits.
    ///
    /// # Errors
    /// What the serializer says.
    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// Reads the digits.
    ///
    /// # Errors
    /// If they are none.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| serde::de::Error::custom("a number as a string is needed"))
    }
}

/// What a call did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Called {
    /// The transaction; of a call that changed nothing that is in the log, the newest one.
    #[serde(with = "as_text")]
    pub offset: Offset,
    /// The function's answer.
    pub value: Json,
    /// Rows changed, by `module.table`.
    pub changes: BTreeMap<String, ChangeCounts>,
    /// Proves which history it stands in. None before the node has committed something since its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// Rows of a table that a transaction changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChangeCounts {
    /// Rows that are new.
    pub insert: u64,
    /// Rows that are otherwise.
    pub update: u64,
    /// Rows that are gone.
    pub delete: u64,
}

/// The answer of a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The newest transaction that it saw.
    #[serde(with = "as_text")]
    pub offset: Offset,
    /// The answer.
    pub value: Json,
}

/// A question in SQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlRequest {
    /// One `SELECT`.
    pub sql: String,
    /// A moment of history, if it is not asked of now: an offset, whose transaction is included, or a time as RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// Rows under their columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowSet {
    /// The newest transaction that they include.
    #[serde(with = "as_text")]
    pub offset: Offset,
    /// Names and types.
    pub columns: Vec<Field>,
    /// Each as many values as there are columns.
    pub rows: Vec<Vec<Json>>,
}

/// How a `SELECT` is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// The newest transaction that it saw.
    #[serde(with = "as_text")]
    pub offset: Offset,
    /// What serves it: `primary key`, or `index` and its name.
    pub index: String,
    /// What its keys are held to, as `room =` and `seq in a range`; nothing if all of them are walked.
    pub keys: Vec<String>,
    /// Whether they are walked backwards.
    pub backwards: bool,
    /// What is left to look at in each row, as SQL; `null` if nothing is.
    pub filter: Option<String>,
    /// What rows are sorted by afterwards.
    pub sorted_by: Vec<String>,
    /// Rows that were looked at.
    pub examined: u64,
    /// Rows that came out.
    pub returned: u64,
}

/// That a receipt is not contradicted. One that is, is `history-diverged`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptChecked {
    /// What the history says of it.
    pub standing: Standing,
}

/// The modules in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modules {
    /// In name order.
    pub modules: Vec<ModuleSummary>,
}

/// A module in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleSummary {
    /// Its name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// The transaction that brought it in force.
    #[serde(with = "as_text")]
    pub published_at: Offset,
    /// BLAKE3 of the artefact, hex.
    pub artefact: String,
    /// How many tables it has.
    pub tables: usize,
    /// How many functions it has.
    pub functions: usize,
    /// Whether it can be called here.
    pub loaded: bool,
}

/// What a module declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaOf {
    /// All of it.
    pub module: Schema,
}

/// That a node is there and answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Always true: a node that has failed does not answer.
    pub ok: bool,
    /// The node's id, hex.
    pub node: String,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its id, hex.
    pub node: String,
    /// The version of the software.
    pub version: String,
    /// The history that its log holds, hex.
    pub lineage: String,
    /// The chain hash of the newest durable frame, hex.
    pub head: String,
    /// Transactions that are durable.
    #[serde(with = "as_text")]
    pub durable: Offset,
    /// Transactions that were made.
    #[serde(with = "as_text")]
    pub offset: Offset,
    /// Modules in force.
    pub modules: usize,
    /// Events still to be delivered.
    pub pending_events: usize,
    /// Open WebSockets.
    pub sessions: usize,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// Where the data are; `None` in memory.
    pub data: Option<String>,
    /// The count of offsets of the newest snapshot.
    pub snapshot: Option<Offset>,
    /// What the last scrub did; `None` before the first.
    pub scrub: Option<ScrubDone>,
    /// What running transactions again came to; `None` if the node does not.
    #[serde(default)]
    pub verify: Option<Verified>,
    /// What fails without stopping the node.
    pub alarms: Vec<Problem>,
    /// Why nothing is written for now; `None` if everything is.
    pub read_only: Option<String>,
}

/// A scrub: every byte of the log and the snapshots was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubDone {
    /// When it was done.
    pub at: String,
    /// Segments and snapshots that were read.
    pub files: usize,
    /// Bytes that were read.
    pub bytes: u64,
    /// What was found to be wrong.
    pub faults: usize,
}

/// Transactions that were run again beside the node since its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// One of so many is.
    pub share: u64,
    /// Run again, or seen to be not comparable.
    pub checked: u64,
    /// Not looked at, for too many waited.
    pub skipped: u64,
    /// Came out otherwise: the last one is among the alarms.
    pub divergent: u64,
}

macro_rules! shapes {
    ($($shape:ty => $name:literal,)*) => {
        $(impl Shape for $shape {
            const NAME: &'static str = $name;
        })*
    };
}

shapes! {
    Called => "interstice.call/v1",
    Answer => "interstice.value/v1",
    RowSet => "interstice.rows/v1",
    Explained => "interstice.explain/v1",
    Published => "interstice.publish/v1",
    PublishPlan => "interstice.publish-plan/v1",
    ReceiptChecked => "interstice.receipt/v1",
    Modules => "interstice.modules/v1",
    SchemaOf => "interstice.schema/v1",
    Health => "interstice.health/v1",
    Status => "interstice.status/v1",
    LogVerified => "interstice.log-verify/v1",
    LogStats => "interstice.log-stats/v1",
    Failed => "interstice.error/v1",
    RowHistory => "interstice.history/v1",
    ReplayChecked => "interstice.replay-check/v1",
    WhatIfFound => "interstice.what-if/v1",
}

/// The HTTP status of a problem. What is not known here is a module's own: it understood, and said no.
pub fn status_of(problem: &Problem) -> u16 {
    match &*problem.code {
        "invalid-message" | "invalid-arguments" | "wrong-kind" | "invalid-wasm" | "invalid-schema"
        | "unknown-import" | "missing-export" | "missing-schema" | "invalid-sql" | "unsupported-sql"
        | "invalid-literal" | "types-differ" | "invalid-selection" | "statement-too-long" | "not-subscribable"
        | "result-too-large" | "invalid-moment" => 400,
        "unknown-module" | "unknown-function" | "unknown-table" | "unknown-column" | "unknown-field"
        | "unknown-variant" | "unknown-route" | "unknown-schedule" | "unknown-offset" | "trimmed" => 404,
        "not-allowed" => 403,
        "method-not-allowed" => 405,
        "duplicate-key" | "no-such-row" | "no-such-referent" | "still-referenced" | "check-failed"
        | "events-pending" | "schema-changed" | "breaks-importers" | "no-migration-path" | "destructive"
        | "migration-failed" | "does-not-convert" | "schedule-paused" | "declared-schedule" | "too-many-schedules"
        | "no-snapshots" | "history-diverged" => 409,
        "too-large" | "artefact-too-large" | "row-too-large" | "transaction-too-large" => 413,
        // The module's fault, and no answer of its own.
        "panic" | "trap" | "out-of-fuel" | "stack-overflow" | "call-depth" | "re-entered" | "not-permitted"
        | "undeclared-table" | "undeclared-call" | "out-of-bounds" | "invalid-answer" | "invalid-pointer"
        | "too-many-scans" | "invalid-scan" | "invalid-filter" | "unreadable-log" | "snapshot-failed" => 500,
        "unknown" | "unavailable" | "overloaded" | "disk-full" | "read-only" | "module-unavailable" | "host-fault" => {
            503
        }
        _ => 422,
    }
}
