//! What the host calls.

use super::{allocator, calls};
use crate::json::to_json;
use crate::registry;
use interstice_abi::header::Header;
use interstice_abi::host::{RETURNED_ERROR, RETURNED_OK};

unsafe extern "C" {
    /// Made by the linker: runs every constructor.
    fn __wasm_call_ctors();
}

/// Runs constructors, once in a new instance: the image that calls begin with is taken after it.
#[unsafe(no_mangle)]
extern "C" fn interstice_init() {
    // SAFETY: the host calls this once, before anything else; exporting `interstice_init` alone would run constructors
    // on every export call.
    unsafe { __wasm_call_ctors() };
    registry::assign_numbers();
    std::panic::set_hook(Box::new(report));
    if !allocator::is_untouched() {
        calls::abort("a constructor of the module uses the heap, which is gone in the next call");
    }
}

/// Ends the call with the panic's message and place.
fn report(panic: &std::panic::PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("a panic without a message");
    match panic.location() {
        Some(place) => calls::abort(&format!("{message} ({}:{})", place.file(), place.line())),
        None => calls::abort(message),
    }
}

/// Makes room for bytes that the host writes.
#[unsafe(no_mangle)]
extern "C" fn interstice_alloc(length: usize) -> *mut u8 {
    let mut room = std::mem::ManuallyDrop::new(Vec::<u8>::with_capacity(length.max(1)));
    room.as_mut_ptr()
}

/// The schema as JSON: address in the high half, length in the low one.
#[unsafe(no_mangle)]
extern "C" fn interstice_describe() -> u64 {
    let packages = registry::packages();
    let [package] = packages.as_slice() else {
        let names: Vec<_> = packages.iter().map(|package| package.name).collect();
        calls::abort(&format!(
            "tables and functions must be declared in one crate, and are in {} ({})",
            names.len(),
            names.join(", ")
        ));
    };
    let json = std::mem::ManuallyDrop::new(to_json(&registry::describe(*package)).into_bytes());
    (json.as_ptr() as u64) << 32 | json.len() as u64
}

/// Runs a function: a header and its arguments stand at `bytes`.
#[unsafe(no_mangle)]
extern "C" fn interstice_call(function: u32, bytes: *const u8, length: usize) -> i32 {
    // SAFETY: the host has written so many bytes there, in room of `interstice_alloc`.
    let bytes = unsafe { std::slice::from_raw_parts(bytes, length) };
    let Some((header, args)) = Header::decode(bytes) else { calls::abort("the host gave no header") };
    #[cfg(getrandom_backend = "custom")]
    super::random::begin(&header);
    match registry::dispatch(None, function, &header, args) {
        Some(Ok(answer)) => {
            give(&answer);
            RETURNED_OK
        }
        Some(Err(error)) => {
            give(&error);
            RETURNED_ERROR
        }
        None => calls::abort(&format!("the module has no function number {function}")),
    }
}

/// Gives the host the answer; one without bytes is what it has to begin with.
fn give(answer: &[u8]) {
    if !answer.is_empty() {
        calls::result(answer);
    }
}
