//! The snapshot thread: makes snapshots when it is time, and gives up log behind them. Neither ever holds a commit up, and what
//! fails here fails by itself: the node goes on, and its status says so.

use crate::background;
use crate::lifeline::FailOnPanic;
use crate::moment;
use crate::node::Node;
use crate::settings::{Settings, SnapshotSettings};
use interstice::snapshot::build::Built;
use interstice_types::problem::Problem;
use std::cell::Cell;
use std::io;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two looks whether it is time.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Between two looks whether a snapshot that is made aside comes too late.
const WATCH_INTERVAL: Duration = Duration::from_millis(5);

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
            if make_in_time(node, &settings.snapshots).is_err() {
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

/// Makes a snapshot beside the other work; if that leaves too little of the processors, so that twice as much log has gathered as
/// asks for one, at the cost of it.
fn make_in_time(node: &Node, settings: &SnapshotSettings) -> Made {
    let hurry = AtomicBool::new(false);
    let late = SnapshotSettings {
        bytes: settings.bytes.saturating_mul(2),
        transactions: settings.transactions.saturating_mul(2),
        interval: Duration::MAX,
    };
    let made = std::thread::scope(|scope| {
        let making = std::thread::Builder::new().name("snapshot".to_owned());
        let making = making.spawn_scoped(scope, || make(node, Effort::Aside(&hurry))).ok()?;
        while !making.is_finished() {
            std::thread::sleep(WATCH_INTERVAL);
            if is_due(&late, node.log.behind(node.background.snapshot().unwrap_or(0)), Duration::ZERO) {
                hurry.store(true, Ordering::Relaxed);
            }
        }
        Some(making.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    match made {
        Some(made) if made.is_ok() || !hurry.load(Ordering::Relaxed) => made,
        _ => make(node, Effort::Full),
    }
}

/// What came of making one; `None` if there was nothing to fold.
type Made = Result<Option<Built>, Problem>;

/// How much of the machine making a snapshot may take.
#[derive(Clone, Copy)]
pub(crate) enum Effort<'h> {
    /// What others leave, half of the time. The thread is of the idle class from then on. It is given up if this is set.
    Aside(&'h AtomicBool),
    /// As much as it can use.
    Full,
}

/// Makes a snapshot, takes note of it, and says what failed.
pub(crate) fn make(node: &Node, effort: Effort<'_>) -> Made {
    if let Effort::Aside(_) = effort {
        background::step_back();
    }
    let breaks = Breaks { node, effort, working_since: Cell::new(Instant::now()) };
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
    // One that was given up is no alarm.
    if made.is_ok() || breaks.is_wanted() {
        node.background.report("snapshot", made.as_ref().map(|_| ()).map_err(Clone::clone));
    }
    made
}

/// The pauses of the work on a snapshot.
struct Breaks<'n> {
    node: &'n Node,
    effort: Effort<'n>,
    working_since: Cell<Instant>,
}

impl Breaks<'_> {
    /// Rests as long as it worked, if it is to: whoever writes meanwhile has the processors and the disk for half of the time.
    fn rest(&self) -> io::Result<()> {
        let worked = self.working_since.get().elapsed();
        if worked < PIECE_OF_WORK {
            return Ok(());
        }
        if let Effort::Aside(_) = self.effort {
            self.node.background.wait(worked);
        }
        self.working_since.set(Instant::now());
        if self.is_wanted() { Ok(()) } else { Err(io::Error::other("the snapshot is given up")) }
    }

    /// Whether the node goes on, and there is no hurry.
    fn is_wanted(&self) -> bool {
        let hurry = matches!(self.effort, Effort::Aside(hurry) if hurry.load(Ordering::Relaxed));
        !hurry && self.node.background.wait(Duration::ZERO)
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
