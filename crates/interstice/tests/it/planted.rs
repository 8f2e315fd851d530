//! The bugs that the tests of snapshots must catch.

use crate::planted_again::{Catcher, assert_all_are_caught};
use interstice_log::planted::Bug;

const CATCHERS: &[Catcher] = &[
    (
        Bug::ChunkUnchecked,
        "snapshots::no_bit_of_a_snapshot_turns_without_being_noticed",
        "assertion `left == right` failed: bit",
    ),
    (
        Bug::SnapshotDigestUnchecked,
        "snapshots::a_snapshot_whose_rows_are_others_is_left_aside",
        "the rows of another history",
    ),
];

#[test]
fn every_planted_bug_of_snapshots_is_caught() {
    assert_all_are_caught(CATCHERS, &[]);
}
