//! The sorted keys of one node.
//!
//! The first eight bytes of each key stand side by side as numbers: a search looks at those, and at the rest only where they
//! tie. Keys of at most eight bytes that all have the same size are nothing but their number. Of longer ones of the same size
//! the bytes behind the number are kept; of keys whose sizes differ all bytes.

use super::CAPACITY;
use super::packed::{Packed, Value};
use interstice_types::key::Key;

/// Numbers that a search compares one after the other: as many as a cache line has.
const BLOCK: usize = 8;
/// Bytes of a number.
const PREFIX_SIZE: usize = size_of::<u64>();

#[derive(Debug, Clone)]
pub(super) struct Keys {
    count: u16,
    /// Of all keys, if it is the same.
    size: Option<u16>,
    /// What the numbers do not say of each key; nothing, if they say everything.
    rest: Option<Box<Packed>>,
    /// In order; `u64::MAX` behind the last.
    prefixes: [u64; CAPACITY],
}

impl Keys {
    /// No keys; of `size` each, if that is known.
    pub(super) fn new(size: Option<u16>) -> Self {
        let numbers_say_everything = size.is_some_and(|size| usize::from(size) <= PREFIX_SIZE);
        let rest = (!numbers_say_everything).then(|| Box::new(Packed::new()));
        Self { count: 0, size, rest, prefixes: [u64::MAX; CAPACITY] }
    }

    /// No keys; of the same size.
    pub(super) fn empty(&self) -> Self {
        Self::new(self.size)
    }

    /// Of each, if that is known.
    pub(super) fn size(&self) -> Option<usize> {
        self.size.map(usize::from)
    }

    #[inline]
    pub(super) fn count(&self) -> usize {
        usize::from(self.count)
    }

    /// Where `key` is; or where it would be.
    #[inline]
    pub(super) fn find(&self, key: &Key) -> Result<usize, usize> {
        let prefix = key.prefix();
        let first = self.below(prefix);
        if first == self.count() || self.prefixes[first] != prefix {
            return Err(first);
        }
        match (&self.rest, self.size) {
            (None, Some(size)) => match key.as_bytes().len() {
                len if len == usize::from(size) => Ok(first),
                // What has equal prefixes and is shorter is the beginning of the other one, and so before it.
                len => Err(first + usize::from(len > usize::from(size))),
            },
            (Some(rest), _) => self.find_among_ties(rest, first, prefix, key),
            (None, None) => panic!("invariant: of keys whose sizes differ all bytes are kept"),
        }
    }

    /// The entry of a branch below which `key` is, if it is anywhere.
    #[inline]
    pub(super) fn child(&self, key: &Key) -> usize {
        self.find(key).unwrap_or_else(|behind| behind.saturating_sub(1))
    }

    /// How many keys are less than `key`.
    pub(super) fn less_than(&self, key: &Key) -> usize {
        self.find(key).unwrap_or_else(|behind| behind)
    }

    /// How many prefixes are less: first which block, by the last of each, then where in it. Without branches that depend
    /// on keys, and with all blocks' loads under way at once.
    #[inline]
    fn below(&self, prefix: u64) -> usize {
        let last_of_blocks = (BLOCK - 1..CAPACITY - BLOCK).step_by(BLOCK);
        let block: usize = last_of_blocks.map(|last| usize::from(self.prefixes[last] < prefix)).sum();
        let numbers = &self.prefixes[block * BLOCK..][..BLOCK];
        block * BLOCK + numbers.iter().map(|number| usize::from(*number < prefix)).sum::<usize>()
    }

    fn find_among_ties(&self, rest: &Packed, first: usize, prefix: u64, key: &Key) -> Result<usize, usize> {
        let wanted = self.behind_number(key);
        let (mut from, mut to) =
            (first, first + self.prefixes[first..self.count()].partition_point(|number| *number == prefix));
        while from < to {
            let middle = usize::midpoint(from, to);
            match rest.get(middle).cmp(wanted) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        Err(from)
    }

    /// What is kept of `key` beside its number; nothing of the beginning of a key, which is before all that begin like it.
    fn behind_number<'k>(&self, key: &'k Key) -> &'k [u8] {
        key.as_bytes().get(self.said_by_number()..).unwrap_or_default()
    }

    /// How many bytes of each key its number stands for.
    fn said_by_number(&self) -> usize {
        self.size.map_or(0, |size| PREFIX_SIZE.min(usize::from(size)))
    }

    /// The key at `index`.
    pub(super) fn key(&self, index: usize) -> Key {
        let number = self.prefixes[..self.count()][index].to_be_bytes();
        let beginning = &number[..self.said_by_number()];
        match &self.rest {
            None => Key::new(beginning),
            Some(rest) if beginning.is_empty() => Key::new(rest.get(index)),
            Some(rest) => Key::new(&[beginning, rest.get(index)].concat()),
        }
    }

    /// Puts `key` where it belongs.
    #[inline]
    pub(super) fn insert(&mut self, index: usize, key: &Key) {
        let count = self.count();
        assert!(count < CAPACITY, "invariant: the node has room");
        let size = key.as_bytes().len();
        assert!(
            self.size.is_none_or(|of_all| usize::from(of_all) == size),
            "invariant: all keys of the tree have one size"
        );
        self.prefixes.copy_within(index..count, index + 1);
        self.prefixes[index] = key.prefix();
        self.count += 1;
        let kept = self.behind_number(key);
        if let Some(rest) = &mut self.rest {
            rest.insert(index, Value::Bytes(kept));
        }
    }

    pub(super) fn remove(&mut self, index: usize) {
        let count = self.count();
        self.prefixes.copy_within(index + 1..count, index);
        self.prefixes[count - 1] = u64::MAX;
        self.count -= 1;
        if let Some(rest) = &mut self.rest {
            rest.remove(index);
        }
    }

    /// Keeps the first `kept` keys; returns the others.
    pub(super) fn split_off(&mut self, kept: usize) -> Self {
        let mut prefixes = [u64::MAX; CAPACITY];
        let count = self.count() - kept;
        prefixes[..count].copy_from_slice(&self.prefixes[kept..self.count()]);
        let rest = self.rest.as_mut().map(|rest| Box::new(rest.split_off(kept)));
        self.prefixes[kept..].fill(u64::MAX);
        self.count = kept as u16;
        Self { count: count as u16, size: self.size, rest, prefixes }
    }

    /// Adds the keys of `behind`, all of which are greater.
    pub(super) fn append(&mut self, behind: &Self) {
        let count = self.count() + behind.count();
        self.prefixes[usize::from(self.count)..count].copy_from_slice(&behind.prefixes[..behind.count()]);
        if let (Some(rest), Some(behind)) = (&mut self.rest, &behind.rest) {
            rest.append(behind);
        }
        self.count = count as u16;
    }

    /// Puts `key` in the place of the first one, if it is less.
    #[inline]
    pub(super) fn lower_first(&mut self, key: &Key) {
        if self.less_than(key) == 0 {
            self.prefixes[0] = key.prefix();
            let kept = self.behind_number(key);
            if let Some(rest) = &mut self.rest {
                rest.replace(0, Value::Bytes(kept));
            }
        }
    }

    /// Bytes that it has allocated.
    pub(super) fn allocated(&self) -> usize {
        self.rest.as_ref().map_or(0, |rest| size_of::<Packed>() + rest.allocated())
    }

    pub(super) fn assert_sound(&self, (first, end): (Option<&Key>, Option<&Key>)) {
        let keys: Vec<_> = (0..self.count()).map(|index| self.key(index)).collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "invariant: keys are sorted, each once");
        assert!(
            first.is_none_or(|first| keys.iter().all(|key| first <= key)),
            "invariant: keys are behind the parent's"
        );
        assert!(end.is_none_or(|end| keys.iter().all(|key| key < end)), "invariant: keys are before the next node's");
        if let Some(rest) = &self.rest {
            assert_eq!(rest.count(), keys.len(), "invariant: each number has its rest");
            rest.assert_sound();
        }
        assert!(keys.iter().zip(&self.prefixes).all(|(key, prefix)| key.prefix() == *prefix), "invariant: prefixes");
        assert!(self.prefixes[self.count()..].iter().all(|prefix| *prefix == u64::MAX), "invariant: the rest is free");
    }
}
