//! The host calls as functions: across the boundary in WebAssembly, to the engine on this thread natively.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::guest::calls::{
    call, cancel, count, delete, delete_where, get, insert, last_error, log, raise, scan_close, scan_next, scan_open,
    schedule, update,
};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::native::{
    call, cancel, count, delete, delete_where, get, insert, last_error, log, raise, scan_close, scan_next, scan_open,
    schedule, update,
};

/// A constraint did not allow a write; [`last_error`] says which.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused;

/// How a call of another module ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// With an answer.
    Ok,
    /// With a typed error.
    Error,
    /// A constraint or a rule said no.
    Refused,
}
