//! Rows of a range, fetched batch by batch.

use crate::datatype::{Datatype, Input};
use crate::host;
use crate::key::Span;
use interstice_abi::header::encode_bounds;
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
    reverse: bool,
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
            reverse: false,
            scan: Scan::NotOpen,
            batch: Vec::new(),
            position: 0,
            row: PhantomData,
        }
    }

    /// The other way round. Call it before the first row is taken.
    ///
    /// # Panics
    /// If one was.
    pub fn reverse(mut self) -> Self {
        assert!(matches!(self.scan, Scan::NotOpen), "`reverse` comes before the first row");
        self.reverse = !self.reverse;
        self
    }

    /// Fetches the next batch; false at the end.
    fn fetch(&mut self) -> bool {
        let (scan, size) = match self.scan {
            Scan::Done => return false,
            Scan::Open(scan) => (scan, BATCH_SIZE),
            Scan::NotOpen => {
                let mut bounds = Vec::new();
                let (lower, upper) = &self.bounds;
                encode_bounds((lower.as_ref().map(Vec::as_slice), upper.as_ref().map(Vec::as_slice)), &mut bounds);
                let scan = host::scan_open(self.handle, self.index, &bounds, self.reverse);
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
