//! A whole node behind real sockets.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calls;
mod client;
mod durability;
mod fencing;
mod limits;
mod modules;
mod receipts;
mod space;
mod starting;
mod subscriptions;
mod support;
