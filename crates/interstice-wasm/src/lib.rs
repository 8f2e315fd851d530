//! The WebAssembly runtime: artefacts become modules that the engine can call. The only crate that knows engines of WebAssembly:
//! wasmtime, which nodes run, and wasmi, on which history can be run again.
//!
//! *Responsible for*: which WebAssembly is allowed, compiling it, instances and their limits, giving each call a module as
//! fresh as a new one, the host calls.
//!
//! *Not responsible for*: what a host call means and whether it is allowed (`interstice-engine`).
//!
//! *Invariants*
//! 1. A module has no memory but its tables: a call cannot tell whether there was one before it.
//! 2. Nothing that a guest passes is believed: pointers, lengths and handles are checked before they are used.
//! 3. After a trap the instance is gone.
//! 4. Compiled code is mapped from a file only if this node wrote it: [`cache`] holds the one `unsafe` call of the node.
//!
//! *Reading order*: [`runtime`], `configuration`, [`cache`], [`artefact`], `instance`, `compiled`, `host`, then [`interpreter`].
#![deny(unsafe_code)]

pub mod artefact;
pub mod cache;
mod compiled;
mod configuration;
mod host;
mod instance;
pub mod interpreter;
mod recent;
pub mod runtime;
pub mod wasm_engine;
