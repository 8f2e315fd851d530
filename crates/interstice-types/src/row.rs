//! A row's bytes, shared.

use std::fmt;
use std::ops::Deref;
use triomphe::{Arc, ThinArc};

/// A row's canonical bytes, shared between the table, the changes and whoever is told of them.
///
/// One pointer: count, length and bytes stand together behind it, for a small row in one cache line.
#[derive(Clone)]
pub struct RowBytes(ThinArc<(), u8>);

impl RowBytes {
    /// The bytes, to be changed by whoever made the row and has not shared it yet.
    ///
    /// # Panics
    /// If there is a clone.
    pub fn change_unshared(&mut self, change: impl FnOnce(&mut [u8])) {
        self.0.with_arc_mut(|arc| change(Arc::get_mut(arc).expect("invariant: the row has no clone").slice_mut()));
    }
}

impl Deref for RowBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0.slice
    }
}

impl AsRef<[u8]> for RowBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<&[u8]> for RowBytes {
    #[inline]
    fn from(bytes: &[u8]) -> Self {
        Self(ThinArc::from_header_and_slice((), bytes))
    }
}

impl From<Vec<u8>> for RowBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl<const N: usize> From<[u8; N]> for RowBytes {
    fn from(bytes: [u8; N]) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl FromIterator<u8> for RowBytes {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Self {
        Self::from(bytes.into_iter().collect::<Vec<_>>())
    }
}

impl PartialEq for RowBytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for RowBytes {}

impl fmt::Debug for RowBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row({})", crate::id::to_hex(self))
    }
}
