//! What an application writes against: calls, queries and subscriptions of a node.
//!
//! *Responsible for*: one question at a time over HTTP ([`http`]), many at a time and subscriptions over a WebSocket
//! ([`socket`]).
//!
//! *Not responsible for*: the bytes of messages (`interstice-protocol`), what a function's arguments are: they are canonical
//! bytes here, or JSON.
//!
//! *Invariants*
//! 1. A message of a node is checked before it is believed.
//! 2. Messages that are sent together leave in one WebSocket message, and what came in together is given out together.
//!
//! *Reading order*: [`http`], [`socket`].
#![forbid(unsafe_code)]

pub mod http;
pub mod socket;
