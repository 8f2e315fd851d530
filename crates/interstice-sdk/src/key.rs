//! Keys to look for: single values, tuples for composite keys, ranges and prefixes of either.

use crate::datatype::{Datatype, encode_str};
use crate::scratch;
use std::marker::PhantomData;
use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// Values of the columns of a key, in key order: one value, or a tuple of two to four.
pub trait Columns {
    /// Appends the values' bytes, one after the other.
    fn encode_columns(&self, out: &mut Vec<u8>);
}

impl<T: Datatype> Columns for T {
    fn encode_columns(&self, out: &mut Vec<u8>) {
        self.encode(out);
    }
}

macro_rules! tuples {
    ($(($($name:ident $index:tt),+))*) => {$(
        impl<$($name: Datatype),+> Columns for ($($name,)+) {
            fn encode_columns(&self, out: &mut Vec<u8>) {
                $(self.$index.encode(out);)+
            }
        }
    )*};
}

tuples! { (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) }

/// A whole key with columns `K`, as bytes.
///
/// `get`, `contains`, `delete` and `find_by_…` take what becomes one: the value itself or a reference to it, `&str` for a `String`, and a tuple for a key of several columns.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// #[table(primary_key(hall, number))]
/// pub struct Seat {
///     pub hall: String,
///     pub number: u32,
///     #[unique]
///     pub guest: String,
/// }
///
/// #[reducer]
/// fn sit(seats: Write<Seat>, hall: String, number: u32, guest: String) -> Vec<bool> {
///     let key = (hall.clone(), number);
///     let found = vec![
///         seats.contains(&key),
///         seats.contains((&*hall, number)),
///         seats.find_by_guest(&guest).is_some(),
///         seats.find_by_guest("ada").is_some(),
///     ];
///     seats.delete((&*hall, number));
///     seats.insert(Seat { hall, number, guest });
///     found
/// }
///
/// #[interstice_sdk::test]
/// fn keys_are_written_in_many_ways(db: &mut TestDatabase) {
///     assert_eq!(db.call::<Vec<bool>>("sit", ("a", 1_u32, "ada")), Ok(vec![false; 4]));
///     assert_eq!(db.call::<Vec<bool>>("sit", ("a", 1_u32, "ada")), Ok(vec![true; 4]));
/// }
/// ```
pub struct Lookup<K> {
    pub(crate) values: Vec<u8>,
    columns: PhantomData<K>,
}

impl<K> Lookup<K> {
    #[inline]
    fn of(encode: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut values = scratch::take();
        encode(&mut values);
        Self { values, columns: PhantomData }
    }
}

impl<K: Columns> From<K> for Lookup<K> {
    fn from(key: K) -> Self {
        Self::of(|out| key.encode_columns(out))
    }
}

impl<K: Columns> From<&K> for Lookup<K> {
    fn from(key: &K) -> Self {
        Self::of(|out| key.encode_columns(out))
    }
}

impl From<&str> for Lookup<String> {
    fn from(key: &str) -> Self {
        Self::of(|out| encode_str(key, out))
    }
}

impl<B: Datatype> From<(&str, B)> for Lookup<(String, B)> {
    fn from(key: (&str, B)) -> Self {
        Self::of(|out| {
            encode_str(key.0, out);
            key.1.encode(out);
        })
    }
}

/// Keys with columns `K`: one, those with a prefix, or a range of either.
///
/// `range` and `by_…` take what becomes one: a key, the first few columns of one, a range between two of either, or `..`.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// #[table(primary_key(year, month, day))]
/// pub struct Diary {
///     pub year: u16,
///     pub month: u8,
///     pub day: u8,
/// }
///
/// #[query]
/// fn counts(diary: Read<Diary>) -> Vec<u64> {
///     let spans = [
///         diary.range((2026, 2, 1)),                  // a key
///         diary.range((2026, 2)),                     // a prefix of two columns
///         diary.range(2026),                          // of one
///         diary.range((2026, 1, 2)..(2026, 2, 1)),    // up to, without
///         diary.range((2026, 1, 2)..=(2026, 2, 1)),   // up to, with
///         diary.range((2026, 2, 2)..),
///         diary.range(..(2026, 1, 1)),
///         diary.range(..=(2026, 1, 1)),
///         diary.range(..),
///     ];
///     spans.into_iter().map(|rows| rows.count() as u64).collect()
/// }
///
/// # #[reducer]
/// # fn fill(diary: Insert<Diary>) {
/// #     for (year, month, day) in [(2025, 12, 31), (2026, 1, 1), (2026, 1, 2), (2026, 2, 1), (2026, 2, 2)] {
/// #         diary.insert(Diary { year, month, day });
/// #     }
/// # }
/// #[interstice_sdk::test]
/// fn of_new_years_eve_and_two_days_in_each_of_two_months(db: &mut TestDatabase) {
/// #   db.call::<()>("fill", ()).unwrap();
///     assert_eq!(db.query::<Vec<u64>>("counts", ()), Ok(vec![1, 2, 4, 1, 2, 1, 1, 2, 5]));
/// }
/// ```
pub struct Span<K> {
    pub(crate) lower: Bound<Vec<u8>>,
    pub(crate) upper: Bound<Vec<u8>>,
    columns: PhantomData<K>,
}

impl<K> Span<K> {
    pub(crate) fn new(lower: Bound<Vec<u8>>, upper: Bound<Vec<u8>>) -> Self {
        Self { lower, upper, columns: PhantomData }
    }

    fn exactly(encode: impl FnOnce(&mut Vec<u8>)) -> Self {
        let values = Lookup::<K>::of(encode).values;
        Self::new(Bound::Included(values.clone()), Bound::Included(values))
    }

    fn between(lower: Bound<&impl Columns>, upper: Bound<&impl Columns>) -> Self {
        Self::new(lower.map(bytes_of), upper.map(bytes_of))
    }
}

fn bytes_of(columns: &impl Columns) -> Vec<u8> {
    let mut out = Vec::new();
    columns.encode_columns(&mut out);
    out
}

impl<K: Columns> From<K> for Span<K> {
    fn from(key: K) -> Self {
        Self::exactly(|out| key.encode_columns(out))
    }
}

impl<K: Columns> From<&K> for Span<K> {
    fn from(key: &K) -> Self {
        Self::exactly(|out| key.encode_columns(out))
    }
}

impl From<&str> for Span<String> {
    fn from(key: &str) -> Self {
        Self::exactly(|out| encode_str(key, out))
    }
}

impl<K> From<RangeFull> for Span<K> {
    fn from(_: RangeFull) -> Self {
        Self::new(Bound::Unbounded, Bound::Unbounded)
    }
}

macro_rules! ranges {
    ($($range:ident($this:ident) $lower:expr, $upper:expr;)*) => {$(
        impl<K: Columns> From<$range<K>> for Span<K> {
            fn from($this: $range<K>) -> Self {
                Self::between($lower, $upper)
            }
        }
    )*};
}

ranges! {
    Range(range) Bound::Included(&range.start), Bound::Excluded(&range.end);
    RangeInclusive(range) Bound::Included(range.start()), Bound::Included(range.end());
    RangeFrom(range) Bound::Included(&range.start), Bound::<&K>::Unbounded;
    RangeTo(range) Bound::<&K>::Unbounded, Bound::Excluded(&range.end);
    RangeToInclusive(range) Bound::<&K>::Unbounded, Bound::Included(&range.end);
}

macro_rules! prefixes {
    ($(($($name:ident)+) of ($($all:ident)+);)*) => {$(
        impl<$($all: Datatype),+> From<prefixes!(@type $($name)+)> for Span<($($all,)+)> {
            fn from(prefix: prefixes!(@type $($name)+)) -> Self {
                Self::exactly(|out| prefix.encode_columns(out))
            }
        }
    )*};
    (@type $one:ident) => { $one };
    (@type $($many:ident)+) => { ($($many,)+) };
}

prefixes! {
    (A) of (A B);
    (A) of (A B C);
    (A B) of (A B C);
    (A) of (A B C D);
    (A B) of (A B C D);
    (A B C) of (A B C D);
}

impl<B: Datatype> From<&str> for Span<(String, B)> {
    fn from(prefix: &str) -> Self {
        Self::exactly(|out| encode_str(prefix, out))
    }
}

impl<B: Datatype> From<(&str, B)> for Span<(String, B)> {
    fn from(key: (&str, B)) -> Self {
        Self::exactly(|out| {
            encode_str(key.0, out);
            key.1.encode(out);
        })
    }
}
