//! An ordered map of byte strings as a value: a persistent B+ tree. A clone is O(1); a write copies only those nodes on its way
//! that a clone still holds.
//!
//! 1. All values are in leaves, all leaves are equally deep. Entry `i` of a branch is a child with a key that is not above the
//!    child's first key and above all keys of the child before.
//! 2. A leaf is a page: its values stand side by side in one buffer, but for long ones, which are shared.
//! 3. An insert into a full node splits it: behind the last entry, where sequences insert, the new entry goes alone, so that
//!    nodes stay full; anywhere else both halves are equal.
//! 4. A removal that leaves few entries joins the node to a neighbour if both fit into one with some room to spare. A
//!    node is never empty, but for the root; a root has more than one child.
//!
//! The order of keys, and what of them is kept, is the business of `keys`; bytes side by side that of `packed`; a node's of
//! `node`; a walk's of `range`; a tree from entries that are sorted already that of `build`.

mod build;
mod keys;
mod node;
mod packed;
mod range;

pub use build::TreeBuilder;
pub use packed::Value;
pub use range::Range;

use crate::range::KeyRange;
use interstice_types::key::Key;
use interstice_types::row::RowBytes;
use keys::Keys;
use node::{Branch, Inserted, Leaf, Node};
use triomphe::Arc;

/// Most entries of a node.
const CAPACITY: usize = 32;

/// An ordered map from [`Key`]s to bytes.
#[derive(Debug, Clone)]
pub struct Tree {
    root: Node,
    count: usize,
}

/// A key size, if it is one that a node remembers.
fn known_size(key_size: Option<usize>) -> Option<u16> {
    key_size.and_then(|size| u16::try_from(size).ok())
}

impl Tree {
    /// A map without entries. If every key is going to have the same size, `key_size` says which: keys take less room then.
    pub fn new(key_size: Option<usize>) -> Self {
        Self { root: Node::Leaf(Arc::new(Leaf::new(Keys::new(known_size(key_size))))), count: 0 }
    }

    /// The size of each key, if it was given.
    pub fn key_size(&self) -> Option<usize> {
        self.root.keys().size()
    }

    /// How many entries it has.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The value of `key`.
    #[inline]
    pub fn get(&self, key: &Key) -> Option<&[u8]> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return leaf.keys.find(key).ok().map(|index| leaf.values.get(index)),
                Node::Branch(branch) => node = &branch.children[branch.keys.child(key)],
            }
        }
    }

    /// Puts `value` in the place of the value of `key`, which is returned; does nothing if there is none.
    #[inline]
    pub fn replace(&mut self, key: &Key, value: Value<'_>) -> Option<RowBytes> {
        let mut node = &mut self.root;
        loop {
            match node {
                Node::Leaf(leaf) => {
                    let index = leaf.keys.find(key).ok()?;
                    let values = &mut Arc::make_mut(leaf).values;
                    let old = values.to_row(index);
                    values.replace(index, value);
                    return Some(old);
                }
                Node::Branch(branch) => {
                    let index = branch.keys.child(key);
                    node = &mut Arc::make_mut(branch).children[index];
                }
            }
        }
    }

    /// Adds an entry, if there is none of this key; says whether it did.
    ///
    /// # Panics
    /// If the key has not the size of the tree's keys.
    #[must_use]
    pub fn insert(&mut self, key: &Key, value: Value<'_>) -> bool {
        match self.root.insert(key, value) {
            Inserted::Refused => return false,
            Inserted::Done => {}
            Inserted::Split(rest) => {
                let left = self.root.clone();
                self.root = Node::Branch(Arc::new(Branch::above([left, rest])));
            }
        }
        self.count += 1;
        true
    }

    /// Takes the entry of `key` out.
    pub fn remove(&mut self, key: &Key) -> Option<RowBytes> {
        let value = self.root.remove(key)?;
        while let Some(only) = self.root.only_child() {
            self.root = only.clone();
        }
        self.count -= 1;
        Some(value)
    }

    /// The values of `range` in key order, or against it.
    pub fn range(&self, range: &KeyRange, reverse: bool) -> Range<'_> {
        Range::new(&self.root, range.clone(), reverse)
    }

    /// How many nodes it has.
    pub fn node_count(&self) -> usize {
        self.root.node_count()
    }

    /// Bytes that it has allocated, what it shares with clones included; without what an allocator adds.
    pub fn allocated_size(&self) -> usize {
        self.root.allocated()
    }

    /// Walks all nodes.
    ///
    /// # Panics
    /// If one of them is not as the head of this file says.
    pub fn assert_sound(&self) {
        let (count, _) = self.root.assert_sound((None, None));
        assert_eq!(count, self.count, "invariant: the tree counts its entries");
        assert!(self.root.only_child().is_none(), "invariant: a root has more than one child");
    }
}
