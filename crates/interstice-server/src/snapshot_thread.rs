//! The snapshot thread: makes snapshots when it is time, and gives up log behind them. Neither ever holds a commit up, and what
//! fails here fails by itself: the node goes on, and its status says so.

use crate::background;
use crate::lifeline::FailOnPanic;
use crate::moment;
use crate::node::Node;
use crate::settings::{Keep, Settings, SnapshotSettings};
use interstice::snapshot::build::{BuildError, Built};
use interstice_types::problem::Problem;
use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

/// Between two looks whether it is time.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Between two breaks of the work on a snapshot.
const PIECE_OF_WORK: Duration = Duration::from_millis(2);

/// How long one that is made aside may get nearly nothing of a processor: less than one part in [`LEAST_SHARE`].
const PATIENCE: Duration = Duration::from_secs(1);
const LEAST_SHARE: u32 = 20;

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
    /// What others leave, half of the time; as much as it can use if they leave nothing.
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
    let at_full_speed = || node.log.make_snapshot(&|| go_on(node, Duration::ZERO));
    let made = match node.facts.effort {
        Effort::Aside => make_aside(node).unwrap_or_else(|Starved| at_full_speed()),
        Effort::Full => at_full_speed(),
    };
    let Some(made) = made else {
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

/// The others left so little that the work would not come to an end.
struct Starved;

/// Makes one on a thread that has stepped back, which a thread cannot undo.
fn make_aside(node: &Node) -> Result<Option<Result<Option<Built>, BuildError>>, Starved> {
    let aside = || {
        background::step_back();
        let breaks = Breaks::new(node);
        let made = node.log.make_snapshot(&|| breaks.rest());
        if breaks.starved.get() { Err(Starved) } else { Ok(made) }
    };
    let made = std::thread::scope(|scope| scope.spawn(aside).join());
    made.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Waits so long; an error if the node ends.
fn go_on(node: &Node, pause: Duration) -> io::Result<()> {
    if node.background.wait(pause) { Ok(()) } else { Err(io::Error::other("the node ends")) }
}

/// The pauses of the work on a snapshot that is made aside: whoever writes meanwhile has the processors and the disk for half of
/// the time.
struct Breaks<'n> {
    node: &'n Node,
    /// What it had of a processor when it began.
    had: Duration,
    working_since: Cell<Instant>,
    /// In all, by the clock, without pauses.
    worked: Cell<Duration>,
    /// Whether others leave it nothing.
    starved: Cell<bool>,
}

impl<'n> Breaks<'n> {
    fn new(node: &'n Node) -> Self {
        let (had, working_since) = (background::processor_time(), Cell::new(Instant::now()));
        Self { node, had, working_since, worked: Cell::default(), starved: Cell::default() }
    }

    /// Rests as long as it worked.
    fn rest(&self) -> io::Result<()> {
        let worked = self.working_since.get().elapsed();
        if worked < PIECE_OF_WORK {
            return Ok(());
        }
        self.worked.set(self.worked.get() + worked);
        self.starved.set(is_starved(self.worked.get(), background::processor_time().saturating_sub(self.had)));
        if self.starved.get() {
            return Err(io::Error::other("others leave it no processor"));
        }
        let goes_on = go_on(self.node, worked);
        self.working_since.set(Instant::now());
        goes_on
    }
}

/// Whether work that took so long, by the clock, had too little of a processor.
fn is_starved(worked: Duration, had: Duration) -> bool {
    worked >= PATIENCE && had < worked / LEAST_SHARE
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

    #[test]
    fn work_is_starved_if_it_has_less_than_a_twentieth_of_a_processor_for_a_second() {
        let starved = |worked, had| is_starved(Duration::from_millis(worked), Duration::from_millis(had));
        assert!(!starved(999, 0) && !starved(1_000, 50) && starved(1_000, 49) && starved(10_000, 499));
    }
}
