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
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// #[table]
/// pub struct Score {
///     #[primary_key]
///     pub player: String,
///     #[index]
///     pub points: u32,
/// }
///
/// #[query]
/// fn best(scores: Read<Score>, n: u64) -> Vec<String> {
///     scores.by_points(..).reverse().limit(n).map(|score| score.player).collect()
/// }
///
/// /// What is written meanwhile is not seen.
/// #[reducer]
/// fn double(scores: Write<Score>) -> u64 {
///     let changed = scores.by_points(1..).map(|score| scores.update(Score { points: 2 * score.points, ..score }));
///     changed.count() as u64
/// }
///
/// # #[reducer]
/// # fn fill(scores: Insert<Score>) {
/// #     for (player, points) in [("ada", 3), ("grace", 5), ("eve", 0)] {
/// #         scores.insert(Score { player: player.to_owned(), points });
/// #     }
/// # }
/// #[interstice_sdk::test]
/// fn of_three_players_one_has_no_points(db: &mut TestDatabase) {
/// #   db.call::<()>("fill", ()).unwrap();
///     assert_eq!(db.query::<Vec<String>>("best", (2_u64,)), Ok(vec!["grace".to_owned(), "ada".to_owned()]));
///     assert_eq!(db.call::<u64>("double", ()), Ok(2));
/// }
/// ```
pub struct Rows<T> {
    handle: u32,
    index: u16,
    bounds: (Bound<Vec<u8>>, Bound<Vec<u8>>),
    filter: Option<Filter<T>>,
    reverse: bool,
    limit: u64,
    scan: State,
    batch: Vec<u8>,
    position: usize,
    row: PhantomData<T>,
}

enum State {
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
            scan: State::NotOpen,
            batch: Vec::new(),
            position: 0,
            row: PhantomData,
        }
    }

    /// To be narrowed by a filter before they leave the host.
    #[must_use]
    pub fn scan(self) -> Scan<T> {
        Scan { rows: self }
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
        assert!(matches!(self.scan, State::NotOpen), "`{what}` comes before the first row");
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
            State::Done => return false,
            State::Open(scan) => (scan, BATCH_SIZE),
            State::NotOpen => {
                let scan = self.open();
                self.scan = State::Open(scan);
                (scan, FIRST_BATCH_SIZE)
            }
        };
        self.position = 0;
        host::scan_next(scan, size, &mut self.batch);
        if self.batch.is_empty() {
            host::scan_close(scan);
            self.scan = State::Done;
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

/// Rows of which the host gives out only those that a filter holds for. Its own [`filter`](Self::filter) stands in the place of that
/// of iterators, which gets rows that have left the host.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// # #[table]
/// # pub struct Score { #[primary_key] pub player: String, #[index] pub points: u32, pub team: u8 }
/// # #[reducer]
/// # fn fill(scores: Insert<Score>) {
/// #     for (player, points, team) in [("ada", 3, 1), ("grace", 5, 2), ("eve", 0, 1), ("barbara", 7, 1)] {
/// #         scores.insert(Score { player: player.to_owned(), points, team });
/// #     }
/// # }
/// /// The best of a team: rows come from the index backwards, the host looks for the first two that fit.
/// #[query]
/// fn best(scores: Read<Score>, team: u8) -> Vec<String> {
///     let of_team = scores.by_points(1..).scan().filter(Score::TEAM.eq(team)).reverse().limit(2);
///     of_team.map(|score| score.player).collect()
/// }
///
/// #[interstice_sdk::test]
/// fn of_team_1(db: &mut TestDatabase) {
/// #   db.call::<()>("fill", ()).unwrap();
///     assert_eq!(db.query::<Vec<String>>("best", (1_u8,)), Ok(vec!["barbara".to_owned(), "ada".to_owned()]));
/// }
/// ```
pub struct Scan<T> {
    rows: Rows<T>,
}

impl<T: Datatype> Scan<T> {
    /// Only rows that `filter` holds for, and those of earlier filters.
    ///
    /// # Panics
    /// If a row was taken already.
    #[must_use]
    pub fn filter(mut self, filter: Filter<T>) -> Self {
        self.rows.assert_not_open("filter");
        self.rows.filter = Some(match self.rows.filter.take() {
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
    pub fn reverse(self) -> Self {
        Self { rows: self.rows.reverse() }
    }

    /// No more than so many rows: the host looks for no more.
    ///
    /// # Panics
    /// If a row was taken already.
    #[must_use]
    pub fn limit(self, count: u64) -> Self {
        Self { rows: self.rows.limit(count) }
    }
}

impl<T: Datatype> Iterator for Scan<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.rows.next()
    }
}

impl<T> Drop for Rows<T> {
    fn drop(&mut self) {
        if let State::Open(scan) = self.scan {
            host::scan_close(scan);
        }
    }
}
