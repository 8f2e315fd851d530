//! One number for all host calls of a transaction: two runs that differ in any call, argument or result differ in it.

use xxhash_rust::xxh3::xxh3_128_with_seed;

pub(super) const INSERT: u64 = 1;
pub(super) const UPDATE: u64 = 2;
pub(super) const DELETE: u64 = 3;
pub(super) const GET: u64 = 4;
pub(super) const COUNT: u64 = 5;
pub(super) const SCAN_OPEN: u64 = 6;
pub(super) const SCAN_NEXT: u64 = 7;
pub(super) const SCAN_CLOSE: u64 = 8;
pub(super) const CALL: u64 = 9;
pub(super) const LOG: u64 = 10;

/// Rolling XXH3-128: each step hashes its bytes with a seed made of what came before.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HostHash(u128);

impl HostHash {
    /// Takes in a number and bytes.
    pub(super) fn fold(&mut self, number: u64, bytes: &[u8]) {
        let seed = self.0 as u64 ^ ((self.0 >> 64) as u64).rotate_left(32) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = xxh3_128_with_seed(bytes, seed) ^ u128::from(number).rotate_left(64) ^ self.0.rotate_left(1);
    }

    /// The number for all that was taken in.
    pub(super) fn value(self) -> u128 {
        self.0
    }
}
