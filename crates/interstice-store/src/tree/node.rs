//! A node of the tree: sorted keys, and beside each a value or a child.

use super::keys::{CAPACITY, Keys};
use arrayvec::ArrayVec;
use interstice_types::key::Key;
use triomphe::Arc;

/// A node with fewer entries is joined to a neighbour, if that has room.
const FEW: usize = CAPACITY / 4;
/// Most entries of a node that two were joined into.
const JOINED: usize = CAPACITY / 4 * 3;

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a branch is as large as a leaf of rows; its children are one step away")]
pub(super) enum Node<V> {
    Leaf(Entries<V>),
    Branch(Entries<Arc<Node<V>>>),
}

/// Sorted keys, each with something.
#[derive(Debug, Clone)]
pub(super) struct Entries<E> {
    pub(super) keys: Keys,
    pub(super) each: ArrayVec<E, CAPACITY>,
}

impl<E> Entries<E> {
    pub(super) fn new(keys: Keys) -> Self {
        Self { keys, each: ArrayVec::new() }
    }

    #[inline]
    pub(super) fn get(&self, key: &Key) -> Option<&E> {
        self.keys.find(key).ok().map(|index| &self.each[index])
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut E> {
        self.keys.find(key).ok().map(|index| &mut self.each[index])
    }

    /// Puts an entry where it belongs; returns what there is no room for, all of which belongs behind.
    fn insert(&mut self, index: usize, key: &Key, entry: E) -> Option<Self> {
        if self.each.len() < CAPACITY {
            self.put(index, key, entry);
            return None;
        }
        let kept = if index == CAPACITY { CAPACITY } else { CAPACITY / 2 };
        let mut rest = Self { keys: self.keys.split_off(kept), each: self.each.drain(kept..).collect() };
        if index < CAPACITY / 2 {
            self.put(index, key, entry);
        } else {
            rest.put(index - kept, key, entry);
        }
        Some(rest)
    }

    fn put(&mut self, index: usize, key: &Key, entry: E) {
        self.keys.insert(index, key);
        self.each.insert(index, entry);
    }

    fn take(&mut self, index: usize) -> E {
        self.keys.remove(index);
        self.each.remove(index)
    }

    /// Adds the entries of `behind`, all of which have greater keys.
    fn append(&mut self, behind: Self) {
        self.keys.append(&behind.keys);
        self.each.extend(behind.each);
    }
}

impl<V> Entries<Arc<Node<V>>> {
    pub(super) fn of_two(left: Arc<Node<V>>, right: Arc<Node<V>>) -> Self {
        let mut this = Self::new(left.keys().empty());
        for (index, child) in [left, right].into_iter().enumerate() {
            this.put(index, &child.keys().key(0), child);
        }
        this
    }

    /// The child that has `key`, if any has it.
    #[inline]
    pub(super) fn below(&self, key: &Key) -> &Node<V> {
        &self.each[self.keys.child(key)]
    }

    #[inline]
    pub(super) fn below_mut(&mut self, key: &Key) -> (usize, &mut Arc<Node<V>>) {
        let index = self.keys.child(key);
        (index, &mut self.each[index])
    }

    fn count_of(&self, index: usize) -> Option<usize> {
        self.each.get(index).map(|child| child.keys().count())
    }
}

impl<V: Clone> Entries<Arc<Node<V>>> {
    /// Makes one node of the child at `index`, which has `few` entries, and a neighbour with room; drops a child that has none.
    fn join(&mut self, index: usize, few: usize) {
        let fits = |neighbour: usize| self.count_of(neighbour).is_some_and(|count| count + few <= JOINED);
        let right = match index.checked_sub(1) {
            _ if few == 0 => return drop(self.take(index)),
            Some(left) if fits(left) => index,
            _ if fits(index + 1) => index + 1,
            _ => return,
        };
        let behind = self.take(right);
        let behind = Arc::try_unwrap(behind).unwrap_or_else(|shared| Node::clone(&shared));
        Arc::make_mut(&mut self.each[right - 1]).append(behind);
    }
}

/// How an insert ended.
pub(super) enum Inserted<R> {
    /// The key is there already.
    Refused,
    /// It is in.
    Done,
    /// It is in, and this had no room: it belongs behind.
    Split(R),
}

impl<R> From<Option<R>> for Inserted<R> {
    fn from(rest: Option<R>) -> Self {
        rest.map_or(Self::Done, Self::Split)
    }
}

impl<V> Node<V> {
    pub(super) fn keys(&self) -> &Keys {
        match self {
            Self::Leaf(leaf) => &leaf.keys,
            Self::Branch(branch) => &branch.keys,
        }
    }

    pub(super) fn node_count(&self) -> usize {
        match self {
            Self::Leaf(_) => 1,
            Self::Branch(branch) => 1 + branch.each.iter().map(|child| child.node_count()).sum::<usize>(),
        }
    }

    /// The child of a branch that has no other one.
    pub(super) fn only_child(&self) -> Option<&Arc<Self>> {
        match self {
            Self::Branch(branch) if branch.each.len() == 1 => branch.each.first(),
            _ => None,
        }
    }
}

impl<V: Clone> Node<V> {
    pub(super) fn insert(&mut self, key: &Key, value: V) -> Inserted<Self> {
        match self {
            Self::Leaf(leaf) => match leaf.keys.find(key) {
                Ok(_) => Inserted::Refused,
                Err(index) => leaf.insert(index, key, value).map(Self::Leaf).into(),
            },
            Self::Branch(branch) => {
                let (index, child) = branch.below_mut(key);
                let inserted = Arc::make_mut(child).insert(key, value);
                if index == 0 {
                    branch.keys.lower_first(key);
                }
                let Inserted::Split(rest) = inserted else { return inserted };
                branch.insert(index + 1, &rest.keys().key(0), Arc::new(rest)).map(Self::Branch).into()
            }
        }
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<V> {
        match self {
            Self::Leaf(leaf) => {
                let index = leaf.keys.find(key).ok()?;
                Some(leaf.take(index))
            }
            Self::Branch(branch) => {
                let (index, child) = branch.below_mut(key);
                let child = Arc::make_mut(child);
                let value = child.remove(key)?;
                let left = child.keys().count();
                if left < FEW {
                    branch.join(index, left);
                }
                Some(value)
            }
        }
    }

    fn append(&mut self, behind: Self) {
        match (self, behind) {
            (Self::Leaf(here), Self::Leaf(behind)) => here.append(behind),
            (Self::Branch(here), Self::Branch(behind)) => here.append(behind),
            _ => panic!("invariant: neighbours are equally deep"),
        }
    }

    /// With the bounds of the keys, the second one exclusive; returns how many values there are and how deep they lie.
    pub(super) fn assert_sound(&self, bounds: (Option<&Key>, Option<&Key>)) -> (usize, usize) {
        self.keys().assert_sound(bounds);
        let count = self.keys().count();
        let branch = match self {
            Self::Branch(branch) => branch,
            Self::Leaf(leaf) => {
                assert_eq!(leaf.each.len(), count, "invariant: each value has its key");
                return (count, 0);
            }
        };
        assert_eq!(branch.each.len(), count, "invariant: each child has its key");
        let child = |(index, child): (usize, &Arc<Self>)| {
            assert!(child.keys().count() > 0, "invariant: only the root may be empty");
            let next = (index + 1 < count).then(|| branch.keys.key(index + 1));
            child.assert_sound((Some(&branch.keys.key(index)), next.as_ref().or(bounds.1)))
        };
        let found: Vec<_> = branch.each.iter().enumerate().map(child).collect();
        assert!(found.iter().all(|(_, depth)| *depth == found[0].1), "invariant: all leaves are equally deep");
        (found.iter().map(|(count, _)| count).sum(), found[0].1 + 1)
    }
}
