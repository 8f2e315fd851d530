//! The database as a library: snapshots against all of the history, SQL against a naive evaluation.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod snapshots;
mod sql;
