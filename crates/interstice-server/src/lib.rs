//! The shell of a node: everything that touches a socket, a thread, the clock, or the data directory.
//!
//! *Responsible for*: starting and stopping, HTTP and WebSocket, which thread does what, letting answers out when what they
//! rest on is durable, subscriptions, time and randomness.
//!
//! *Not responsible for*: what a call does (`interstice-engine`), how commits become durable (`interstice`,
//! `interstice-log`), the bytes on the wire (`interstice-protocol`).
//!
//! *Invariants*
//! 1. Nothing leaves before every offset that it rests on is durable: answers, refusals, rows and updates.
//! 2. The engine never waits for the disk, and neither the engine nor the committer waits for a socket.
//! 3. Every queue is bounded: a client that does not read is cut, a node that cannot keep up says `overloaded`.
//! 4. Nothing that writes is executed before there is space for it in the log.
//! 5. After the first failed write or sync nothing is promised any more, and the node ends.
//!
//! *Threads*
//!
//! ```text
//! sockets (tokio, 2) ─batches─▶ engine ─rounds─▶ committer ─jobs─▶ reader
//!      ▲                                            │                │
//!      └──────────────── session queues ◀───────────┴────────────────┘
//! ```
//!
//! *Reading order*: [`start`], [`server`], then inside `ask`, `engine_thread`, `round`, `reserve`, `commit_thread`, `receipts`,
//! `subscriptions`, `session`, `socket`, `routes`, [`lines`], `telling`; beside them `snapshot_thread`, `row_index`, `scrub`, `verify`.
#![forbid(unsafe_code)]

mod ask;
mod background;
mod commit_thread;
mod data;
mod engine_thread;
mod intake;
mod lifeline;
pub mod lines;
pub mod log_access;
mod metrics;
mod moment;
mod node;
mod outbox;
mod queue;
mod reader_thread;
mod receipts;
pub mod reports;
mod reserve;
mod round;
mod routes;
mod row_index;
mod scrub;
pub mod server;
mod session;
pub mod settings;
mod signatures;
mod snapshot_thread;
mod socket;
mod standing;
pub mod start;
mod subscriptions;
mod telling;
mod verify;
