//! The heap: size classes over memory that is handed out once, from `__heap_base` up, never growing.
//!
//! All of its state is static data, which the host puts back after each call: the next call finds the heap empty and gets
//! the same addresses. Memory that was used before is not zero, and so `alloc_zeroed` always writes zeros.
//!
//! 1. A request is rounded up to a power of two of at least 16 bytes: its class.
//! 2. A freed block goes on the list of its class; a request takes the last one freed.
//! 3. If the list is empty, the block comes off the memory that was never used.

use super::calls;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr;

/// Log2 of the smallest class.
const SMALLEST: usize = 4;
/// Classes up to 2^31.
const CLASSES: usize = 28;
const PAGE_SIZE: usize = 65_536;

#[global_allocator]
static HEAP: Heap = Heap { state: UnsafeCell::new(State { unused: 0, free: [ptr::null_mut(); CLASSES] }) };

struct Heap {
    state: UnsafeCell<State>,
}

struct State {
    /// First byte that was never handed out; 0 before the first request.
    unused: usize,
    /// The last freed block of each class, which holds a pointer to the one before.
    free: [*mut u8; CLASSES],
}

// SAFETY: a module has one thread.
unsafe impl Sync for Heap {}

unsafe extern "C" {
    /// The linker's end of static data; only its address means something.
    static __heap_base: u8;
}

/// Whether nothing was allocated since the instance began.
pub(super) fn is_untouched() -> bool {
    // SAFETY: one thread, and no reference is kept.
    unsafe { (*HEAP.state.get()).unused == 0 }
}

impl State {
    fn take(&mut self, class: usize) -> *mut u8 {
        let block = self.free[class];
        if !block.is_null() {
            // SAFETY: `give` wrote the pointer there, and nobody has had the block since.
            self.free[class] = unsafe { block.cast::<*mut u8>().read() };
            return block;
        }
        let size = 1 << (class + SMALLEST);
        if self.unused == 0 {
            self.unused = &raw const __heap_base as usize;
        }
        // Blocks up to a page stand at a multiple of their size; so an alignment is met by a large enough class.
        let start = self.unused.next_multiple_of(size.min(PAGE_SIZE));
        let end = core::arch::wasm32::memory_size(0) * PAGE_SIZE;
        if size > end.saturating_sub(start) {
            calls::abort("the call used up its module's memory");
        }
        self.unused = start + size;
        start as *mut u8
    }

    fn give(&mut self, block: *mut u8, class: usize) {
        // SAFETY: the block has at least 16 bytes, is aligned to as much, and its owner gave it up.
        unsafe { block.cast::<*mut u8>().write(self.free[class]) };
        self.free[class] = block;
    }
}

fn class_of(size: usize, align: usize) -> usize {
    let size = size.max(align).max(1 << SMALLEST);
    let class = size.next_power_of_two().trailing_zeros() as usize - SMALLEST;
    if class >= CLASSES || align > PAGE_SIZE {
        calls::abort("the call asked for more memory than a module can have");
    }
    class
}

// SAFETY: blocks are disjoint, as large as their class and aligned to it.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let class = class_of(layout.size(), layout.align());
        // SAFETY: one thread, and `take` does not come back here.
        unsafe { (*self.state.get()).take(class) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let class = class_of(layout.size(), layout.align());
        // SAFETY: as above; the block is of this class because its layout is the one that it was asked with.
        unsafe { (*self.state.get()).give(block, class) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if class_of(layout.size(), layout.align()) == class_of(size, layout.align()) {
            return block;
        }
        // SAFETY: the caller keeps the rules of `realloc`; both blocks are at least as large as what is copied.
        unsafe {
            let larger = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            ptr::copy_nonoverlapping(block, larger, layout.size().min(size));
            self.dealloc(block, layout);
            larger
        }
    }
}
