//! The module's side of the boundary in WebAssembly: exports, host calls, the heap, randomness. The one place with `unsafe`.
#![expect(unsafe_code, reason = "a boundary of raw pointers; each use says what it relies on")]

mod allocator;
pub(crate) mod calls;
mod exports;
#[cfg(getrandom_backend = "custom")]
mod random;

/// The text that these bytes are, if they are ASCII; then nothing is left to check.
#[inline]
pub(crate) fn ascii(bytes: Vec<u8>) -> Result<String, Vec<u8>> {
    if !bytes.is_ascii() {
        return Err(bytes);
    }
    // SAFETY: ASCII is UTF-8.
    Ok(unsafe { String::from_utf8_unchecked(bytes) })
}
