//! Snapshots as they are shown.

use super::{Shape, as_text};
use interstice_types::id::Offset;
use serde::{Deserialize, Serialize};

/// The snapshots of a node or a data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotList {
    /// Whether none of them is damaged.
    pub ok: bool,
    /// The oldest first.
    pub snapshots: Vec<SnapshotFound>,
}

/// One snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotFound {
    /// The count of offsets that it stands for.
    #[serde(with = "as_text")]
    pub next_offset: Offset,
    /// The time of its last transaction; `None` if it cannot be read.
    pub time: Option<String>,
    /// Rows in it.
    pub rows: u64,
    /// Bytes of its file.
    pub bytes: u64,
    /// Whether nothing is wrong with what was looked at.
    pub ok: bool,
    /// What is wrong.
    pub fault: Option<String>,
}

/// What came of asking for a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotBuilt {
    /// Whether there is one now that was not there before; if not, the newest stood at the end of the log already.
    pub created: bool,
    /// The count of offsets that it stands for.
    #[serde(with = "as_text")]
    pub next_offset: Offset,
    /// Rows in it.
    pub rows: u64,
    /// Bytes of its file.
    pub bytes: u64,
    /// Transactions that were folded into it.
    pub folded: u64,
}

impl Shape for SnapshotList {
    const NAME: &'static str = "interstice.snapshots/v1";
}

impl Shape for SnapshotBuilt {
    const NAME: &'static str = "interstice.snapshot/v1";
}
