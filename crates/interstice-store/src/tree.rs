//! An ordered map as a value: a persistent B+ tree. A clone is O(1); a write copies only those nodes on its way that a clone
//! still holds.
//!
//! 1. All values are in leaves, all leaves are equally deep. Entry `i` of a branch is a child with a key that is not above the
//!    child's first key and above all keys of the child before.
//! 2. An insert into a full node splits it: behind the last entry, where sequences insert, the new entry goes alone, so that
//!    nodes stay full; anywhere else both halves are equal.
//! 3. A removal that leaves few entries joins the node to a neighbour if both fit into one with some room to spare. A
//!    node is never empty, but for the root; a root has more than one child.
//!
//! The order of keys, and what of them is kept, is the business of `keys`; a node's of `node`; a walk's of `range`.

mod keys;
mod node;
mod range;

pub use range::Range;

use crate::range::KeyRange;
use interstice_types::key::Key;
use keys::Keys;
use node::{Entries, Inserted, Node};
use triomphe::Arc;

/// An ordered map from [`Key`]s.
#[derive(Debug, Clone)]
pub struct Tree<V> {
    root: Arc<Node<V>>,
    count: usize,
}

impl<V: Clone> Tree<V> {
    /// A map without entries. If every key is going to have the same size, `key_size` says which: short keys take less room
    /// then.
    pub fn new(key_size: Option<usize>) -> Self {
        Self { root: Arc::new(Node::Leaf(Entries::new(Keys::new(key_size)))), count: 0 }
    }

    /// How many entries it has.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The value of `key`.
    pub fn get(&self, key: &Key) -> Option<&V> {
        let mut node = &*self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return leaf.get(key),
                Node::Branch(branch) => node = branch.below(key),
            }
        }
    }

    /// The value of `key`, to be changed.
    pub fn get_mut(&mut self, key: &Key) -> Option<&mut V> {
        let mut node = &mut self.root;
        loop {
            match Arc::make_mut(node) {
                Node::Leaf(leaf) => return leaf.get_mut(key),
                Node::Branch(branch) => node = branch.below_mut(key).1,
            }
        }
    }

    /// Adds an entry, if there is none of this key; says whether it did.
    ///
    /// # Panics
    /// If the key has not the size of the tree's keys.
    #[must_use]
    pub fn insert(&mut self, key: &Key, value: V) -> bool {
        match Arc::make_mut(&mut self.root).insert(key, value) {
            Inserted::Refused => return false,
            Inserted::Done => {}
            Inserted::Split(rest) => {
                let left = Arc::clone(&self.root);
                self.root = Arc::new(Node::Branch(Entries::of_two(left, Arc::new(rest))));
            }
        }
        self.count += 1;
        true
    }

    /// Takes the entry of `key` out.
    pub fn remove(&mut self, key: &Key) -> Option<V> {
        let value = Arc::make_mut(&mut self.root).remove(key)?;
        while let Some(only) = self.root.only_child() {
            self.root = Arc::clone(only);
        }
        self.count -= 1;
        Some(value)
    }

    /// The values of `range` in key order, or against it.
    pub fn range(&self, range: &KeyRange, reverse: bool) -> Range<'_, V> {
        Range::new(&self.root, range.clone(), reverse)
    }

    /// How many nodes it has.
    pub fn node_count(&self) -> usize {
        self.root.node_count()
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
