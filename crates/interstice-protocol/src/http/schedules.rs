//! Schedules as they are shown, and what was done with one.

use super::{Shape, as_text};
use crate::receipt::Receipt;
use interstice_types::id::Offset;
use interstice_types::transaction::ScheduleAction;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Which schedules are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleSelection {
    /// Only those of this module.
    pub module: Option<String>,
    /// So many at most: there may be millions.
    pub limit: usize,
}

impl Default for ScheduleSelection {
    fn default() -> Self {
        Self { module: None, limit: 1_000 }
    }
}

/// Schedules that have still to run, the next first; those that are paused last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleList {
    /// How many the node has, shown here or not.
    pub total: u64,
    /// Those that were asked for.
    pub schedules: Vec<ScheduleFound>,
}

/// One schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleFound {
    /// Its number.
    #[serde(with = "as_text")]
    pub id: u64,
    /// The module whose reducer runs.
    pub module: String,
    /// The reducer.
    pub function: String,
    /// Its arguments by name; hex of their bytes, where the reducer is gone or takes others.
    pub args: Json,
    /// When it runs next, RFC 3339.
    pub due: String,
    /// When it runs again, as in `every 5m`; `None` if it runs once.
    pub times: Option<String>,
    /// Whether it waits until somebody resumes it.
    pub paused: bool,
}

/// What was done with a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleControlled {
    /// The transaction.
    #[serde(with = "as_text")]
    pub offset: Offset,
    /// The schedule.
    #[serde(with = "as_text")]
    pub schedule: u64,
    /// What.
    pub action: ScheduleAction,
    /// Proves which history the transaction stands in.
    pub receipt: Receipt,
}

impl Shape for ScheduleList {
    const NAME: &'static str = "interstice.schedules/v1";
}

impl Shape for ScheduleControlled {
    const NAME: &'static str = "interstice.schedule/v1";
}
