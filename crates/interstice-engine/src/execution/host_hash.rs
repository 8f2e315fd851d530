//! One number for all host calls of a transaction: two runs that differ in any call, argument or result differ in it.

use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Which host call it was.
#[derive(Debug, Clone, Copy)]
pub(super) enum HostCall {
    Insert = 1,
    Update = 2,
    Delete = 3,
    Get = 4,
    Count = 5,
    ScanOpen = 6,
    ScanNext = 7,
    ScanClose = 8,
    Call = 9,
    Log = 10,
    Schedule = 11,
    Cancel = 12,
    DeleteWhere = 13,
}

/// Rolling XXH3-128: each step hashes its bytes with a seed made of what came before.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HostHash(u128);

impl HostHash {
    /// Takes in a number and bytes.
    #[inline]
    pub(super) fn fold(&mut self, number: u64, bytes: &[u8]) {
        let seed = self.0 as u64 ^ ((self.0 >> 64) as u64).rotate_left(32) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = xxh3_128_with_seed(bytes, seed) ^ u128::from(number).rotate_left(64) ^ self.0.rotate_left(1);
    }

    /// The number for all that was taken in.
    pub(super) fn value(self) -> u128 {
        self.0
    }
}
