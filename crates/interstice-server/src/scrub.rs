//! The scrub: reads every byte of the log and of the snapshots again, from the disk, at a pace that nobody notices, and raises an
//! alarm where something is wrong. Damage that is found while there is a backup or a good snapshot is an inconvenience.

use crate::background;
use crate::lifeline::FailOnPanic;
use crate::moment;
use crate::node::Node;
use crate::settings::ScrubSettings;
use interstice::snapshot::Looked;
use interstice_log::storage::paced::Pace;
use interstice_log::verify::SegmentReport;
use interstice_types::problem::Problem;
use interstice_types::time::Timestamp;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The name of the task.
const TASK: &str = "scrub";

/// What a scrub did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scrubbed {
    /// When it was done.
    pub(crate) at: Timestamp,
    /// Segments and snapshots that were read.
    pub(crate) files: usize,
    /// Bytes that were read.
    pub(crate) bytes: u64,
    /// What is wrong.
    pub(crate) faults: usize,
}

/// Works until it is told to end.
pub(crate) fn run(node: &Arc<Node>, settings: &ScrubSettings) {
    let _failing = FailOnPanic { lifeline: &node.lifeline, thread: TASK };
    let Some(interval) = settings.interval else { return };
    background::step_back();
    while node.background.wait(interval) {
        let pace =
            Arc::new(Paced { node: Arc::clone(node), rate: settings.rate, started: Instant::now(), bytes: 0.into() });
        let found = scrub(node, &pace);
        if pace.is_over() {
            return;
        }
        match found {
            Ok(found) => take_note(node, &found, pace.bytes.load(Ordering::Relaxed)),
            Err(error) => node.background.report(TASK, Err(Problem::new("scrub-failed", error.to_string()))),
        }
    }
}

/// What was read.
struct Found {
    files: usize,
    /// What is wrong, one line each.
    faults: Vec<String>,
}

fn scrub(node: &Node, pace: &Arc<Paced>) -> io::Result<Found> {
    let pace: Arc<dyn Pace> = Arc::clone(pace) as _;
    let segments = node.log.scrub_segments(&pace)?;
    let snapshots = node.log.scrub_snapshots(&pace)?;
    let files = segments.len() + snapshots.len();
    let faults = segments.iter().flat_map(faults_of).chain(snapshots.iter().filter_map(fault_of)).collect();
    Ok(Found { files, faults })
}

fn faults_of(segment: &SegmentReport) -> impl Iterator<Item = String> {
    segment.faults.iter().map(|fault| {
        let (kind, byte, offset) = (fault.kind, fault.byte, fault.offset);
        format!("segment {}: {kind} at byte {byte}, from offset {offset}: {}", segment.name, fault.evidence)
    })
}

fn fault_of(looked: &Looked) -> Option<String> {
    looked.manifest.as_ref().err().map(|error| format!("snapshot {}: {error}", looked.next_offset))
}

fn take_note(node: &Node, found: &Found, bytes: u64) {
    let Found { files, faults } = found;
    node.background.set_scrubbed(Scrubbed { at: moment::now(), files: *files, bytes, faults: faults.len() });
    tracing::info!(files, bytes, faults = faults.len(), "scrubbed");
    let outcome = faults.first().map_or(Ok(()), |first| {
        let others = match faults.len() - 1 {
            0 => String::new(),
            others => format!("; and {others} more"),
        };
        Err(Problem::new("damage-found", format!("{first}{others}")).hint(
            "see all of it with `interstice log verify` and `interstice snapshot verify`; the node goes on, and will not start \
             again on a damaged log: `interstice snapshot create` now, if it can be made, stands for all that is before it",
        ))
    });
    node.background.report(TASK, outcome);
}

/// So many bytes a second, until the node ends.
struct Paced {
    node: Arc<Node>,
    rate: u64,
    started: Instant,
    bytes: AtomicU64,
}

impl Paced {
    fn is_over(&self) -> bool {
        !self.node.background.wait(Duration::ZERO)
    }
}

impl Pace for Paced {
    fn before_read(&self, bytes: usize) -> io::Result<()> {
        let before = self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let due = Duration::from_secs_f64(before as f64 / self.rate as f64);
        let goes_on = self.node.background.wait(due.saturating_sub(self.started.elapsed()));
        if goes_on { Ok(()) } else { Err(io::Error::other("the node ends")) }
    }
}
