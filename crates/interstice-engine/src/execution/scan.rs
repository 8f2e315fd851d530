//! Scans: rows of a range as of the scan's opening that a filter lets through, given out batch by batch; counting and removing
//! by a filter.
//!
//! Every row that is looked at is paid for, whether it is given or not: what there is fuel for bounds each step. A scan holds the table as a value, so that later writes are not seen; after each batch its range begins behind the last
//! row that was given.

use super::host_hash::HostCall;
use super::row_calls::refused;
use super::{Execution, HostError, trapped};
use crate::limits::charge;
use interstice_store::range::KeyRange;
use interstice_store::store::SharedTable;
use interstice_store::table::{IndexId, Table};
use interstice_types::filter::{Filter, Predicate};
use interstice_types::key::Key;
use interstice_types::row::RowBytes;
use interstice_types::schema::TableAccess;
use std::ops::Bound;

/// What a scan is to give.
#[derive(Debug, Clone, Copy)]
pub struct ScanRequest<'r> {
    /// Rows whose first columns of the index are within these encoded values.
    pub bounds: (Bound<&'r [u8]>, Bound<&'r [u8]>),
    /// Of those the rows that this filter lets through, as bytes; all of them if there are none.
    pub filter: &'r [u8],
    /// Against the order of the index.
    pub reverse: bool,
    /// No more than so many rows.
    pub limit: u64,
}

impl Execution {
    /// Opens a scan in the order of `index`.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn scan_open(&mut self, handle: u32, index: IndexId, request: &ScanRequest<'_>) -> Result<u32, HostError> {
        let number = u64::from(handle) << 16 | u64::from(index.0);
        self.enter(HostCall::ScanOpen, number, request.filter)?;
        let id = self.handle(handle, TableAccess::may_read)?;
        if self.scans.iter().flatten().count() >= self.limits.open_scans {
            return Err(trapped("too-many-scans", format!("more than {} scans are open", self.limits.open_scans)));
        }
        let table = self.tables.table(id)?.clone();
        let (lower, upper) = request.bounds;
        let lower = map_bound(lower, |values| lookup_prefix(&table, index, values))?;
        let upper = map_bound(upper, |values| lookup_prefix(&table, index, values))?;
        let range = KeyRange::between(as_bytes(&lower), as_bytes(&upper));
        let predicate = read_filter(&table, request.filter)?;
        self.meter.note(u64::from(request.reverse), range.start.as_bytes());
        self.meter.note(u64::from(range.end.is_some()), range.end.as_ref().map_or(&[], Key::as_bytes));
        self.meter.note(request.limit, &[]);
        let walk = Walk { table, index, range, reverse: request.reverse, predicate };
        self.scans.push(Some(Scan { walk, left: request.limit }));
        Ok(self.scans.len() as u32 - 1)
    }

    /// Appends the scan's next rows to `out`, each behind its length as `u32` LE: as many whole ones as fit in `capacity`
    /// bytes, but at least one. Appends nothing at the end.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn scan_next(&mut self, scan: u32, capacity: usize, out: &mut Vec<u8>) -> Result<(), HostError> {
        self.enter(HostCall::ScanNext, u64::from(scan), &[])?;
        let start = out.len();
        let open = self.scans.get_mut(scan as usize).and_then(Option::as_mut);
        let open = open.ok_or_else(|| trapped("invalid-scan", format!("there is no open scan {scan}")))?;
        let budget = self.meter.fuel() / open.walk.price();
        let (looked_at, given) = open.advance(start + capacity.min(MAX_SCAN_BATCH_SIZE), budget, out);
        let bytes = (out.len() - start) as u64 / 16 * charge::SIXTEEN_BYTES;
        self.meter.burn(looked_at * open.walk.price() + bytes)?;
        self.meter.note(given, &out[start..]);
        Ok(())
    }

    /// Closes a scan; one that is not open stays so.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn scan_close(&mut self, scan: u32) -> Result<(), HostError> {
        self.enter(HostCall::ScanClose, u64::from(scan), &[])?;
        if let Some(slot) = self.scans.get_mut(scan as usize) {
            *slot = None;
        }
        Ok(())
    }
}

impl Execution {
    /// How many rows a table has, or how many of them a filter lets through.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn count(&mut self, handle: u32, filter: &[u8]) -> Result<u64, HostError> {
        self.enter(HostCall::Count, u64::from(handle), filter)?;
        let id = self.handle(handle, TableAccess::may_read)?;
        let table = self.tables.table(id)?;
        let count = match read_filter(table, filter)? {
            None => table.count() as u64,
            Some(predicate) => {
                let price = price(Some(&predicate));
                let budget = self.meter.fuel() / price;
                let rows = table.scan(IndexId::PRIMARY, &KeyRange::all(), false);
                // One row more than there is fuel for: then it ends below.
                let rows = rows.take(usize::try_from(budget).unwrap_or(usize::MAX).saturating_add(1));
                let (mut looked_at, mut count) = (0, 0);
                for row in rows {
                    looked_at += 1;
                    count += u64::from(predicate.holds(row));
                }
                self.meter.burn(looked_at * price)?;
                count
            }
        };
        self.meter.note(count, &[]);
        Ok(count)
    }

    /// Removes the rows that a filter lets through; returns how many. Refused, it has removed none.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn delete_where(&mut self, handle: u32, filter: &[u8]) -> Result<u64, HostError> {
        self.enter(HostCall::DeleteWhere, u64::from(handle), filter)?;
        let id = self.handle(handle, TableAccess::may_change)?;
        let savepoint = self.tables.tx_mut()?.savepoint();
        let table = self.tables.table(id)?;
        let predicate = read_filter(table, filter)?;
        let mut range = KeyRange::all();
        let mut count = 0;
        loop {
            let table = self.tables.table(id)?;
            let budget = self.meter.fuel() / price(predicate.as_ref());
            let (keys, looked_at) = next_keys(table, &mut range, predicate.as_ref(), budget);
            self.meter.burn(looked_at * price(predicate.as_ref()) + keys.len() as u64 * charge::HOST_CALL)?;
            if looked_at == 0 {
                break;
            }
            let tx = self.tables.tx_mut()?;
            let deleted = keys.iter().try_for_each(|key| tx.delete(id, key).map(|_| ()));
            if let Err(error) = deleted {
                tx.rollback_to(savepoint);
                return Err(refused(&mut self.meter, error));
            }
            count += keys.len() as u64;
        }
        self.meter.note(count, &[]);
        Ok(count)
    }
}

/// Most rows that `delete_where` looks at before it deletes what it found: keys are kept that long.
const MAX_DELETE_BATCH: u64 = 1_024;

/// The primary keys of rows at the front of `range` that `predicate` lets through, and how many rows were looked at: at most
/// one more than `budget`. The range begins behind them then.
fn next_keys(table: &Table, range: &mut KeyRange, predicate: Option<&Predicate>, budget: u64) -> (Vec<RowBytes>, u64) {
    let (mut keys, mut looked_at, mut last) = (Vec::new(), 0, None);
    for row in table.scan(IndexId::PRIMARY, range, false).take(budget.saturating_add(1).min(MAX_DELETE_BATCH) as usize)
    {
        looked_at += 1;
        if predicate.is_none_or(|predicate| predicate.holds(row)) {
            keys.push(table.primary_key_values(row));
        }
        last = Some(row);
    }
    if let Some(row) = last {
        range.start = behind(&table.primary_key(row, &mut Vec::new()));
    }
    (keys, looked_at)
}

/// Fuel for looking at one row.
fn price(predicate: Option<&Predicate>) -> u64 {
    charge::SCANNED_ROW + predicate.map_or(0, |predicate| u64::from(predicate.cost()) * charge::CONDITION)
}

/// The filter that a module gave for rows of `table`; none without bytes.
fn read_filter(table: &Table, bytes: &[u8]) -> Result<Option<Predicate>, HostError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let predicate = Filter::decode(bytes).and_then(|filter| Predicate::new(&filter, table.layout()));
    predicate
        .map(Some)
        .map_err(|error| trapped("invalid-filter", format!("not a filter of table `{}`: {error}", table.schema().name)))
}

/// Most bytes of rows that one `scan_next` gives, unless a single row is larger.
const MAX_SCAN_BATCH_SIZE: usize = 1 << 20;

/// An open scan.
pub(super) struct Scan {
    walk: Walk,
    /// How many rows it may still give.
    left: u64,
}

/// Rows of a range, as of the scan's opening.
struct Walk {
    table: SharedTable,
    index: IndexId,
    range: KeyRange,
    reverse: bool,
    predicate: Option<Predicate>,
}

impl Walk {
    fn price(&self) -> u64 {
        price(self.predicate.as_ref())
    }

    /// Has the range begin, or end, behind `row`.
    fn go_behind(&mut self, key: Key) {
        if self.reverse {
            self.range.end = Some(key);
        } else {
            self.range.start = behind(&key);
        }
    }
}

impl Scan {
    /// Moves on by as many rows as fit until `out` has `size` bytes, and looks at no more than one row above `budget`; returns
    /// how many it looked at, and how many it gave.
    fn advance(&mut self, size: usize, budget: u64, out: &mut Vec<u8>) -> (u64, u64) {
        let (mut looked_at, mut given, mut last) = (0, 0, None);
        let Walk { table, index, range, reverse, predicate } = &self.walk;
        for row in table.scan(*index, range, *reverse) {
            let wanted = predicate.as_ref().is_none_or(|predicate| predicate.holds(row));
            let is_full = wanted && given > 0 && out.len() + size_of::<u32>() + row.len() > size;
            if is_full || given == self.left || looked_at > budget {
                break;
            }
            looked_at += 1;
            last = Some(row);
            if wanted {
                out.extend((row.len() as u32).to_le_bytes());
                out.extend(row.iter());
                given += 1;
            }
        }
        self.left -= given;
        if let Some(row) = last {
            let key = table.index_key(*index, row, &mut Vec::new());
            self.walk.go_behind(key);
        }
        (looked_at, given)
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
