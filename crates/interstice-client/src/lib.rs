//! What an application writes against: calls, queries and subscriptions of a node.
//!
//! *Responsible for*: calls and subscriptions of an application, each a future or a stream ([`client`]); the same without a
//! future each, for whoever pipelines by himself ([`socket`]); one question at a time over HTTP, blocking ([`http`]).
//!
//! *Not responsible for*: the bytes of messages (`interstice-protocol`), what a function's arguments are: they are canonical
//! bytes here, or JSON.
//!
//! *Invariants*
//! 1. A message of a node is checked before it is believed.
//! 2. Messages that are sent together leave in one WebSocket message, and what came in together is given out together.
//!
//! *Reading order*: [`client`], [`socket`], [`http`].
#![forbid(unsafe_code)]

mod calls;
pub mod client;
pub mod http;
pub mod socket;
pub mod subscription;
