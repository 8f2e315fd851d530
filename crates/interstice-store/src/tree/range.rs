//! A walk over the values of a range of keys, in one of both directions.

use super::keys::Keys;
use super::node::{Leaf, Node};
use crate::range::KeyRange;
use std::hint::black_box;
use std::slice::Iter;

/// Values of a range, in key order or against it.
#[derive(Debug)]
pub struct Range<'t> {
    /// What is left of the branches on the way, from the root on.
    branches: Vec<Iter<'t, Node>>,
    /// The leaf, and what is left of it.
    leaf: Option<&'t Leaf>,
    left: std::ops::Range<usize>,
    bounds: KeyRange,
    reverse: bool,
}

impl<'t> Range<'t> {
    pub(super) fn new(root: &'t Node, bounds: KeyRange, reverse: bool) -> Self {
        let mut this = Self { branches: Vec::new(), leaf: None, left: 0..0, bounds, reverse };
        if !this.bounds.is_empty() {
            this.enter(root);
        }
        this
    }

    fn enter(&mut self, node: &'t Node) {
        match node {
            Node::Leaf(leaf) => {
                self.leaf = Some(leaf);
                // A walk over everything does not look at keys, which are memory of their own.
                self.left = if self.bounds.is_all() {
                    0..leaf.values.count()
                } else {
                    leaf.keys.less_than(&self.bounds.start)..self.end(&leaf.keys)
                };
            }
            Node::Branch(branch) => {
                let first = branch.keys.child(&self.bounds.start);
                // Nothing, if the bounds are exchanged.
                let children = branch.children.get(first..self.end(&branch.keys)).unwrap_or_default();
                self.branches.push(children.iter());
            }
        }
    }

    /// How many of the keys are not behind the range.
    fn end(&self, keys: &Keys) -> usize {
        self.bounds.end.as_ref().map_or(keys.count(), |end| keys.less_than(end))
    }

    #[cold]
    fn next_leaf(&mut self) -> Option<()> {
        loop {
            let branch = self.branches.last_mut()?;
            match if self.reverse { branch.next_back() } else { branch.next() } {
                Some(child @ Node::Leaf(_)) => {
                    fetch_ahead(branch.clone(), self.reverse);
                    self.enter(child);
                    return Some(());
                }
                Some(child) => self.enter(child),
                None => drop(self.branches.pop()),
            }
        }
    }
}

/// Has the processor fetch what the walk comes to next while it is busy with the leaf before that: the strings of the next leaf, and the
/// head of the one behind it, which says where its strings are. Leaves that were filled at random are anywhere in memory.
#[inline]
fn fetch_ahead(mut leaves: Iter<'_, Node>, reverse: bool) {
    let mut step = || if reverse { leaves.next_back() } else { leaves.next() };
    if let Some(Node::Leaf(next)) = step() {
        next.values.fetch();
    }
    if let Some(Node::Leaf(later)) = step() {
        black_box(later.values.count());
    }
}

impl<'t> Iterator for Range<'t> {
    type Item = &'t [u8];

    #[inline]
    fn next(&mut self) -> Option<&'t [u8]> {
        loop {
            let index = if self.reverse { self.left.next_back() } else { self.left.next() };
            if let (Some(index), Some(leaf)) = (index, self.leaf) {
                return Some(leaf.values.get(index));
            }
            self.next_leaf()?;
        }
    }
}
