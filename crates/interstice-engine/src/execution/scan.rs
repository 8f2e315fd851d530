//! Scans: rows of a range as of the scan's opening, given out batch by batch.
//!
//! A scan holds the table as a value, so that later writes are not seen; after each batch its range begins behind the last
//! row that was given.

use super::host_hash::HostCall;
use super::{Execution, HostError, trapped};
use crate::limits::charge;
use interstice_store::range::KeyRange;
use interstice_store::store::SharedTable;
use interstice_store::table::{IndexId, Table};
use interstice_types::key::Key;
use interstice_types::schema::TableAccess;
use std::ops::Bound;

impl Execution {
    /// Opens a scan over the rows whose first columns of `index` are within bounds of encoded values.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn scan_open(
        &mut self,
        handle: u32,
        index: IndexId,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        reverse: bool,
    ) -> Result<u32, HostError> {
        self.meter.enter(HostCall::ScanOpen, u64::from(handle) << 16 | u64::from(index.0), &[])?;
        let id = self.handle(handle, TableAccess::may_read)?;
        if self.scans.iter().flatten().count() >= self.limits.open_scans {
            return Err(trapped("too-many-scans", format!("more than {} scans are open", self.limits.open_scans)));
        }
        let table = self.tables.table(id)?.clone();
        let lower = map_bound(bounds.0, |values| lookup_prefix(&table, index, values))?;
        let upper = map_bound(bounds.1, |values| lookup_prefix(&table, index, values))?;
        let range = KeyRange::between(as_bytes(&lower), as_bytes(&upper));
        self.meter.note(u64::from(reverse), range.start.as_bytes());
        self.meter.note(u64::from(range.end.is_some()), range.end.as_ref().map_or(&[], Key::as_bytes));
        self.scans.push(Some(Scan { table, index, range, reverse }));
        Ok(self.scans.len() as u32 - 1)
    }

    /// Appends the scan's next rows to `out`, each behind its length as `u32` LE: as many whole ones as fit in `capacity`
    /// bytes, but at least one. Appends nothing at the end.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn scan_next(&mut self, scan: u32, capacity: usize, out: &mut Vec<u8>) -> Result<(), HostError> {
        self.meter.enter(HostCall::ScanNext, u64::from(scan), &[])?;
        let start = out.len();
        let open = self.scans.get_mut(scan as usize).and_then(Option::as_mut);
        let open = open.ok_or_else(|| trapped("invalid-scan", format!("there is no open scan {scan}")))?;
        let rows = open.advance(start + capacity.min(MAX_SCAN_BATCH_SIZE), out);
        self.meter.burn(rows * charge::SCANNED_ROW + (out.len() - start) as u64 / 16 * charge::SIXTEEN_BYTES)?;
        self.meter.note(rows, &out[start..]);
        Ok(())
    }

    /// Closes a scan; one that is not open stays so.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn scan_close(&mut self, scan: u32) -> Result<(), HostError> {
        self.meter.enter(HostCall::ScanClose, u64::from(scan), &[])?;
        if let Some(slot) = self.scans.get_mut(scan as usize) {
            *slot = None;
        }
        Ok(())
    }
}

/// Most bytes of rows that one `scan_next` gives, unless a single row is larger.
const MAX_SCAN_BATCH_SIZE: usize = 1 << 20;

/// Rows of a range, as of the scan's opening.
pub(super) struct Scan {
    table: SharedTable,
    index: IndexId,
    range: KeyRange,
    reverse: bool,
}

impl Scan {
    /// Moves on by as many rows as fit until `out` has `limit` bytes; returns how many.
    fn advance(&mut self, limit: usize, out: &mut Vec<u8>) -> u64 {
        let mut count = 0;
        let mut last = None;
        for row in self.table.scan(self.index, &self.range, self.reverse) {
            if count > 0 && out.len() + 4 + row.len() > limit {
                break;
            }
            out.extend((row.len() as u32).to_le_bytes());
            out.extend(row.iter());
            count += 1;
            last = Some(row);
        }
        if let Some(row) = last {
            let last = self.table.index_key(self.index, row, &mut Vec::new());
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
#[inline]
pub(super) fn lookup_prefix(table: &Table, index: IndexId, values: &[u8]) -> Result<Key, HostError> {
    let columns =
        table.index_columns(index).ok_or_else(|| trapped("unknown-index", format!("there is no index {}", index.0)))?;
    let found = table.layout().lookup_key(values, columns, &mut Vec::new());
    found
        .map(|(key, _)| key)
        .map_err(|error| trapped("invalid-key", format!("not a key of table `{}`: {error}", table.schema().name)))
}

fn map_bound<T>(bound: Bound<&[u8]>, f: impl FnOnce(&[u8]) -> Result<T, HostError>) -> Result<Bound<T>, HostError> {
    Ok(match bound {
        Bound::Unbounded => Bound::Unbounded,
        Bound::Included(values) => Bound::Included(f(values)?),
        Bound::Excluded(values) => Bound::Excluded(f(values)?),
    })
}

fn as_bytes(bound: &Bound<Key>) -> Bound<&[u8]> {
    match bound {
        Bound::Unbounded => Bound::Unbounded,
        Bound::Included(key) => Bound::Included(key.as_bytes()),
        Bound::Excluded(key) => Bound::Excluded(key.as_bytes()),
    }
}
