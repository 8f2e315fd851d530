//! The client protocol: what a client and a node say to each other.
//!
//! *Responsible for*: the binary messages of a WebSocket and their bytes, the same messages as JSON, the shapes of HTTP
//! requests and answers, the limits that both sides keep, which HTTP status a problem has.
//!
//! *Not responsible for*: sockets (`interstice-server`, `interstice-client`), what a call means (`interstice-engine`).
//!
//! *Invariants*
//! 1. Nothing is allocated in proportion to a number read from a socket before that number is checked.
//! 2. A message that cannot be understood is answered with `invalid-message`, and the next one is read.
//! 3. The body of an update does not depend on who gets it: it is encoded once and shared.
//!
//! *Format*: one WebSocket message carries one or more of these, back to back; `docs/internals/protocol.md` draws the bodies.
//!
//! ```text
//! length u32 LE ─ tag u8 ─ request id u32 LE ─ body (length counts tag, id and body)
//! ```
//!
//! *Reading order*: [`limits`], [`frame`], [`request`], [`reply`], [`receipt`], [`text`], [`http`], [`problems`].
#![forbid(unsafe_code)]

pub mod frame;
pub mod http;
pub mod limits;
pub mod problems;
pub mod receipt;
pub mod reply;
pub mod request;
pub mod text;
