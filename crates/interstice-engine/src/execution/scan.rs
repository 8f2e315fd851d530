//! Scans: rows of a range as of the scan's opening, given out batch by batch.
//!
//! A scan holds the table as a value, so that later writes are not seen; after each batch its range begins behind the last
//! row that was given.

use super::{HostError, trapped};
use interstice_store::range::KeyRange;
use interstice_store::table::{IndexId, Table};
use interstice_types::key::Key;
use std::ops::Bound;
use std::sync::Arc;

/// Most bytes of rows that one `scan_next` gives, unless a single row is larger.
pub(super) const MAX_SCAN_BATCH_SIZE: usize = 1 << 20;

/// Rows of a range, as of the scan's opening.
pub(super) struct Scan {
    pub(super) table: Arc<Table>,
    pub(super) index: IndexId,
    pub(super) range: KeyRange,
    pub(super) reverse: bool,
}

impl Scan {
    /// Moves on by as many rows as fit until `out` has `limit` bytes; returns how many.
    pub(super) fn advance(&mut self, limit: usize, out: &mut Vec<u8>) -> u64 {
        let mut count = 0;
        let mut last: Option<Key> = None;
        for (key, row) in self.table.scan(self.index, &self.range, self.reverse) {
            if count > 0 && out.len() + 4 + row.len() > limit {
                break;
            }
            out.extend((row.len() as u32).to_le_bytes());
            out.extend(row.iter());
            count += 1;
            last = Some(key.clone());
        }
        if let Some(last) = last {
            if self.reverse {
                self.range.end = Some(last);
            } else {
                self.range.start = behind(&last);
            }
        }
        count
    }
}

/// The first key that is greater than `key`.
fn behind(key: &Key) -> Key {
    let mut bytes = key.as_bytes().to_vec();
    bytes.push(0);
    Key::new(&bytes)
}

/// The key prefix of encoded `values` of the first columns of `index`.
pub(super) fn lookup_prefix(table: &Table, index: IndexId, values: &[u8]) -> Result<Key, HostError> {
    let columns =
        table.index_columns(index).ok_or_else(|| trapped("unknown-index", format!("there is no index {}", index.0)))?;
    let found = table.layout().lookup_key(values, columns, &mut Vec::new());
    found
        .map(|(key, _)| key)
        .map_err(|error| trapped("invalid-key", format!("not a key of table `{}`: {error}", table.schema().name)))
}

pub(super) fn map_bound<T>(
    bound: Bound<&[u8]>,
    f: impl FnOnce(&[u8]) -> Result<T, HostError>,
) -> Result<Bound<T>, HostError> {
    Ok(match bound {
        Bound::Unbounded => Bound::Unbounded,
        Bound::Included(values) => Bound::Included(f(values)?),
        Bound::Excluded(values) => Bound::Excluded(f(values)?),
    })
}

pub(super) fn as_bytes(bound: &Bound<Key>) -> Bound<&[u8]> {
    match bound {
        Bound::Unbounded => Bound::Unbounded,
        Bound::Included(key) => Bound::Included(key.as_bytes()),
        Bound::Excluded(key) => Bound::Excluded(key.as_bytes()),
    }
}
