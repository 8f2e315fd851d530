//! A tree from entries that are sorted already: leaves are filled one after the other, branches are put above them.

use super::keys::Keys;
use super::node::{Branch, Leaf, Node};
use super::packed::Value;
use super::{CAPACITY, Tree, known_size};
use interstice_types::key::Key;
use triomphe::Arc;

/// Takes entries in key order.
#[derive(Debug)]
pub struct TreeBuilder {
    full: Vec<Node>,
    leaf: Leaf,
    last: Option<Key>,
    count: usize,
}

impl TreeBuilder {
    /// Of a tree as [`Tree::new`] makes it.
    pub fn new(key_size: Option<usize>) -> Self {
        let leaf = Leaf::new(Keys::new(known_size(key_size)));
        Self { full: Vec::new(), leaf, last: None, count: 0 }
    }

    /// Adds the next entry; says whether its key is behind the last one, without which nothing is added.
    ///
    /// # Panics
    /// If the key has not the size of the tree's keys.
    #[must_use]
    pub fn push(&mut self, key: Key, value: Value<'_>) -> bool {
        if self.last.as_ref().is_some_and(|last| *last >= key) {
            return false;
        }
        if self.leaf.keys.count() == CAPACITY {
            let next = Leaf::new(self.leaf.keys.empty());
            self.full.push(Node::Leaf(Arc::new(std::mem::replace(&mut self.leaf, next))));
        }
        self.leaf.put(self.leaf.keys.count(), &key, value);
        self.last = Some(key);
        self.count += 1;
        true
    }

    /// The tree of all entries.
    pub fn finish(self) -> Tree {
        let mut nodes = self.full;
        nodes.push(Node::Leaf(Arc::new(self.leaf)));
        while nodes.len() > 1 {
            let mut below = nodes.into_iter().peekable();
            nodes = Vec::with_capacity(below.len().div_ceil(CAPACITY));
            while below.peek().is_some() {
                nodes.push(Node::Branch(Arc::new(Branch::above(below.by_ref().take(CAPACITY)))));
            }
        }
        let root = nodes.pop().expect("invariant: there is at least one leaf");
        Tree { root, count: self.count }
    }
}
