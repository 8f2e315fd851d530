//! A buffer for the bytes of one host call, used again for the next.
//!
//! In a module it lives as long as a call: its heap is new in the next one, and so is this.

use std::cell::Cell;
use std::mem::ManuallyDrop;

/// Room for most keys and rows.
const USUAL_SIZE: usize = 256;

thread_local! {
    /// Empty while it is in use. Without a destructor: a module's call has nothing that could run one.
    static BUFFER: Cell<ManuallyDrop<Vec<u8>>> = const { Cell::new(ManuallyDrop::new(Vec::new())) };
}

/// An empty buffer.
#[inline]
pub(crate) fn take() -> Vec<u8> {
    let mut buffer = ManuallyDrop::into_inner(BUFFER.take());
    if buffer.capacity() == 0 {
        buffer = Vec::with_capacity(USUAL_SIZE);
    }
    buffer.clear();
    buffer
}

/// Keeps a buffer for the next who takes one.
#[inline]
pub(crate) fn give_back(buffer: Vec<u8>) {
    BUFFER.set(ManuallyDrop::new(buffer));
}
