//! What a node has to be backed up: which files there are, and how much of each is durable.

use super::{Shape, as_text};
use interstice_types::id::Offset;
use serde::{Deserialize, Serialize};

/// The files of a node as they are now. Their bytes are asked for in pieces, by name: a segment's is its first offset, a snapshot's
/// its count of offsets, twenty digits, then `.log` or `.snapshot`. What was given up meanwhile is `trimmed`: the list is asked for
/// again then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSource {
    /// The id of the log, hex.
    pub log: String,
    /// In order; the last one is open.
    pub segments: Vec<SegmentListed>,
    /// Where the durable log ends.
    pub end: EndListed,
    /// In order of their offsets.
    pub snapshots: Vec<SnapshotListed>,
    /// The text of the node's settings, if it has a file of them.
    pub settings: Option<String>,
}

/// A segment, as its header says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentListed {
    /// The offset that its first transaction has.
    #[serde(with = "as_text")]
    pub first_offset: Offset,
    /// The number of its first frame.
    #[serde(with = "as_text")]
    pub first_frame: u64,
    /// The history that it belongs to, hex.
    pub lineage: String,
    /// The chain hash of the frame before, hex.
    pub chain: String,
    /// Seeds its checksums, hex.
    pub salt: String,
    /// Bytes of it that are given.
    pub bytes: u64,
}

/// Where a log ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndListed {
    /// The offset that the next transaction gets.
    #[serde(with = "as_text")]
    pub next_offset: Offset,
    /// The number that the next frame gets.
    #[serde(with = "as_text")]
    pub position: u64,
    /// The number of the last writer.
    #[serde(with = "as_text")]
    pub epoch: u64,
    /// The history, hex.
    pub lineage: String,
    /// The chain hash of the last frame, hex.
    pub chain: String,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotListed {
    /// The count of offsets that it stands for.
    #[serde(with = "as_text")]
    pub next_offset: Offset,
    /// Bytes of its file.
    pub bytes: u64,
}

impl Shape for BackupSource {
    const NAME: &'static str = "interstice.backup-source/v1";
}
