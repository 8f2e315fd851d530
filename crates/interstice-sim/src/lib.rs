//! Seeded simulation: the real store, engine and log on storage that fails, judged by a naive model.
//!
//! *Responsible for*: storage that loses, tears and refuses; workloads; the model; finding a seed that breaks a promise.
//!
//! *Not responsible for*: real disks and processes (the harnesses that drive the release binary).
//!
//! *Invariants*
//! 1. One seed, one history: no clock, no threads, no hash order.
//! 2. The model shares no code with what it judges but the row codec.
//!
//! *Reading order*: [`scenario`], [`model`], [`bank`], [`log_history`], [`faulty`], `reached`, [`rng`].
#![forbid(unsafe_code)]

pub mod bank;
pub mod faulty;
pub mod log_history;
pub mod model;
mod reached;
pub mod rng;
pub mod scenario;
