//! A walk over the values of a range of keys, in one of both directions.

use super::node::Node;
use crate::range::KeyRange;
use std::slice::Iter;
use triomphe::Arc;

/// Values of a range, in key order or against it.
#[derive(Debug)]
pub struct Range<'t, V> {
    /// What is left of the branches on the way, from the root on.
    branches: Vec<Iter<'t, Arc<Node<V>>>>,
    /// What is left of the leaf.
    leaf: Iter<'t, V>,
    bounds: KeyRange,
    reverse: bool,
}

impl<'t, V> Range<'t, V> {
    pub(super) fn new(root: &'t Node<V>, bounds: KeyRange, reverse: bool) -> Self {
        let mut this = Self { branches: Vec::new(), leaf: Iter::default(), bounds, reverse };
        if !this.bounds.is_empty() {
            this.enter(root);
        }
        this
    }

    fn enter(&mut self, node: &'t Node<V>) {
        let (keys, bounds) = (node.keys(), &self.bounds);
        let end = bounds.end.as_ref().map_or(keys.count(), |end| keys.less_than(end));
        match node {
            Node::Leaf(leaf) => self.leaf = between(&leaf.each, keys.less_than(&bounds.start), end).iter(),
            Node::Branch(branch) => self.branches.push(between(&branch.each, keys.child(&bounds.start), end).iter()),
        }
    }
}

/// Nothing, if the bounds are exchanged.
fn between<T>(entries: &[T], start: usize, end: usize) -> &[T] {
    entries.get(start..end).unwrap_or_default()
}

impl<'t, V> Iterator for Range<'t, V> {
    type Item = &'t V;

    fn next(&mut self) -> Option<&'t V> {
        loop {
            let value = if self.reverse { self.leaf.next_back() } else { self.leaf.next() };
            if value.is_some() {
                return value;
            }
            let branch = self.branches.last_mut()?;
            match if self.reverse { branch.next_back() } else { branch.next() } {
                Some(child) => self.enter(child),
                None => drop(self.branches.pop()),
            }
        }
    }
}
