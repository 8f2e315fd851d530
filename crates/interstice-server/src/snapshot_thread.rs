//! The snapshot thread: makes snapshots when it is time, and gives up log behind them. Neither ever holds a commit up, and what
//! fails here fails by itself: the node goes on, and its status says so.

use crate::background;
use crate::lifeline::FailOnPanic;
use crate::moment;
use crate::node::Node;
use crate::settings::{Keep, Settings, SnapshotSettings};
use interstice::snapshot::build::Built;
use interstice_types::problem::Problem;
use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

/// Between two looks whether it is time.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Between two breaks of the work on a snapshot.
const PIECE_OF_WORK: Duration = Duration::from_millis(2);

/// After a snapshot that could not be made.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(30);

/// Works until it is told to end.
pub(crate) fn run(node: &Node, settings: &Settings) {
    let _failing = FailOnPanic { lifeline: &node.lifeline, thread: "snapshots" };
    let mut newest = Instant::now();
    let mut rests_until = newest;
    // The snapshot behind which all was given up that may go.
    let mut retained = None;
    while node.background.wait(LOOK_INTERVAL) {
        let behind = node.background.snapshot().unwrap_or(0);
        if Instant::now() >= rests_until && is_due(&settings.snapshots, node.log.behind(behind), newest.elapsed()) {
            newest = Instant::now();
            if make(node).is_err() {
                // What failed will most likely fail again: a full disk is not helped by another attempt at once.
                rests_until = Instant::now() + REST_AFTER_FAILURE;
            }
        }
        let snapshot = node.background.snapshot();
        if snapshot != retained && retain(node, settings) {
            retained = snapshot;
        }
    }
}

/// Gives up log behind the snapshots; false if that has to wait.
fn retain(node: &Node, settings: &Settings) -> bool {
    let kept = node.log.retain(&settings.retention, moment::now());
    let outcome = match kept {
        Ok(false) => return false,
        kept => kept.map(|_| ()).map_err(|error| Problem::new("retention-failed", error.to_string())),
    };
    node.background.report("retention", outcome);
    true
}

fn is_due(settings: &SnapshotSettings, (bytes, transactions): (u64, u64), age: Duration) -> bool {
    let grown = bytes >= settings.bytes || transactions >= settings.transactions;
    transactions > 0 && (grown || age >= settings.interval)
}

/// What came of making one; `None` if there was nothing to fold.
type Made = Result<Option<Built>, Problem>;

/// How much of the machine making a snapshot may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// What others leave, half of the time. The thread is of the idle class from then on.
    Aside,
    /// As much as it can use.
    Full,
}

impl Effort {
    /// Where the log is to be bounded, snapshots have to come in time whatever else the machine does.
    pub(crate) fn of(settings: &Settings) -> Self {
        if settings.retention.keep == Keep::All { Self::Aside } else { Self::Full }
    }
}

/// Makes a snapshot, takes note of it, and says what failed.
pub(crate) fn make(node: &Node) -> Made {
    if node.facts.effort == Effort::Aside {
        background::step_back();
    }
    let breaks = Breaks { node, working_since: Cell::new(Instant::now()) };
    let Some(made) = node.log.make_snapshot(&|| breaks.rest()) else {
        return Err(Problem::new("no-snapshots", "a node in memory has no snapshots")
            .hint("start it with `--data DIR` instead of `--memory`"));
    };
    let made = made.map_err(|error| {
        Problem::new("snapshot-failed", error.to_string())
            .hint("nothing is lost: the log and the snapshots before it stand")
    });
    match &made {
        Ok(Some(built)) => {
            node.background.set_snapshot(Some(built.next_offset));
            // What recovery left aside was not built upon, and is gone.
            node.background.report("recovery", Ok(()));
        }
        // The newest one stands at the end of the log.
        Ok(None) => node.background.set_snapshot(Some(node.log.tail().next_offset)),
        Err(_) => {}
    }
    // One that was given up because the node ends is no alarm.
    if made.is_ok() || node.background.wait(Duration::ZERO) {
        node.background.report("snapshot", made.as_ref().map(|_| ()).map_err(Clone::clone));
    }
    made
}

/// The pauses of the work on a snapshot.
struct Breaks<'n> {
    node: &'n Node,
    working_since: Cell<Instant>,
}

impl Breaks<'_> {
    /// Rests as long as it worked, if it is done aside: whoever writes meanwhile has the processors and the disk for half of the
    /// time.
    fn rest(&self) -> io::Result<()> {
        let worked = self.working_since.get().elapsed();
        if worked < PIECE_OF_WORK {
            return Ok(());
        }
        let pause = if self.node.facts.effort == Effort::Aside { worked } else { Duration::ZERO };
        let goes_on = self.node.background.wait(pause);
        self.working_since.set(Instant::now());
        if goes_on { Ok(()) } else { Err(io::Error::other("the node ends")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_due_behind_whichever_comes_first_and_never_without_a_commit() {
        let settings = SnapshotSettings { bytes: 10, transactions: 5, interval: Duration::from_mins(1) };
        let due = |bytes, transactions, seconds| is_due(&settings, (bytes, transactions), Duration::from_secs(seconds));
        assert!(!due(9, 4, 59) && due(10, 4, 0) && due(0, 5, 0) && due(0, 1, 60) && !due(100, 0, 100));
    }
}
