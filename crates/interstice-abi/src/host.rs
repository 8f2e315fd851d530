//! Host calls, exports and return codes.
//!
//! Pointers, lengths and handles are `i32`, read as unsigned. A call that gives bytes back takes `(out, capacity)` and returns
//! the length: if that is more than the capacity nothing was copied, and [`FETCH`] copies it.

/// The name under which a module imports host calls.
pub const IMPORT_MODULE: &str = "interstice_1";

/// The custom section that holds the module's schema as JSON.
pub const SCHEMA_SECTION: &str = "interstice_schema";

/// The write was refused by a constraint; [`LAST_ERROR`] says which.
pub const REFUSED: i32 = -1;
/// There is no such row.
pub const NOT_FOUND: i32 = -2;

/// What `interstice_call` returns when the function returned its answer.
pub const RETURNED_OK: i32 = 0;
/// What `interstice_call` returns when the function returned its typed error.
pub const RETURNED_ERROR: i32 = 1;

/// A WebAssembly number type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the two there are")]
pub enum Number {
    I32,
    I64,
}

/// One function across the boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// Its name.
    pub name: &'static str,
    /// Its parameters.
    pub params: &'static [Number],
    /// Its result, if it has one.
    pub result: Option<Number>,
    /// What it does.
    pub doc: &'static str,
}

use Number::{I32, I64};

const fn call(name: &'static str, params: &'static [Number], result: Option<Number>, doc: &'static str) -> Signature {
    Signature { name, params, result, doc }
}

/// Adds a row.
pub const INSERT: &str = "insert";
/// Replaces a row.
pub const UPDATE: &str = "update";
/// Removes a row.
pub const DELETE: &str = "delete";
/// Removes rows.
pub const DELETE_WHERE: &str = "delete_where";
/// Finds a row.
pub const GET: &str = "get";
/// Counts rows.
pub const COUNT: &str = "count";
/// Opens a scan.
pub const SCAN_OPEN: &str = "scan_open";
/// Moves a scan on.
pub const SCAN_NEXT: &str = "scan_next";
/// Closes a scan.
pub const SCAN_CLOSE: &str = "scan_close";
/// Calls another module.
pub const CALL: &str = "call";
/// Has a reducer of the module run later.
pub const SCHEDULE: &str = "schedule";
/// Takes a schedule away.
pub const CANCEL: &str = "cancel";
/// Copies what did not fit.
pub const FETCH: &str = "fetch";
/// Logs a line.
pub const LOG: &str = "log";
/// Sets the answer.
pub const RESULT: &str = "result";
/// Copies the last refusal.
pub const LAST_ERROR: &str = "last_error";
/// Ends the call with the last refusal.
pub const RAISE: &str = "raise";
/// Ends the call with a message.
pub const ABORT: &str = "abort";

/// All host calls.
pub const HOST_CALLS: &[Signature] = &[
    call(
        INSERT,
        &[I32, I32, I32, I32, I32],
        Some(I32),
        "(handle, row, length, out, capacity): length of the row as stored, or REFUSED",
    ),
    call(UPDATE, &[I32, I32, I32], Some(I32), "(handle, row, length): 0, or REFUSED"),
    call(
        DELETE,
        &[I32, I32, I32, I32, I32],
        Some(I32),
        "(handle, key, length, out, capacity): length of the old row, or NOT_FOUND",
    ),
    call(
        GET,
        &[I32, I32, I32, I32, I32, I32],
        Some(I32),
        "(handle, unique index, values, length, out, capacity): length of the row, or NOT_FOUND",
    ),
    call(
        DELETE_WHERE,
        &[I32, I32, I32],
        Some(I64),
        "(handle, filter, length): rows that were removed, or REFUSED and none was",
    ),
    call(COUNT, &[I32, I32, I32], Some(I64), "(handle, filter, length): rows that it lets through; all without bytes"),
    call(SCAN_OPEN, &[I32, I32, I32, I32], Some(I32), "(handle, index, request, length): a scan"),
    call(
        SCAN_NEXT,
        &[I32, I32, I32],
        Some(I32),
        "(scan, out, capacity): bytes of rows, each behind its u32 length; 0 at the end",
    ),
    call(SCAN_CLOSE, &[I32], None, "(scan)"),
    call(
        CALL,
        &[I32, I32, I32, I32, I32],
        Some(I64),
        "(import, arguments, length, out, capacity): status in the high half, length in the low one",
    ),
    call(
        SCHEDULE,
        &[I32, I64, I32, I32],
        Some(I64),
        "(function, microseconds since 1970, arguments, length): number of the schedule, or REFUSED",
    ),
    call(CANCEL, &[I64], Some(I32), "(schedule): 1, or 0 if the module made none of that number that has still to run"),
    call(FETCH, &[I32, I32], Some(I32), "(out, capacity): bytes that did not fit before"),
    call(LOG, &[I32, I32, I32], None, "(level, text, length)"),
    call(RESULT, &[I32, I32], None, "(answer, length); without it the answer has no bytes"),
    call(
        LAST_ERROR,
        &[I32, I32],
        Some(I32),
        "(out, capacity): length of the last refusal: its code and its message, each behind its u32 length",
    ),
    call(RAISE, &[], None, "(): does not return"),
    call(ABORT, &[I32, I32], None, "(message, length): does not return"),
];

/// Called once in a new instance, before the reset image is taken.
pub const EXPORT_INIT: &str = "interstice_init";
/// Makes room for bytes that the host writes.
pub const EXPORT_ALLOC: &str = "interstice_alloc";
/// Gives the schema as JSON.
pub const EXPORT_DESCRIBE: &str = "interstice_describe";
/// Runs a function.
pub const EXPORT_CALL: &str = "interstice_call";
/// The linear memory.
pub const EXPORT_MEMORY: &str = "memory";
/// The end of static data; where the heap begins in every call.
pub const EXPORT_HEAP_BASE: &str = "__heap_base";
/// The stack pointer, which every call leaves where it was, if an instance is to be reset.
pub const EXPORT_STACK_POINTER: &str = "__stack_pointer";

/// All exports that a module must have beside its memory.
pub const EXPORTS: &[Signature] = &[
    call(EXPORT_INIT, &[], None, "(): runs constructors"),
    call(EXPORT_ALLOC, &[I32], Some(I32), "(length): where the host may write so many bytes"),
    call(EXPORT_DESCRIBE, &[], Some(I64), "(): address of the schema in the high half, its length in the low one"),
    call(EXPORT_CALL, &[I32, I32, I32], Some(I32), "(function, arguments, length): RETURNED_OK or RETURNED_ERROR"),
];

/// The host call `name`.
pub fn host_call(name: &str) -> Option<&'static Signature> {
    HOST_CALLS.iter().find(|call| call.name == name)
}
