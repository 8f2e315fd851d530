//! A node of the tree: sorted keys, and beside each a value or a child.

use super::CAPACITY;
use super::keys::Keys;
use super::packed::{Packed, Value};
use arrayvec::ArrayVec;
use interstice_types::key::Key;
use interstice_types::row::RowBytes;
use triomphe::Arc;

/// A node with fewer entries is joined to a neighbour, if that has room.
const FEW: usize = CAPACITY / 4;
/// Most entries of a node that two were joined into.
const JOINED: usize = CAPACITY / 4 * 3;
/// What the allocation of a node takes beside it: the count of those who hold it.
const COUNT_SIZE: usize = size_of::<usize>();

/// A node; a clone is the same one.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Leaf(Arc<Leaf>),
    Branch(Arc<Branch>),
}

/// Sorted keys, each with a value.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) keys: Keys,
    pub(super) values: Packed,
}

/// Sorted keys, each with a child.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    pub(super) keys: Keys,
    pub(super) children: ArrayVec<Node, CAPACITY>,
}

/// How an insert ended.
pub(super) enum Inserted {
    /// The key is there already.
    Refused,
    /// It is in.
    Done,
    /// It is in, and this had no room: it belongs behind.
    Split(Node),
}

/// How a full node with a new entry at `index` becomes two: how many entries stay, and whether the new one is among them.
///
/// Behind the last entry, where sequences insert, all stay, so that nodes are full.
fn split(index: usize) -> (usize, bool) {
    let kept = if index == CAPACITY { CAPACITY } else { CAPACITY / 2 };
    (kept, index < CAPACITY / 2)
}

impl Leaf {
    pub(super) fn new(keys: Keys) -> Self {
        Self { keys, values: Packed::new() }
    }

    /// Puts an entry where it belongs; returns what there is no room for, all of which belongs behind.
    fn insert(&mut self, index: usize, key: &Key, value: Value<'_>) -> Option<Self> {
        if self.keys.count() < CAPACITY {
            self.put(index, key, value);
            return None;
        }
        let (kept, here) = split(index);
        let mut rest = Self { keys: self.keys.split_off(kept), values: self.values.split_off(kept) };
        if here {
            self.put(index, key, value);
        } else {
            rest.put(index - kept, key, value);
        }
        Some(rest)
    }

    pub(super) fn put(&mut self, index: usize, key: &Key, value: Value<'_>) {
        self.keys.insert(index, key);
        self.values.insert(index, value);
    }

    fn take(&mut self, index: usize) -> RowBytes {
        let value = self.values.to_row(index);
        self.keys.remove(index);
        self.values.remove(index);
        value
    }
}

impl Branch {
    /// A branch above `children`, at most [`CAPACITY`] of them.
    pub(super) fn above(children: impl IntoIterator<Item = Node>) -> Self {
        let children: ArrayVec<_, CAPACITY> = children.into_iter().collect();
        let mut keys = children[0].keys().empty();
        for (index, child) in children.iter().enumerate() {
            keys.insert(index, &child.keys().key(0));
        }
        Self { keys, children }
    }

    fn insert(&mut self, index: usize, child: Node) -> Option<Self> {
        if self.children.len() < CAPACITY {
            self.put(index, child);
            return None;
        }
        let (kept, here) = split(index);
        let mut rest = Self { keys: self.keys.split_off(kept), children: self.children.drain(kept..).collect() };
        if here {
            self.put(index, child);
        } else {
            rest.put(index - kept, child);
        }
        Some(rest)
    }

    fn put(&mut self, index: usize, child: Node) {
        self.keys.insert(index, &child.keys().key(0));
        self.children.insert(index, child);
    }

    fn take(&mut self, index: usize) -> Node {
        self.keys.remove(index);
        self.children.remove(index)
    }

    fn count_of(&self, index: usize) -> Option<usize> {
        self.children.get(index).map(|child| child.keys().count())
    }

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
        self.children[right - 1].append(&behind);
    }
}

impl Node {
    #[inline]
    pub(super) fn keys(&self) -> &Keys {
        match self {
            Self::Leaf(leaf) => &leaf.keys,
            Self::Branch(branch) => &branch.keys,
        }
    }

    pub(super) fn node_count(&self) -> usize {
        match self {
            Self::Leaf(_) => 1,
            Self::Branch(branch) => 1 + branch.children.iter().map(Self::node_count).sum::<usize>(),
        }
    }

    /// Bytes that it and all below have allocated.
    pub(super) fn allocated(&self) -> usize {
        match self {
            Self::Leaf(leaf) => COUNT_SIZE + size_of::<Leaf>() + leaf.keys.allocated() + leaf.values.allocated(),
            Self::Branch(branch) => {
                let below = branch.children.iter().map(Self::allocated).sum::<usize>();
                COUNT_SIZE + size_of::<Branch>() + branch.keys.allocated() + below
            }
        }
    }

    /// The child of a branch that has no other one.
    pub(super) fn only_child(&self) -> Option<&Self> {
        match self {
            Self::Branch(branch) if branch.children.len() == 1 => branch.children.first(),
            _ => None,
        }
    }

    pub(super) fn insert(&mut self, key: &Key, value: Value<'_>) -> Inserted {
        let split = match self {
            Self::Leaf(leaf) => {
                let Err(index) = leaf.keys.find(key) else { return Inserted::Refused };
                Arc::make_mut(leaf).insert(index, key, value).map(|rest| Self::Leaf(Arc::new(rest)))
            }
            Self::Branch(branch) => {
                let index = branch.keys.child(key);
                let branch = Arc::make_mut(branch);
                let inserted = branch.children[index].insert(key, value);
                if index == 0 {
                    branch.keys.lower_first(key);
                }
                let Inserted::Split(rest) = inserted else { return inserted };
                branch.insert(index + 1, rest).map(|rest| Self::Branch(Arc::new(rest)))
            }
        };
        split.map_or(Inserted::Done, Inserted::Split)
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<RowBytes> {
        match self {
            Self::Leaf(leaf) => {
                let index = leaf.keys.find(key).ok()?;
                Some(Arc::make_mut(leaf).take(index))
            }
            Self::Branch(branch) => {
                let index = branch.keys.child(key);
                let branch = Arc::make_mut(branch);
                let value = branch.children[index].remove(key)?;
                let left = branch.children[index].keys().count();
                if left < FEW {
                    branch.join(index, left);
                }
                Some(value)
            }
        }
    }

    /// Adds the entries of `behind`, all of which have greater keys.
    fn append(&mut self, behind: &Self) {
        match (self, behind) {
            (Self::Leaf(here), Self::Leaf(behind)) => {
                let here = Arc::make_mut(here);
                here.keys.append(&behind.keys);
                here.values.append(&behind.values);
            }
            (Self::Branch(here), Self::Branch(behind)) => {
                let here = Arc::make_mut(here);
                here.keys.append(&behind.keys);
                here.children.extend(behind.children.iter().cloned());
            }
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
                assert_eq!(leaf.values.count(), count, "invariant: each value has its key");
                leaf.values.assert_sound();
                return (count, 0);
            }
        };
        assert_eq!(branch.children.len(), count, "invariant: each child has its key");
        let child = |(index, child): (usize, &Self)| {
            assert!(child.keys().count() > 0, "invariant: only the root may be empty");
            let next = (index + 1 < count).then(|| branch.keys.key(index + 1));
            child.assert_sound((Some(&branch.keys.key(index)), next.as_ref().or(bounds.1)))
        };
        let found: Vec<_> = branch.children.iter().enumerate().map(child).collect();
        assert!(found.iter().all(|(_, depth)| *depth == found[0].1), "invariant: all leaves are equally deep");
        (found.iter().map(|(count, _)| count).sum(), found[0].1 + 1)
    }
}
