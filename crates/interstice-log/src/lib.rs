//! The commit log: opaque payloads, made durable in one order, chained by hash, recovered by evidence.
//!
//! *Responsible for*: frames and segments and their bytes, appending and syncing, who may append (epochs), telling a
//! torn tail from corruption, verifying a log.
//!
//! *Not responsible for*: what is in a payload (`interstice`), when to append and whom to tell (`interstice-server`).
//!
//! *Invariants*
//! 1. A frame is reported durable only after a sync that came after its write.
//! 2. Acknowledgements resolve in the order of the appends; the first failure poisons all that follow.
//! 3. After a failed write or sync the writer does nothing more: no second attempt, no flush when dropped.
//! 4. Bytes that were proven durable are never cut: a log that lacks them does not open.
//! 5. Nothing is allocated in proportion to a number read from a file before that number is checked.
//!
//! *Format*: a directory of segments, each one header, frames end to end, and, once sealed, a footer:
//!
//! ```text
//! 00000000000000000000.log   [ header 4096 ][ frame ][ frame ] … [ footer 96 ]
//! 00000000000000040960.log   [ header 4096 ][ frame ] … 0 0 0 0 0 0   (open: zeros behind the last frame)
//! frame                      [ header 152 ][ payload, padded to 8 ]
//! durable.mark               [ slot 512 ] … [ slot 512 ] …  (how far the log is durable, said outside of it)
//! ```
//!
//! *Reading order*: [`frame`], [`log`], [`storage`], [`segment`], [`mark`], [`evidence`], `found`, [`local`], [`writer`], `spare`,
//! [`memory`], [`verify`], [`salvage`], [`backup`].
#![forbid(unsafe_code)]

pub mod backup;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod evidence;
mod found;
pub mod frame;
pub mod local;
pub mod log;
pub mod mark;
pub mod memory;
pub mod planted;
mod repair;
pub mod retention;
pub mod salvage;
pub mod segment;
pub mod snapshot;
mod spare;
pub mod storage;
pub mod verify;
pub mod writer;
