//! The database as a library: snapshots and the index of rows against all of the history, SQL and cycles of graphs against naive evaluations.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod graph;
mod index;
#[cfg(feature = "planted")]
mod planted;
#[cfg(feature = "planted")]
#[path = "../../../../fixtures/planted.rs"]
mod planted_again;
mod snapshots;
mod sql;
mod sql_paths;
mod world;
