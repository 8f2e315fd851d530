//! A recording of a stretch of a log, for a test.

use crate::check::{CheckError, Scope, begin};
use crate::history::row::call_text;
use crate::opened::Start;
use interstice_engine::recording::{Recorder, RecorderError, Recording};
use interstice_log::log::CommitLog;
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use std::sync::Arc;

/// A recording, and what it was made of.
#[derive(Debug)]
pub struct RecordedStretch {
    /// The recording: it comes out as it was recorded.
    pub recording: Recording,
    /// What its modules declared, each behind those that it imports.
    pub schemas: Vec<Arc<Schema>>,
    /// A line for each transaction, as in `4 bank.transfer(from=1, to=2, amount=20)`.
    pub lines: Vec<String>,
    /// How many transactions of other modules are left out.
    pub left_out: usize,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The log cannot be gone through.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// A recording cannot hold what is asked for.
    #[error("{0}")]
    Refused(Box<Problem>),
}

impl From<RecorderError> for RecordError {
    fn from(error: RecorderError) -> Self {
        match error {
            RecorderError::Recorded(error) => Self::Check(error.into()),
            RecorderError::Refused(problem) => Self::Refused(problem),
        }
    }
}

impl From<Problem> for RecordError {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

/// Records what happened in `module` and those that it imports, from the state at `start` on; what was before `scope` is applied.
///
/// # Errors
/// [`RecordError`].
pub fn record<L: CommitLog>(log: &L, start: Start, scope: Scope, module: &str) -> Result<RecordedStretch, RecordError> {
    let (engine, transactions) = begin(log, start, scope)?;
    let mut recorder = Recorder::new(engine, module)?;
    let (schemas, mut lines, mut left_out) = (recorder.schemas(), Vec::new(), 0);
    for transaction in transactions {
        let transaction = transaction.map_err(CheckError::from)?;
        let line = format!("{} {}", transaction.offset, call_text(&transaction, recorder.engine()));
        if recorder.follow(&transaction)? {
            lines.push(line);
        } else {
            left_out += 1;
        }
    }
    Ok(RecordedStretch { recording: recorder.finish()?, schemas, lines, left_out })
}
