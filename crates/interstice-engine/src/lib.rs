//! The state machine of a node: inputs in, transactions and replies out.
//!
//! *Responsible for*: running calls, queries, events and publishes on the store; what a function may touch; the catalog
//! of modules; the event queue; applying recorded transactions, running their causes again, what would have become of them otherwise, and
//! recordings of them that are reproduced elsewhere.
//!
//! *Not responsible for*: WebAssembly (`interstice-wasm` implements [`module::Module`]), the log (`interstice-log`), threads
//! and sockets (`interstice-server`).
//!
//! *Invariants*
//! 1. No I/O and no clock: time and randomness are fields of [`engine::Input`].
//! 2. [`Engine::apply`](engine::Engine::apply) runs no module code.
//! 3. A call that fails leaves no trace in any table; after a trap no function of the transaction does anything more.
//! 4. An event is consumed by exactly one transaction, whose changes move the event cursor with it; so is a due schedule, whose
//!    row goes, or moves on, with it.
//! 5. The engine after `apply(t)` for all `t` of a log is the engine that wrote the log: same rows, same queue.
//!
//! *Reading order*: [`engine`], [`execution`], [`module`], [`catalog`], [`lookup`], [`publish`], `imports`, [`event`], [`schedule`], `unasked`, `connection`, [`last_changed`],
//! [`recorded`], [`recheck`], [`rerun`], [`what_if`], [`recording`], [`read`], [`system`].
#![forbid(unsafe_code)]

pub mod catalog;
mod connection;
pub mod engine;
pub mod event;
pub mod execution;
mod imports;
pub mod last_changed;
pub mod limits;
pub mod lookup;
pub mod module;
mod net;
pub mod problems;
pub mod publish;
pub mod read;
pub mod recheck;
pub mod recorded;
pub mod recording;
pub mod rerun;
pub mod schedule;
pub mod system;
mod telling;
mod unasked;
pub mod what_if;
