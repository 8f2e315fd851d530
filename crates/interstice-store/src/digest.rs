//! The state digest: a sum, mod 2¹²⁸, of one hash for each row and each sequence.
//!
//! Being a sum it does not depend on the order of writes and is kept up in O(rows changed). It finds mistakes; against
//! forgery stands the hash chain of the log.

use interstice_types::id::TableId;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Rows up to this size are hashed in one go from the stack.
const SHORT_ROW_SIZE: usize = 252;

/// XXH3-128 of table id (`u32` LE) ‖ row bytes.
#[inline]
pub fn of_row(table: TableId, row: &[u8]) -> u128 {
    let id = table.0.to_le_bytes();
    if row.len() <= SHORT_ROW_SIZE {
        let mut bytes = [0; SHORT_ROW_SIZE + 4];
        bytes[..4].copy_from_slice(&id);
        bytes[4..4 + row.len()].copy_from_slice(row);
        return xxh3_128(&bytes[..4 + row.len()]);
    }
    let mut hasher = Xxh3::new();
    hasher.update(&id);
    hasher.update(row);
    hasher.digest128()
}

/// XXH3-128 of `"seq"` ‖ table id (`u32` LE) ‖ column (`u16` LE) ‖ next (`u64` LE).
pub fn of_sequence(table: TableId, column: u16, next: u64) -> u128 {
    let mut bytes = [0; 17];
    bytes[..3].copy_from_slice(b"seq");
    bytes[3..7].copy_from_slice(&table.0.to_le_bytes());
    bytes[7..9].copy_from_slice(&column.to_le_bytes());
    bytes[9..].copy_from_slice(&next.to_le_bytes());
    xxh3_128(&bytes)
}
