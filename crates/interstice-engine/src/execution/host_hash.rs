//! One number for all host calls of a transaction: two runs that differ in any call, argument or result differ in it.

use interstice_types::unrecorded::{Unrecorded, is_left_out};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Which host call it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostCall {
    /// [`Execution::insert`](super::Execution::insert)
    Insert = 1,
    /// [`Execution::update`](super::Execution::update)
    Update = 2,
    /// [`Execution::delete`](super::Execution::delete)
    Delete = 3,
    /// [`Execution::get`](super::Execution::get)
    Get = 4,
    /// [`Execution::count`](super::Execution::count)
    Count = 5,
    /// [`Execution::scan_open`](super::Execution::scan_open)
    ScanOpen = 6,
    /// [`Execution::scan_next`](super::Execution::scan_next)
    ScanNext = 7,
    /// [`Execution::scan_close`](super::Execution::scan_close)
    ScanClose = 8,
    /// [`Execution::call`](super::Execution::call)
    Call = 9,
    /// [`Execution::log`](super::Execution::log)
    Log = 10,
    /// [`Execution::schedule`](super::Execution::schedule)
    Schedule = 11,
    /// [`Execution::cancel`](super::Execution::cancel)
    Cancel = 12,
    /// [`Execution::delete_where`](super::Execution::delete_where)
    DeleteWhere = 13,
}

impl HostCall {
    /// Its name, as a module imports it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Get => "get",
            Self::Count => "count",
            Self::ScanOpen => "scan_open",
            Self::ScanNext => "scan_next",
            Self::ScanClose => "scan_close",
            Self::Call => "call",
            Self::Log => "log",
            Self::Schedule => "schedule",
            Self::Cancel => "cancel",
            Self::DeleteWhere => "delete_where",
        }
    }
}

/// Rolling XXH3-128: each step hashes its bytes with a seed made of what came before.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HostHash(u128);

impl HostHash {
    /// Takes in a number and bytes.
    #[inline]
    pub(super) fn fold(&mut self, number: u64, bytes: &[u8]) {
        if is_left_out(Unrecorded::HostHash) {
            return;
        }
        let seed = self.0 as u64 ^ ((self.0 >> 64) as u64).rotate_left(32) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = xxh3_128_with_seed(bytes, seed) ^ u128::from(number).rotate_left(64) ^ self.0.rotate_left(1);
    }

    /// The number for all that was taken in.
    pub(super) fn value(self) -> u128 {
        self.0
    }
}
