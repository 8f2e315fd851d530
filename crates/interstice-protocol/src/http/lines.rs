//! Lines that functions logged.

use super::{Shape, as_text};
use interstice_types::id::Offset;
use serde::{Deserialize, Serialize};

/// Which lines are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LineSelection {
    /// From the line with this number on.
    pub from: u64,
    /// If there is none yet, how long to wait for one, in milliseconds; ten seconds at most.
    pub wait: u64,
}

/// Lines that a node keeps in memory, the oldest first; all of them or [`MAX_PAGE_COUNT`](crate::limits::MAX_PAGE_COUNT).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    /// Those that were asked for and are kept.
    pub lines: Vec<LineFound>,
    /// The number of the one behind the last of them.
    #[serde(with = "as_text")]
    pub next: u64,
    /// Of the transactions from this offset on all lines are kept.
    #[serde(with = "as_text")]
    pub kept_from: Offset,
}

/// A line that a function logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineFound {
    /// The transaction; `None` of a call that is in no log: it was refused, or changed nothing there.
    pub offset: Option<String>,
    /// When the transaction was made, or the call was answered; RFC 3339.
    pub time: String,
    /// The module that logged it.
    pub module: String,
    /// The function of it that ran.
    pub function: String,
    /// `error`, `warn`, `info` or `debug`.
    pub level: String,
    /// What it says.
    pub text: String,
    /// `ok`, `rejected` or `trapped`, as the transaction ended; `refused` of a call that there is no transaction of.
    pub outcome: String,
    /// The code of what it ended with, where that is known.
    pub code: Option<String>,
    /// Whether what the function wrote was undone.
    pub undone: bool,
    /// `node` if it was kept since the function logged it, `rerun` if the transaction was run again for it.
    pub source: String,
}

impl Shape for Lines {
    const NAME: &'static str = "interstice.lines/v1";
}
