//! The command as a person uses it: every test runs the built binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bench;
#[path = "../../../../fixtures/callgrind.rs"]
mod callgrind;
mod examples;
mod faults;
mod full;
mod history;
mod kill;
mod power;
mod refusals;
mod repair;
mod reset;
mod session;
mod snapshots;
mod support;
