//! The backend of `getrandom`: what libraries draw comes from the transaction's seed too, in a stream of its own.

use crate::context::generator;
use interstice_abi::header::Header;
use rand_chacha::ChaCha12Rng;
use rand_core::Rng;
use std::cell::RefCell;

/// Seed and stream of the call, and its generator once something is drawn.
struct State {
    seed: [u8; 16],
    stream: u64,
    generator: Option<ChaCha12Rng>,
}

thread_local! {
    static STATE: RefCell<State> = const { RefCell::new(State { seed: [0; 16], stream: 0, generator: None }) };
}

/// Takes note of the call's seed.
pub(super) fn begin(header: &Header<'_>) {
    // Field by field: a whole state is as large as its generator, which hardly any call makes.
    STATE.with_borrow_mut(|state| {
        state.seed = header.seed;
        state.stream = 2 * header.stream + 1;
        state.generator = None;
    });
}

/// What `getrandom` 0.3 and 0.4 call under the custom backend.
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(dest: *mut u8, length: usize) -> Result<(), getrandom::Error> {
    // SAFETY: `getrandom` gives the bounds of a buffer that may be uninitialised: it is zeroed before it is a slice.
    let out = unsafe {
        std::ptr::write_bytes(dest, 0, length);
        std::slice::from_raw_parts_mut(dest, length)
    };
    STATE.with_borrow_mut(|state| {
        let (seed, stream) = (state.seed, state.stream);
        state.generator.get_or_insert_with(|| generator(seed, stream)).fill_bytes(out);
    });
    Ok(())
}
