//! Checking a log: every transaction's cause runs again, and everything that it recorded is compared.
//!
//! The state before any transaction is a value, so that stretches of a log can be checked beside each other, each from the newest
//! snapshot before it: what lies between is only applied, which takes a fraction of the time. [`stretches`] says how to divide the work
//! so that all of them end at the same time. This crate has no threads: who has, gives each a stretch.

use crate::framing::{Transactions, UnpackError};
use crate::opened::Start;
use interstice_engine::engine::Engine;
use interstice_engine::recheck::{Divergence, Reason, Verdict};
use interstice_engine::recorded::RecordedError;
use interstice_log::log::CommitLog;
use interstice_types::id::Offset;
use interstice_types::transaction::{Cause, Transaction};

/// Divergences, and transactions that cannot be compared, that a report tells of one by one; the others are counted.
pub const MAX_TOLD: usize = 1_000;
/// Transactions between two times that somebody is told of them.
pub(crate) const TOLD_INTERVAL: u64 = 256;

/// What applying a transaction costs, of what running it again does.
const APPLYING: f64 = 0.2;

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// The first offset.
    pub from: Offset,
    /// The one behind the last.
    pub to: Offset,
    /// Whether every call runs in a fresh instance.
    pub fresh: bool,
}

impl Scope {
    /// Everything that there is.
    pub const ALL: Self = Self { from: 0, to: Offset::MAX, fresh: false };
}

/// What a check found.
#[derive(Debug, Default, PartialEq)]
pub struct CheckReport {
    /// Transactions that ran again.
    pub checked: u64,
    /// Modules in force at the beginning.
    pub modules: u64,
    /// Transactions that published one.
    pub published: u64,
    /// Those of them of which nothing can be said.
    pub incomparable: u64,
    /// The first of these.
    pub incomparables: Vec<Incomparable>,
    /// Those that came out otherwise.
    pub divergent: u64,
    /// The first of these.
    pub divergences: Vec<Divergence>,
}

/// A transaction of which nothing can be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incomparable {
    /// Which.
    pub offset: Offset,
    /// `module.function`, or the kind of its cause.
    pub function: String,
    /// Why.
    pub reason: Reason,
}

/// Why a check could not go to the end.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The log cannot be read.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// What it records does not fit together.
    #[error(transparent)]
    Recorded(#[from] RecordedError),
}

impl CheckError {
    /// Whether what was read was given up meanwhile.
    pub fn is_trimmed(&self) -> bool {
        matches!(self, Self::Unpack(error) if error.is_trimmed())
    }
}

impl CheckReport {
    /// What was found behind what this one tells of.
    pub fn merge(&mut self, behind: Self) {
        if self.checked == 0 {
            self.modules = behind.modules;
        }
        self.checked += behind.checked;
        self.published += behind.published;
        self.incomparable += behind.incomparable;
        self.divergent += behind.divergent;
        let room = MAX_TOLD - self.incomparables.len();
        self.incomparables.extend(behind.incomparables.into_iter().take(room));
        let room = MAX_TOLD - self.divergences.len();
        self.divergences.extend(behind.divergences.into_iter().take(room));
    }

    fn note(&mut self, transaction: &Transaction, function: impl FnOnce() -> String, verdict: Verdict) {
        self.checked += 1;
        self.published += u64::from(matches!(transaction.cause, Cause::Publish { .. }));
        match verdict {
            Verdict::Same => {}
            Verdict::Divergent(divergence) => {
                self.divergent += 1;
                if self.divergences.len() < MAX_TOLD {
                    self.divergences.push(*divergence);
                }
            }
            Verdict::Incomparable(reason) => {
                self.incomparable += 1;
                if self.incomparables.len() < MAX_TOLD {
                    self.incomparables.push(Incomparable { offset: transaction.offset, function: function(), reason });
                }
            }
        }
    }
}

/// Runs the transactions of `log` again that are in `scope`, from the state at `start` on; those before are applied. `told`
/// hears now and then how many more have run.
///
/// # Errors
/// [`CheckError`].
pub fn check<L: CommitLog>(log: &L, start: Start, scope: Scope, told: &dyn Fn(u64)) -> Result<CheckReport, CheckError> {
    let (mut engine, transactions) = begin(log, start, scope)?;
    let mut report = CheckReport { modules: engine.catalog().modules().len() as u64, ..CheckReport::default() };
    let mut untold = 0;
    for transaction in transactions {
        check_one(&mut engine, &transaction?, scope.fresh, &mut report)?;
        untold += 1;
        if untold == TOLD_INTERVAL {
            told(std::mem::take(&mut untold));
        }
    }
    told(untold);
    Ok(report)
}

/// The state before the first transaction of `scope`, with its modules ready to run, and the transactions from there on.
pub(crate) fn begin<L: CommitLog>(
    log: &L,
    Start { mut engine, position, .. }: Start,
    scope: Scope,
) -> Result<(Engine, impl Iterator<Item = Result<Transaction, UnpackError>> + use<L>), CheckError> {
    let mut transactions = Transactions::new(log.read(position).map_err(UnpackError::from)?).peekable();
    while let Some(before) = transactions.next_if(|next| next.as_ref().is_ok_and(|one| one.offset < scope.from)) {
        engine.apply(&before?)?;
    }
    // What does not load here is said of each transaction that it ran.
    engine.load_modules();
    Ok((engine, transactions.take_while(move |next| next.as_ref().map_or(true, |one| one.offset < scope.to))))
}

fn check_one(
    engine: &mut Engine,
    transaction: &Transaction,
    fresh: bool,
    report: &mut CheckReport,
) -> Result<(), CheckError> {
    let function = match transaction.cause {
        // Afterwards another version may be in force.
        Cause::Publish { .. } => Some(engine.function_of(transaction)),
        _ => None,
    };
    let verdict = if fresh { engine.recheck_fresh(transaction) } else { engine.recheck(transaction) }?;
    report.note(transaction, || function.unwrap_or_else(|| engine.function_of(transaction)), verdict);
    Ok(())
}

/// Divides `scope` among so many workers, each of which begins at the newest of the sorted `starts` that is not behind its stretch, or
/// at the beginning, and applies what lies between: all of them have about the same to do.
pub fn stretches(starts: &[Offset], scope: Scope, workers: usize) -> Vec<Scope> {
    /// Halvings of the span in which the time must lie: then it is known to one part in a million.
    const HALVINGS: usize = 20;
    let length = scope.to.saturating_sub(scope.from) as f64;
    let (mut too_short, mut enough) = (0.0, length + scope.from as f64);
    for _ in 0..HALVINGS {
        let time = f64::midpoint(too_short, enough);
        let reached = within(starts, scope, workers, time).last().map_or(scope.from, |stretch| stretch.to);
        if reached < scope.to { too_short = time } else { enough = time }
    }
    within(starts, scope, workers, enough)
}

/// The stretches that workers get through in `time`, each transaction that is run again counting as one.
fn within(starts: &[Offset], scope: Scope, workers: usize, time: f64) -> Vec<Scope> {
    let (mut stretches, mut from) = (Vec::new(), scope.from);
    while stretches.len() < workers && from < scope.to {
        let start = starts.iter().rev().find(|start| **start <= from).copied().unwrap_or(0);
        let left = time - (from - start) as f64 * APPLYING;
        let to = from.saturating_add(left.max(0.0).ceil() as Offset).min(scope.to);
        if to == from {
            break;
        }
        stretches.push(Scope { from, to, ..scope });
        from = to;
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(starts: &[Offset], to: Offset, workers: usize) -> Vec<Offset> {
        let stretches = stretches(starts, Scope { to, ..Scope::ALL }, workers);
        let ends = stretches.iter().map(|stretch| stretch.to).collect::<Vec<_>>();
        let begins = std::iter::once(0).chain(ends.iter().copied());
        assert!(stretches.iter().map(|stretch| stretch.from).eq(begins.take(ends.len())), "without a gap");
        assert_eq!(ends.last(), Some(&to), "to the end");
        stretches.iter().map(|stretch| stretch.to - stretch.from).collect()
    }

    #[test]
    fn workers_end_at_the_same_time_wherever_they_can_begin() {
        assert_eq!(lengths(&[0], 1_000, 1), [1_000]);
        // The second one applies what the first one runs: 556 = 0.2 * 556 + 444.
        assert_eq!(lengths(&[0], 1_000, 2), [556, 444]);
        assert_eq!(lengths(&[0, 500], 1_000, 2), [500, 500]);
        assert_eq!(lengths(&[0, 400], 1_000, 2), [511, 489]);
        let three = lengths(&[0, 300_000, 600_000], 900_000, 3);
        assert!(three.iter().all(|length| length.abs_diff(300_000) < 10), "{three:?}");
        // With more workers than it is worth, some have nothing to do.
        assert_eq!(lengths(&[0], 1, 8), [1]);
        let many = lengths(&[0], 1_000_000, 64);
        assert!(many.len() <= 64 && many[0] > many[many.len() - 1]);
    }
}
