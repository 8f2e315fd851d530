//! A row's bytes: in place if they are few, shared if they are many.

use std::fmt;
use std::ops::Deref;
use triomphe::{Arc, ThinArc};

/// Longest row that is kept in place: with its length it fills a cache line.
pub const INLINE_ROW_SIZE: usize = 62;

/// A row's canonical bytes, as the table, the changes and whoever is told of them have them.
///
/// A clone copies a cache line or counts.
#[derive(Clone)]
pub struct RowBytes(Repr);

#[derive(Clone)]
enum Repr {
    Inline { len: u8, bytes: [u8; INLINE_ROW_SIZE] },
    Shared(SharedBytes),
}

/// Bytes that whoever has them shares; one pointer.
#[derive(Clone)]
pub struct SharedBytes(ThinArc<(), u8>);

impl From<&[u8]> for SharedBytes {
    fn from(bytes: &[u8]) -> Self {
        Self(ThinArc::from_header_and_slice((), bytes))
    }
}

impl Deref for SharedBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0.slice
    }
}

impl fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({})", crate::id::to_hex(self))
    }
}

impl RowBytes {
    /// The bytes, to be changed by whoever made the row and has not cloned it yet.
    ///
    /// # Panics
    /// If a long row has a clone.
    pub fn change_unshared(&mut self, change: impl FnOnce(&mut [u8])) {
        match &mut self.0 {
            Repr::Inline { len, bytes } => change(&mut bytes[..usize::from(*len)]),
            Repr::Shared(SharedBytes(shared)) => shared
                .with_arc_mut(|arc| change(Arc::get_mut(arc).expect("invariant: the row has no clone").slice_mut())),
        }
    }

    /// The bytes, shared with this row if they are many, copied if they are few.
    pub fn share(&self) -> SharedBytes {
        match &self.0 {
            Repr::Inline { .. } => SharedBytes::from(&**self),
            Repr::Shared(shared) => shared.clone(),
        }
    }
}

impl From<SharedBytes> for RowBytes {
    fn from(bytes: SharedBytes) -> Self {
        if bytes.len() > INLINE_ROW_SIZE { Self(Repr::Shared(bytes)) } else { Self::from(&*bytes) }
    }
}

impl Deref for RowBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Shared(shared) => shared,
        }
    }
}

impl AsRef<[u8]> for RowBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<&[u8]> for RowBytes {
    #[inline]
    fn from(row: &[u8]) -> Self {
        if row.len() > INLINE_ROW_SIZE {
            return Self(Repr::Shared(SharedBytes::from(row)));
        }
        let mut bytes = [0; INLINE_ROW_SIZE];
        bytes[..row.len()].copy_from_slice(row);
        Self(Repr::Inline { len: row.len() as u8, bytes })
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

/// Changes are laid out for this.
const _: () = assert!(size_of::<RowBytes>() == 64);
