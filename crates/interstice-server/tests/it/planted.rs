//! The bugs that the tests of a node must catch.

use crate::planted_again::{Catcher, assert_all_are_caught};
use interstice_log::planted::Bug;

const CATCHERS: &[Catcher] = &[
    (
        Bug::UpdateBeforeDurable,
        "durability::neither_answers_nor_refusals_nor_rows_nor_updates_leave_before_what_they_rest_on_is_durable",
        "left: Update",
    ),
    (
        Bug::UnknownIsRefused,
        "fencing::whatever_fails_while_the_log_is_written_is_the_last_thing_that_is_tried",
        "what was refused was done",
    ),
    (
        Bug::ReadOnlyIgnored,
        "space::without_space_for_the_next_segment_writes_are_refused_reads_go_on_and_writes_resume",
        "right: (503, String(\"read-only\"))",
    ),
];

#[test]
fn every_planted_bug_of_a_node_is_caught() {
    assert_all_are_caught(CATCHERS, &[]);
}
