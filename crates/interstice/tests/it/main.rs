//! The database as a library: SQL against a naive evaluation of the same statement.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod sql;
