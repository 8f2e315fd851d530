//! Transactions of a running node run again, off the path of commits: some of them, from the state that there was before, on a thread of
//! its own. What comes out otherwise is an alarm.
//!
//! The engine thread picks by the transaction's random bytes, so that no rhythm of calls hides one kind of them. While the thread is behind, what
//! would be too much is not looked at, and counted.

use crate::background::{self, Background};
use crate::lifeline::FailOnPanic;
use crate::node::Node;
use interstice_engine::engine::Engine;
use interstice_engine::recheck::{Before, Beside, Verdict};
use interstice_engine::recorded::RecordedError;
use interstice_types::problem::Problem;
use interstice_types::transaction::Transaction;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// The name of the task.
const TASK: &str = "verify";
/// Transactions that may wait to be run again: as many states are kept.
const MAX_WAITING: usize = 64;

/// What became of the transactions that were picked.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Run again, or seen to be not comparable.
    checked: AtomicU64,
    /// Not looked at, for too many waited.
    skipped: AtomicU64,
    /// Came out otherwise.
    divergent: AtomicU64,
}

impl Counts {
    /// Checked, skipped, divergent.
    pub(crate) fn read(&self) -> [u64; 3] {
        [&self.checked, &self.skipped, &self.divergent].map(|count| count.load(Ordering::Relaxed))
    }
}

/// A transaction, and what there was before it.
pub(crate) struct Picked {
    before: Before,
    transaction: Transaction,
}

/// Picks transactions, on the engine thread.
pub(crate) struct Picker {
    share: NonZero<u64>,
    picked: SyncSender<Picked>,
}

/// One transaction of `share` goes from the one end to the other.
pub(crate) fn picker(share: NonZero<u64>) -> (Picker, Receiver<Picked>) {
    let (picked, waiting) = sync_channel(MAX_WAITING);
    (Picker { share, picked }, waiting)
}

impl Picker {
    /// What there is before the transaction with these random bytes, if it is picked.
    pub(crate) fn before(&self, engine: &Engine, seed: [u8; 16]) -> Option<Before> {
        let number = u64::from_le_bytes(seed[..8].try_into().expect("invariant: half of the bytes"));
        number.is_multiple_of(self.share.get()).then(|| engine.before())
    }

    /// Has a transaction run again, if not too many wait.
    pub(crate) fn hand(&self, before: Before, transaction: &Transaction, counts: &Counts) {
        if self.picked.try_send(Picked { before, transaction: transaction.clone() }).is_err() {
            counts.skipped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Runs again what is picked, until nobody picks any more.
pub(crate) fn run(node: &Arc<Node>, waiting: Receiver<Picked>) {
    let _failing = FailOnPanic { lifeline: &node.lifeline, thread: TASK };
    background::step_back();
    let mut beside = Beside::new(Arc::clone(&node.loader), node.limits);
    for Picked { before, transaction } in waiting {
        let verdict = beside.recheck(before, &transaction);
        take_note(&verdict, &node.gauges.verified, &node.background);
    }
}

/// An alarm is not over because the next transaction is as it should be.
fn take_note(verdict: &Result<Verdict, RecordedError>, counts: &Counts, background: &Background) {
    counts.checked.fetch_add(1, Ordering::Relaxed);
    let problem = match verdict {
        Ok(Verdict::Same | Verdict::Incomparable(_)) => return,
        Ok(Verdict::Divergent(divergence)) => {
            let hint = format!(
                "run it again from the log: `interstice replay check --from {} --to {}`",
                divergence.offset,
                divergence.offset + 1
            );
            Problem::new("divergence", divergence.to_string()).hint(hint)
        }
        Err(error) => Problem::new("divergence", error.to_string()),
    };
    counts.divergent.fetch_add(1, Ordering::Relaxed);
    background.report(TASK, Err(problem));
}

#[cfg(test)]
mod tests {
    use super::*;
    use interstice_engine::recheck::{Divergence, Instances, Kind};

    #[test]
    fn a_divergence_is_an_alarm_that_stays() {
        let (counts, background) = (Counts::default(), Background::default());
        let divergence = Divergence {
            offset: 12,
            function: "bank.transfer".to_owned(),
            kind: Kind::Fuel,
            table: None,
            key: None,
            column: None,
            host_calls: None,
            instances: Instances::All,
            recorded: "7".to_owned(),
            replayed: "8".to_owned(),
        };
        for verdict in [Verdict::Same, Verdict::Divergent(divergence.into()), Verdict::Same] {
            take_note(&Ok(verdict), &counts, &background);
        }
        assert_eq!(counts.read(), [3, 0, 1]);
        let alarms = background.alarms();
        assert_eq!((alarms.len(), alarms[0].0, &*alarms[0].1.code), (1, "verify", "divergence"));
        assert!(alarms[0].1.to_string().contains("--from 12 --to 13"), "{}", alarms[0].1);
    }
}
