//! What a module and its host say to each other: ABI `interstice_1`, core WebAssembly, bytes in linear memory.
//!
//! *Responsible for*: the names and signatures of host calls and exports, return codes, the call header, scan bounds.
//!
//! *Not responsible for*: linking them (`interstice-wasm`), wrapping them for authors (the SDK).
//!
//! *Invariants*: one table, [`host::HOST_CALLS`], is what the host links and what a module may import.
//!
//! *Reading order*: [`host`], [`header`].
#![forbid(unsafe_code)]

pub mod header;
pub mod host;
