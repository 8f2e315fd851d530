//! Byte strings of one node, side by side in one buffer.
//!
//! String `i` is between `bounds[i]` and `bounds[i + 1]`. A string of more than [`LONGEST_PACKED`] bytes
//! stands outside, shared: bit `i` of `outside` is set then, it has no bytes in the buffer, and its place among the shared ones
//! is the number of bits set below.

use super::CAPACITY;
use interstice_types::row::{RowBytes, SharedBytes};
use std::ops::Range;

/// Longest string that stands in the buffer. What is longer is worth its own allocation, and moves nothing when it changes.
pub(super) const LONGEST_PACKED: usize = 256;
/// A buffer grows by a part of itself, so that little of it is unused; and not by every string.
const GROWTH_DIVISOR: usize = 3;
const MIN_GROWTH: usize = 96;
/// Bytes that come from memory together.
const LINE_SIZE: usize = 64;
/// What an allocation takes beside its bytes: the count of what is shared, and its length.
const SHARED_OVERHEAD: usize = 2 * size_of::<usize>();

/// Bytes for a tree to keep.
#[derive(Debug, Clone, Copy)]
pub enum Value<'v> {
    /// To be copied.
    Bytes(&'v [u8]),
    /// Of a row, which shares them if they are many.
    Row(&'v RowBytes),
}

impl Value<'_> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Row(row) => row,
        }
    }

    fn share(&self) -> SharedBytes {
        match self {
            Self::Bytes(bytes) => SharedBytes::from(*bytes),
            Self::Row(row) => row.share(),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Packed {
    buffer: Vec<u8>,
    bounds: [u16; CAPACITY + 1],
    count: u16,
    /// Which strings stand outside.
    outside: u32,
    /// Those, in order.
    shared: Vec<SharedBytes>,
}

const _: () = assert!(CAPACITY <= u32::BITS as usize && CAPACITY * LONGEST_PACKED <= u16::MAX as usize);

impl Packed {
    pub(super) const fn new() -> Self {
        Self { buffer: Vec::new(), bounds: [0; CAPACITY + 1], count: 0, outside: 0, shared: Vec::new() }
    }

    #[inline]
    pub(super) fn count(&self) -> usize {
        usize::from(self.count)
    }

    /// Looks at each line of memory that the strings are in: all at once, and nobody waits for what is there.
    #[inline]
    pub(super) fn fetch(&self) {
        let lines = self.buffer.iter().step_by(LINE_SIZE);
        std::hint::black_box(lines.fold(0, |all, byte| all ^ byte));
    }

    /// The string at `index`, which must be one of them.
    #[inline]
    pub(super) fn get(&self, index: usize) -> &[u8] {
        if self.outside == 0 || !self.is_outside(index) {
            &self.buffer[self.place(index)]
        } else {
            &self.shared[self.rank(index)]
        }
    }

    /// The string at `index`, to be kept: shared if it stands outside.
    #[inline]
    pub(super) fn to_row(&self, index: usize) -> RowBytes {
        if self.is_outside(index) {
            return self.shared[self.rank(index)].clone().into();
        }
        self.get(index).into()
    }

    /// Puts a string before the one at `index`.
    #[inline]
    pub(super) fn insert(&mut self, index: usize, value: Value<'_>) {
        let count = self.count();
        self.bounds.copy_within(index..=count, index + 1);
        self.count += 1;
        let below = bits_below(index);
        self.outside = (self.outside & below) | (self.outside & !below) << 1;
        self.fill(index, value);
    }

    /// Puts a string in the place of the one at `index`.
    #[inline]
    pub(super) fn replace(&mut self, index: usize, value: Value<'_>) {
        let place = self.place(index);
        let bytes = value.bytes();
        if self.outside == 0 && place.len() == bytes.len() {
            self.buffer[place].copy_from_slice(bytes);
            return;
        }
        self.clear(index);
        self.fill(index, value);
    }

    /// Takes the string at `index` out.
    pub(super) fn remove(&mut self, index: usize) {
        self.clear(index);
        let below = bits_below(index);
        self.outside = (self.outside & below) | (self.outside >> 1 & !below);
        let count = self.count();
        self.bounds.copy_within(index + 1..=count, index);
        self.count -= 1;
    }

    /// Keeps the first `kept` strings; returns the others.
    pub(super) fn split_off(&mut self, kept: usize) -> Self {
        let mut rest = Self::new();
        let cut = self.start(kept);
        rest.buffer = self.buffer[cut..].to_vec();
        rest.count = self.count - kept as u16;
        for (bound, old) in rest.bounds.iter_mut().zip(&self.bounds[kept..=self.count()]) {
            *bound = *old - cut as u16;
        }
        rest.shared = self.shared.split_off(self.rank(kept));
        rest.outside = self.outside.checked_shr(kept as u32).unwrap_or(0);
        self.outside &= bits_below(kept);
        self.buffer.truncate(cut);
        self.buffer.shrink_to_fit();
        self.shared.shrink_to_fit();
        self.count = kept as u16;
        rest
    }

    /// Adds the strings of `behind`.
    pub(super) fn append(&mut self, behind: &Self) {
        let (count, size) = (self.count(), self.buffer.len());
        self.buffer.reserve_exact(behind.buffer.len());
        self.buffer.extend_from_slice(&behind.buffer);
        for (bound, old) in self.bounds[count..].iter_mut().zip(&behind.bounds[..=behind.count()]) {
            *bound = size as u16 + *old;
        }
        self.outside |= behind.outside << count;
        self.shared.reserve_exact(behind.shared.len());
        self.shared.extend_from_slice(&behind.shared);
        self.count += behind.count;
    }

    /// Bytes that it has allocated.
    pub(super) fn allocated(&self) -> usize {
        let shared = self.shared.iter().map(|shared| shared.len() + SHARED_OVERHEAD).sum::<usize>();
        self.buffer.capacity() + self.shared.capacity() * size_of::<SharedBytes>() + shared
    }

    #[inline]
    fn is_outside(&self, index: usize) -> bool {
        self.outside >> index & 1 == 1
    }

    /// How many strings before `index` stand outside.
    #[inline]
    fn rank(&self, index: usize) -> usize {
        (self.outside & bits_below(index)).count_ones() as usize
    }

    #[inline]
    fn start(&self, index: usize) -> usize {
        usize::from(self.bounds[index])
    }

    /// Where the string at `index` is in the buffer.
    #[inline]
    fn place(&self, index: usize) -> Range<usize> {
        self.start(index)..self.start(index + 1)
    }

    /// Makes the string at `index` empty.
    fn clear(&mut self, index: usize) {
        if self.is_outside(index) {
            self.shared.remove(self.rank(index));
            self.outside &= !(1 << index);
            return;
        }
        let place = self.place(index);
        let size = place.len();
        self.buffer.copy_within(place.end.., place.start);
        self.buffer.truncate(self.buffer.len() - size);
        self.bounds[index + 1..=usize::from(self.count)].iter_mut().for_each(|bound| *bound -= size as u16);
        if self.buffer.len() < self.buffer.capacity() / 2 {
            self.buffer.shrink_to(self.buffer.len() + MIN_GROWTH);
        }
    }

    /// Has the empty string at `index` become `value`.
    #[inline]
    fn fill(&mut self, index: usize, value: Value<'_>) {
        let bytes = value.bytes();
        if bytes.len() > LONGEST_PACKED {
            self.shared.insert(self.rank(index), value.share());
            self.outside |= 1 << index;
            return;
        }
        let (start, size) = (self.start(index), bytes.len());
        self.open_gap(start, size);
        self.buffer[start..start + size].copy_from_slice(bytes);
        self.bounds[index + 1..=usize::from(self.count)].iter_mut().for_each(|bound| *bound += size as u16);
    }

    #[inline]
    fn open_gap(&mut self, start: usize, size: usize) {
        let used = self.buffer.len();
        if used + size > self.buffer.capacity() {
            self.buffer.reserve_exact(size.max(used / GROWTH_DIVISOR).max(MIN_GROWTH));
        }
        self.buffer.resize(used + size, 0);
        self.buffer.copy_within(start..used, start + size);
    }

    pub(super) fn assert_sound(&self) {
        assert!(self.bounds[..=self.count()].is_sorted(), "invariant: strings stand in order");
        assert_eq!(
            (self.start(0), self.start(self.count())),
            (0, self.buffer.len()),
            "invariant: the buffer holds the strings"
        );
        assert_eq!(self.outside & !bits_below(self.count()), 0, "invariant: what stands outside is counted");
        assert_eq!(self.rank(self.count()), self.shared.len(), "invariant: each bit has its string");
        for index in 0..self.count() {
            let size = self.get(index).len();
            assert_eq!(size > LONGEST_PACKED, self.is_outside(index), "invariant: long strings stand outside");
            assert!(!self.is_outside(index) || self.place(index).is_empty(), "invariant: and only there");
        }
        let unused = self.buffer.capacity() - self.buffer.len();
        assert!(
            unused <= (self.buffer.len() + LONGEST_PACKED).max(2 * MIN_GROWTH),
            "invariant: a buffer is not much larger than its strings"
        );
    }
}

/// A one for each of the first `count` places.
#[inline]
fn bits_below(count: usize) -> u32 {
    1_u32.checked_shl(count as u32).map_or(u32::MAX, |bit| bit - 1)
}
