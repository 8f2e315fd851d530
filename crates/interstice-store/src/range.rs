//! Ranges of keys, as a first key and a key behind the last.

use interstice_types::key::{self, Key};
use std::ops::Bound;

/// Keys from `start` on, up to but without `end`.
///
/// Values of the first columns of an index are a *prefix* of its keys; no such prefix is a prefix of another one, so that
/// every bound on values is one of these ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key that may be in it.
    pub start: Key,
    /// The first key behind it; `None` for no end.
    pub end: Option<Key>,
}

impl KeyRange {
    /// Every key.
    pub fn all() -> Self {
        Self { start: Key::new(&[]), end: None }
    }

    /// The keys that begin with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { start: Key::new(prefix), end: key::after_prefix(prefix) }
    }

    /// The keys whose first columns are within the bounds. Bounds that are exchanged give an empty range.
    pub fn between(lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Self {
        let start = match lower {
            Bound::Unbounded => Key::new(&[]),
            Bound::Included(prefix) => Key::new(prefix),
            Bound::Excluded(prefix) => match key::after_prefix(prefix) {
                Some(after) => after,
                None => return Self { start: Key::new(prefix), end: Some(Key::new(&[])) },
            },
        };
        let end = match upper {
            Bound::Unbounded => None,
            Bound::Included(prefix) => key::after_prefix(prefix),
            Bound::Excluded(prefix) => Some(Key::new(prefix)),
        };
        Self { start, end }
    }

    /// Whether every key is in it.
    #[inline]
    pub fn is_all(&self) -> bool {
        self.end.is_none() && self.start.as_bytes().is_empty()
    }

    /// Whether no key can be in it.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}
