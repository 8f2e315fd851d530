//! The protocol from outside: its bytes, its limits, and what is not a message.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod golden;
mod messages;
mod shapes;
