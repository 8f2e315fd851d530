//! The log as it is shown: verified, counted.

use super::{ChangeCounts, as_text};
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the selected transactions of a log are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStats {
    /// How many.
    #[serde(with = "as_text")]
    pub transactions: u64,
    /// The first of them; `None` if there is none.
    pub first_offset: Option<String>,
    /// The last of them.
    pub last_offset: Option<String>,
    /// When the first one was.
    pub first_time: Option<String>,
    /// When the last one was.
    pub last_time: Option<String>,
    /// How many by their cause.
    pub causes: BTreeMap<String, u64>,
    /// By name.
    pub functions: Vec<FunctionCounted>,
    /// Rows changed, by `module.table`.
    pub tables: BTreeMap<String, ChangeCounts>,
    /// Bytes of the records.
    pub bytes: u64,
    /// Where they go, in the order in which the parts stand in a record.
    pub parts: Vec<PartCounted>,
    /// All frames that were walked over, whichever transactions were selected, by kind.
    pub frames: BTreeMap<String, u64>,
    /// Bytes of those frames.
    pub frame_bytes: u64,
    /// Bytes of records in them.
    pub payload_bytes: u64,
}

/// What a function did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionCounted {
    /// `module.function`
    pub function: String,
    /// Transactions that ended well.
    pub ok: u64,
    /// That were rejected.
    pub rejected: u64,
    /// That broke.
    pub trapped: u64,
    /// Fuel, all together.
    #[serde(with = "as_text")]
    pub fuel: u64,
    /// Host calls, all together.
    #[serde(with = "as_text")]
    pub host_calls: u64,
    /// Bytes of records.
    pub bytes: u64,
}

/// Bytes of a part of all records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartCounted {
    /// What stands in it.
    pub part: String,
    /// How many.
    pub bytes: u64,
}

/// What went wrong, where a document or a line would stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// It.
    pub error: Problem,
}

/// What verifying the log found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogVerified {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// Transactions in the valid part.
    #[serde(with = "as_text")]
    pub transactions: u64,
    /// The chain hash of the last frame, hex.
    pub head: String,
    /// In order.
    pub segments: Vec<SegmentVerified>,
}

/// What was found in one segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentVerified {
    /// Its file.
    pub name: String,
    /// Its first transaction.
    #[serde(with = "as_text")]
    pub first_offset: Offset,
    /// Behind its last transaction.
    #[serde(with = "as_text")]
    pub next_offset: Offset,
    /// Whether it is complete.
    pub sealed: bool,
    /// Its size.
    pub bytes: u64,
    /// Whether nothing is wrong.
    pub ok: bool,
    /// Bytes at the end that were never acknowledged.
    pub torn_tail_bytes: u64,
    /// What is wrong.
    pub faults: Vec<FaultFound>,
    /// What is not wrong, but worth knowing.
    #[serde(default)]
    pub notices: Vec<String>,
}

/// Something wrong in a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultFound {
    /// `header`, `frame`, `order`, `seal` or `io`.
    pub kind: String,
    /// Where in the segment.
    pub byte: u64,
    /// The first transaction that it costs.
    #[serde(with = "as_text")]
    pub offset: Offset,
    /// What is wrong.
    pub evidence: String,
}
