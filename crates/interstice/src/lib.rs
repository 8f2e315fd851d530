//! The database as a library: an engine on a commit log. No threads, no sockets, no clock.
//!
//! *Responsible for*: packing transactions into frames and back, recovery, making commits durable before they are
//! reported, checking a log by running it again, what would have become of it otherwise, recording it for a test, telling what a
//! transaction did, running it again step by step, going through history in both directions, graphs of what causes what.
//!
//! *Not responsible for*: threads and sockets (`interstice-server`), WebAssembly (`interstice-wasm`).
//!
//! *Invariants*
//! 1. [`Database::settle`](database::Database::settle) reports an output only when every offset that it rests on is durable.
//! 2. Recovery runs no module code and compares the state digest at every offset.
//!
//! *Reading order*: [`opened`], [`commit`], [`database`], [`framing`], [`check`], [`what_if`], [`recording`], [`snapshot`], [`moment`],
//! [`history`], [`trace`], [`lines`], [`bisect`], [`debug`], [`fork`], [`graph`], [`backup`].
#![forbid(unsafe_code)]

pub mod backup;
pub mod bisect;
pub mod check;
pub mod commit;
pub mod database;
pub mod debug;
pub mod fork;
pub mod framing;
pub mod graph;
pub mod history;
pub mod lines;
pub mod moment;
pub mod opened;
pub mod recording;
pub mod snapshot;
pub mod sql;
pub mod trace;
pub mod what_if;
