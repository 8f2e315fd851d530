//! A whole node behind real sockets.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calls;
mod client;
mod connections;
mod durability;
mod fencing;
mod limits;
mod modules;
#[cfg(feature = "planted")]
mod planted;
#[cfg(feature = "planted")]
#[path = "../../../../fixtures/planted.rs"]
mod planted_again;
mod private;
mod receipts;
mod space;
mod starting;
mod subscriptions;
mod support;
