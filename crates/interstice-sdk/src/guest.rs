//! The module's side of the boundary in WebAssembly: exports, host calls, the heap, randomness. The one place with `unsafe`.
#![expect(unsafe_code, reason = "a boundary of raw pointers; each use says what it relies on")]

mod allocator;
pub(crate) mod calls;
mod exports;
#[cfg(getrandom_backend = "custom")]
mod random;
