//! The bugs that simulated histories and power cuts must catch.

use crate::planted_again::{Catcher, assert_all_are_caught};
use interstice_log::planted::Bug;

const LOG: &str = "log_histories::no_history_of_the_log_breaks_a_promise";
const NODE: &str = "no_seed_breaks_a_promise";

/// What an oracle says that has found something.
const SEED: &str = "\nreproduce: INTERSTICE_";

const CATCHERS: &[Catcher] = &[
    (Bug::FrameUnsynced, LOG, SEED),
    (Bug::SyncRetried, LOG, SEED),
    (Bug::ShortWriteIgnored, LOG, SEED),
    (Bug::FooterUnsynced, LOG, SEED),
    (Bug::HeaderUnsynced, LOG, SEED),
    (Bug::SegmentNameUnsynced, LOG, SEED),
    (Bug::TrimUnsynced, LOG, SEED),
    (Bug::MarkBeforeSync, LOG, SEED),
    (Bug::MarkUnsynced, LOG, SEED),
    (Bug::ResumeUnsynced, LOG, SEED),
    (Bug::ResumeNotRewritten, LOG, SEED),
    (
        Bug::CutNotRepeated,
        "repairs::frames_that_were_cut_do_not_come_back_when_the_sync_of_the_cut_failed",
        "sync 3, ClaimsClean",
    ),
    (Bug::SnapshotUnsynced, NODE, SEED),
    (Bug::SnapshotTimeForgotten, NODE, SEED),
    (Bug::TrimPastOlderSnapshot, NODE, SEED),
    (Bug::TrimPastPendingEvents, NODE, SEED),
];

#[test]
fn every_planted_bug_is_caught_by_a_history() {
    assert_all_are_caught(CATCHERS, &[("INTERSTICE_LOG_SEEDS", "4000"), ("INTERSTICE_SIM_SEEDS", "400")]);
}
