//! The bugs that the tests of the log must catch.

use crate::planted_again::{Catcher, assert_all_are_caught, output_of};
use interstice_log::planted::Bug;

const CATCHERS: &[Catcher] = &[
    (Bug::SyncErrorIgnored, "damage::after_a_failed_sync_nothing_more_is_tried", "Resolution::Indeterminate"),
    (Bug::FenceIgnored, "damage::after_a_failed_sync_nothing_more_is_tried", "Resolution::Poisoned"),
    (Bug::FlushInDrop, "mark::a_mark_that_cannot_be_written_fences_the_writer", "something was tried again"),
    (Bug::StaleWriterGoesOn, "the_local_log_conforms", "Resolution::Durable"),
    (Bug::IdleUnmarked, "mark::a_last_segment_that_is_gone_or_cut_is_found_once_the_log_was_idle", "at byte 4096"),
    (
        Bug::SegmentUnmarked,
        "mark::a_segment_that_is_gone_is_missed_though_the_log_was_never_idle",
        "verify reports what opening refuses",
    ),
    (Bug::ForeignMarkCounts, "mark::a_foreign_mark_does_not_count", "right: \"mark\""),
    (Bug::CorruptCut, "damage::no_flipped_bit_loses_what_was_proven_durable", "a proven frame was lost in silence"),
    (Bug::ReadErrorIsEnd, "mark::a_read_error_is_never_taken_for_damage", "read 3: Err(Corrupt"),
    (Bug::ChainUnchecked, "damage::a_frame_that_was_written_behind_another_one_is_refused", "of another log passes"),
    (
        Bug::SaltConstant,
        "torn::forged_headers_under_a_torn_tail_are_neither_frames_nor_evidence",
        "`synced through` of frame 900",
    ),
    (Bug::HeaderUnchecked, EVERY_BIT, "Err(NewerFormat"),
    (Bug::PayloadUnchecked, EVERY_BIT, "VerifyReport"),
    (Bug::GapUnchecked, "damage::a_missing_segment_and_a_cut_sealed_one_are_refused", "OpenError::Corrupt"),
    (Bug::PartCounts, "damage::a_transaction_without_its_last_part_is_cut_whole", "right: [[119, 104, 111, 108, 101]]"),
    (Bug::TornTailNotKept, "writers::what_stands_behind_a_hole_is_quarantined", "right: 2304"),
    (Bug::EveryReceiptHeld, "the_local_log_conforms", "right: Diverged"),
];

const EVERY_BIT: &str = "bits::a_turned_bit_is_refused_where_something_certifies_it_and_costs_nothing_else";

#[test]
fn every_planted_bug_of_the_log_is_caught() {
    assert_all_are_caught(CATCHERS, &[]);
}

#[test]
fn a_bug_that_is_not_there_is_no_bug_that_is_not_caught() {
    let said = output_of("a_reopened_log_has_everything_and_goes_on", "frame-unsunk", &[]).unwrap();
    assert!(said.contains("INTERSTICE_PLANTED=frame-unsunk: there is no such bug"), "{said}");
}
