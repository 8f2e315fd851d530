//! The state digest: a sum, mod 2¹²⁸, of one hash for each row and each sequence.
//!
//! Being a sum it does not depend on the order of writes and is kept up in O(rows changed). It finds mistakes; against
//! forgery stands the hash chain of the log.

use interstice_types::id::TableId;
use interstice_types::unrecorded::{Unrecorded, is_left_out};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Rows up to these sizes, with a table id in front, are hashed in one go from the stack.
const ID_SIZE: usize = size_of::<TableId>();
const SHORT_SIZE: usize = 64;
const MIDDLE_SIZE: usize = 256;

/// XXH3-128 of table id (`u32` LE) ‖ row bytes.
#[inline]
pub fn of_row(table: TableId, row: &[u8]) -> u128 {
    if is_left_out(Unrecorded::Digest) {
        return 0;
    }
    match ID_SIZE + row.len() {
        size if size <= SHORT_SIZE => of_row_on_stack::<SHORT_SIZE>(table, row),
        size if size <= MIDDLE_SIZE => of_row_on_stack::<MIDDLE_SIZE>(table, row),
        _ => of_long_row(table, row),
    }
}

fn of_long_row(table: TableId, row: &[u8]) -> u128 {
    let mut hasher = Xxh3::new();
    hasher.update(&table.0.to_le_bytes());
    hasher.update(row);
    hasher.digest128()
}

#[inline]
fn of_row_on_stack<const SIZE: usize>(table: TableId, row: &[u8]) -> u128 {
    let mut bytes = [0; SIZE];
    bytes[..ID_SIZE].copy_from_slice(&table.0.to_le_bytes());
    bytes[ID_SIZE..ID_SIZE + row.len()].copy_from_slice(row);
    xxh3_128(&bytes[..ID_SIZE + row.len()])
}

/// XXH3-128 of `"seq"` ‖ table id (`u32` LE) ‖ column (`u16` LE) ‖ next (`u64` LE).
pub fn of_sequence(table: TableId, column: u16, next: u64) -> u128 {
    if is_left_out(Unrecorded::Digest) {
        return 0;
    }
    let mut bytes = [0; 17];
    bytes[..3].copy_from_slice(b"seq");
    bytes[3..7].copy_from_slice(&table.0.to_le_bytes());
    bytes[7..9].copy_from_slice(&column.to_le_bytes());
    bytes[9..].copy_from_slice(&next.to_le_bytes());
    xxh3_128(&bytes)
}
