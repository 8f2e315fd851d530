//! Rows of a range, or those of them that a filter lets through, fetched batch by batch.

use crate::column::Filter;
use crate::datatype::{Datatype, Input};
use crate::host;
use crate::key::Span;
use interstice_abi::header::ScanRequest;
use std::marker::PhantomData;
use std::ops::Bound;

/// Bytes of rows in the first batch: few, for many readers want one row.
const FIRST_BATCH_SIZE: usize = 4 << 10;
/// Bytes of rows in later batches.
const BATCH_SIZE: usize = 64 << 10;

/// Rows in index order, as the table was when the first one was asked for.
pub struct Rows<T> {
    handle: u32,
    index: u16,
    bounds: (Bound<Vec<u8>>, Bound<Vec<u8>>),
    filter: Option<Filter<T>>,
    reverse: bool,
    limit: u64,
    scan: Scan,
    batch: Vec<u8>,
    position: usize,
    row: PhantomData<T>,
}

enum Scan {
    NotOpen,
    Open(u32),
    Done,
}

impl<T: Datatype> Rows<T> {
    pub(crate) fn new<K>(handle: u32, index: u16, span: Span<K>) -> Self {
        Self {
            handle,
            index,
            bounds: (span.lower, span.upper),
            filter: None,
            reverse: false,
            limit: u64::MAX,
            scan: Scan::NotOpen,
            batch: Vec::new(),
            position: 0,
            row: PhantomData,
        }
    }

    /// Only rows that the host finds `filter` to hold for, and those of earlier filters. For a closure write
    /// `Iterator::filter(rows, …)`: it gets rows that have crossed the boundary.
    ///
    /// # Panics
    /// If a row was taken already.
    #[must_use]
    pub fn filter(mut self, filter: Filter<T>) -> Self {
        self.assert_not_open("filter");
        self.filter = Some(match self.filter.take() {
            Some(before) => before & filter,
            None => filter,
        });
        self
    }

    /// The other way round.
    ///
    /// # Panics
    /// If a row was taken already.
    #[must_use]
    pub fn reverse(mut self) -> Self {
        self.assert_not_open("reverse");
        self.reverse = !self.reverse;
        self
    }

    /// No more than so many rows: the host looks for no more.
    ///
    /// # Panics
    /// If a row was taken already.
    #[must_use]
    pub fn limit(mut self, count: u64) -> Self {
        self.assert_not_open("limit");
        self.limit = self.limit.min(count);
        self
    }

    fn assert_not_open(&self, what: &str) {
        assert!(matches!(self.scan, Scan::NotOpen), "`{what}` comes before the first row");
    }

    fn open(&self) -> u32 {
        let (lower, upper) = &self.bounds;
        let bounds = (lower.as_ref().map(Vec::as_slice), upper.as_ref().map(Vec::as_slice));
        let filter = self.filter.as_ref().map(Filter::bytes).unwrap_or_default();
        let mut request = Vec::new();
        ScanRequest { bounds, filter: &filter, reverse: self.reverse, limit: self.limit }.encode(&mut request);
        host::scan_open(self.handle, self.index, &request)
    }

    /// Fetches the next batch; false at the end.
    fn fetch(&mut self) -> bool {
        let (scan, size) = match self.scan {
            Scan::Done => return false,
            Scan::Open(scan) => (scan, BATCH_SIZE),
            Scan::NotOpen => {
                let scan = self.open();
                self.scan = Scan::Open(scan);
                (scan, FIRST_BATCH_SIZE)
            }
        };
        self.position = 0;
        host::scan_next(scan, size, &mut self.batch);
        if self.batch.is_empty() {
            host::scan_close(scan);
            self.scan = Scan::Done;
        }
        !self.batch.is_empty()
    }
}

impl<T: Datatype> Iterator for Rows<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.position == self.batch.len() && !self.fetch() {
            return None;
        }
        let mut input = Input::new(&self.batch[self.position..]);
        let length = input.length();
        let row = T::decode(&mut Input::new(input.take(length)));
        self.position += size_of::<u32>() + length;
        Some(row)
    }
}

impl<T> Drop for Rows<T> {
    fn drop(&mut self) {
        if let Scan::Open(scan) = self.scan {
            host::scan_close(scan);
        }
    }
}
