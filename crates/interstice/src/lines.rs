//! Lines that functions logged, made again: they are in no log, and running a transaction again logs them again.

use crate::check::{CheckError, Scope, begin};
use crate::opened::Start;
use interstice_engine::execution::LogLine;
use interstice_engine::rerun::Likeness;
use interstice_log::log::CommitLog;
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use interstice_types::time::Timestamp;
use interstice_types::transaction::Outcome;
use std::ops::ControlFlow;

/// What a transaction logged.
#[derive(Debug)]
pub struct Logged {
    /// Which.
    pub offset: Offset,
    /// When it was made.
    pub time: Timestamp,
    /// How it ended.
    pub outcome: &'static str,
    /// The code of what it ended with, if it failed.
    pub code: Option<String>,
    /// In order.
    pub lines: Vec<LogLine>,
    /// Whether it did now what it did then.
    pub likeness: Likeness,
}

/// Transactions between two times that somebody is told of them.
const TOLD_INTERVAL: u64 = 256;

/// Runs the transactions of `log` again that are in `scope`, from the state at `start` on, and gives `take` those that logged something or
/// came out otherwise, until it breaks off. `told` hears now and then how many more have run.
///
/// # Errors
/// [`CheckError`].
pub fn lines<L: CommitLog>(
    log: &L,
    start: Start,
    scope: Scope,
    told: &dyn Fn(u64),
    mut take: impl FnMut(Logged) -> ControlFlow<()>,
) -> Result<(), CheckError> {
    let (mut engine, transactions) = begin(log, start, scope)?;
    let mut untold = 0;
    for transaction in transactions {
        let transaction = transaction?;
        let rerun = engine.rerun(&transaction, false)?;
        untold += 1;
        if untold == TOLD_INTERVAL {
            told(std::mem::take(&mut untold));
        }
        if rerun.log.is_empty() && rerun.likeness == Likeness::Same {
            continue;
        }
        let logged = Logged {
            offset: transaction.offset,
            time: transaction.time,
            outcome: transaction.outcome.name(),
            code: code_of(&transaction.outcome),
            lines: rerun.log,
            likeness: rerun.likeness,
        };
        if take(logged).is_break() {
            break;
        }
    }
    told(untold);
    Ok(())
}

fn code_of(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Ok(_) => None,
        Outcome::Rejected(problem) | Outcome::Trapped(problem) => {
            Problem::from_json(problem).ok().map(|problem| problem.code.to_string())
        }
    }
}
