//! The sorted keys of one node.
//!
//! The first eight bytes of each key stand side by side as numbers: a search looks at those, and at whole keys only where they
//! tie. Keys of at most eight bytes that all have the same size are nothing but their number: whole ones are not kept then.

use interstice_types::key::Key;

/// Most entries of a node.
pub(super) const CAPACITY: usize = 32;
/// Numbers that a search compares one after the other: as many as a cache line has.
const BLOCK: usize = 8;
/// Bytes of a number.
const PREFIX_SIZE: usize = size_of::<u64>();

#[derive(Debug, Clone)]
pub(super) struct Keys {
    count: usize,
    /// Of all keys, if it is the same and at most [`PREFIX_SIZE`].
    size: Option<usize>,
    /// In order; `u64::MAX` behind the last.
    prefixes: [u64; CAPACITY],
    /// All of them, or none if `size` is known.
    whole: Vec<Key>,
}

impl Keys {
    /// No keys; of `size` each, if that is known.
    pub(super) fn new(size: Option<usize>) -> Self {
        let size = size.filter(|size| *size <= PREFIX_SIZE);
        Self { count: 0, size, prefixes: [u64::MAX; CAPACITY], whole: Vec::new() }
    }

    /// No keys; of the same size.
    pub(super) fn empty(&self) -> Self {
        Self::new(self.size)
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Where `key` is; or where it would be.
    #[inline]
    pub(super) fn find(&self, key: &Key) -> Result<usize, usize> {
        let prefix = key.prefix();
        let first = self.below(prefix);
        if first == self.count || self.prefixes[first] != prefix {
            return Err(first);
        }
        match self.size {
            Some(size) => match key.as_bytes().len() {
                len if len == size => Ok(first),
                // What has equal prefixes and is shorter is the beginning of the other one, and so before it.
                len => Err(first + usize::from(len > size)),
            },
            None => self.find_among_ties(first, prefix, key),
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

    fn find_among_ties(&self, first: usize, prefix: u64, key: &Key) -> Result<usize, usize> {
        let ties = self.prefixes[first..self.count].partition_point(|number| *number == prefix);
        let found = self.whole[first..first + ties].binary_search_by(|whole| whole.as_bytes().cmp(key.as_bytes()));
        found.map(|index| first + index).map_err(|index| first + index)
    }

    /// The key at `index`.
    pub(super) fn key(&self, index: usize) -> Key {
        match self.size {
            Some(size) => Key::new(&self.prefixes[..self.count][index].to_be_bytes()[..size]),
            None => self.whole[index].clone(),
        }
    }

    /// Puts `key` where it belongs.
    pub(super) fn insert(&mut self, index: usize, key: &Key) {
        assert!(self.count < CAPACITY, "invariant: the node has room");
        self.prefixes.copy_within(index..self.count, index + 1);
        self.prefixes[index] = key.prefix();
        self.count += 1;
        match self.size {
            Some(size) => assert_eq!(key.as_bytes().len(), size, "invariant: all keys of the tree have one size"),
            None => self.whole.insert(index, key.clone()),
        }
    }

    pub(super) fn remove(&mut self, index: usize) {
        self.prefixes.copy_within(index + 1..self.count, index);
        self.count -= 1;
        self.prefixes[self.count] = u64::MAX;
        if self.size.is_none() {
            self.whole.remove(index);
        }
    }

    /// Keeps the first `kept` keys; returns the others.
    pub(super) fn split_off(&mut self, kept: usize) -> Self {
        let mut rest = self.empty();
        rest.count = self.count - kept;
        rest.prefixes[..rest.count].copy_from_slice(&self.prefixes[kept..self.count]);
        if self.size.is_none() {
            rest.whole = self.whole.split_off(kept);
        }
        self.prefixes[kept..].fill(u64::MAX);
        self.count = kept;
        rest
    }

    /// Adds the keys of `behind`, all of which are greater.
    pub(super) fn append(&mut self, behind: &Self) {
        let count = self.count + behind.count;
        self.prefixes[self.count..count].copy_from_slice(&behind.prefixes[..behind.count]);
        self.whole.extend_from_slice(&behind.whole);
        self.count = count;
    }

    /// Puts `key` in the place of the first one, if it is less.
    pub(super) fn lower_first(&mut self, key: &Key) {
        if self.less_than(key) == 0 {
            self.prefixes[0] = key.prefix();
            if let Some(first) = self.whole.first_mut() {
                first.clone_from(key);
            }
        }
    }

    pub(super) fn assert_sound(&self, (first, end): (Option<&Key>, Option<&Key>)) {
        let keys: Vec<_> = (0..self.count).map(|index| self.key(index)).collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "invariant: keys are sorted, each once");
        assert!(
            first.is_none_or(|first| keys.iter().all(|key| first <= key)),
            "invariant: keys are behind the parent's"
        );
        assert!(end.is_none_or(|end| keys.iter().all(|key| key < end)), "invariant: keys are before the next node's");
        assert!(self.size.is_some() || self.whole.len() == self.count, "invariant: long keys are whole");
        assert!(keys.iter().zip(&self.prefixes).all(|(key, prefix)| key.prefix() == *prefix), "invariant: prefixes");
        assert!(self.prefixes[self.count..].iter().all(|prefix| *prefix == u64::MAX), "invariant: the rest is free");
    }
}
