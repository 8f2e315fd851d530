//! The module's side of the boundary in WebAssembly: exports, host calls, the heap, randomness. The one place with `unsafe`.
#![expect(unsafe_code, reason = "a boundary of raw pointers; each use says what it relies on")]

mod allocator;
pub(crate) mod calls;
mod exports;
#[cfg(getrandom_backend = "custom")]
mod random;

/// Bytes up to which [`append`] copies by itself.
const SHORT: usize = 64;

/// Appends `bytes`. A copy of unknown length leaves the module for the host's `memcpy`, which for a short one costs more than
/// the copy.
#[inline]
pub(crate) fn append(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.len() > SHORT {
        out.extend_from_slice(bytes);
        return;
    }
    out.reserve(bytes.len());
    // SAFETY: there is room for all of the bytes behind those that are there, and a vector is not where a slice is.
    unsafe {
        copy_short(bytes.as_ptr(), out.as_mut_ptr().add(out.len()), bytes.len());
        out.set_len(out.len() + bytes.len());
    }
}

/// Copies at most [`SHORT`] bytes in words, of which the last two may overlap.
///
/// # Safety
/// `from` is readable and `to` writable for `length` bytes, and they do not overlap.
#[inline]
unsafe fn copy_short(from: *const u8, to: *mut u8, length: usize) {
    // SAFETY: every word lies within the first `length` bytes.
    unsafe {
        let copy = |at: usize| to.add(at).cast::<u64>().write_unaligned(from.add(at).cast::<u64>().read_unaligned());
        if length >= 8 {
            for at in [0, 8, 16, 24, 32, 40, 48] {
                if at + 8 >= length {
                    break;
                }
                copy(at);
            }
            copy(length - 8);
        } else if length >= 4 {
            let half =
                |at: usize| to.add(at).cast::<u32>().write_unaligned(from.add(at).cast::<u32>().read_unaligned());
            half(0);
            half(length - 4);
        } else if length > 0 {
            // The first, the one in the middle, the last: all there are.
            for at in [0, length / 2, length - 1] {
                to.add(at).write(from.add(at).read());
            }
        }
    }
}

/// The text that these bytes are.
#[inline]
pub(crate) fn text_of(bytes: Vec<u8>) -> String {
    // SAFETY: they are part of a row, an argument or an answer, and the host lets none of these through whose text is not
    // UTF-8. It is the host's to keep the module's memory sound: it writes there as it likes.
    unsafe { String::from_utf8_unchecked(bytes) }
}
