//! The command as a person uses it: every test runs the built binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod agreement;
mod backup;
mod bench;
#[path = "../../../../fixtures/callgrind.rs"]
mod callgrind;
mod debug;
mod evolve;
mod examples;
mod faults;
mod fixtures;
mod foreign;
mod from_log;
mod full;
mod graph;
mod history;
mod indexing;
mod kill;
mod leaderboard;
mod logs;
mod modules;
mod new;
mod power;
mod refusals;
mod reload;
mod repair;
mod reset;
mod schedules;
mod scrub;
mod second_engine;
mod session;
mod snapshots;
mod support;
mod telling;
mod tracing;
mod travel;
mod validating;
mod verifying;
mod what_if;
