//! The tree against `BTreeMap`: random writes on keys of every shape, clones that see nothing of them.

use interstice_store::range::KeyRange;
use interstice_store::tree::Tree;
use interstice_types::key::Key;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Bound;

/// How keys are made of numbers.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// All of eight bytes.
    Long,
    /// All of four bytes.
    Short,
    /// All of sixteen, the first eight of which tie.
    Tied,
    /// Of some text's size.
    Text,
}

impl Shape {
    fn size(self) -> Option<usize> {
        match self {
            Self::Long => Some(8),
            Self::Short => Some(4),
            Self::Tied => Some(16),
            Self::Text => None,
        }
    }

    fn key(self, number: u32) -> Key {
        let be = number.to_be_bytes();
        match self {
            // The largest number is `u64::MAX`, which free places have too.
            Self::Long => Key::new(&[[0xff; 4], be].concat()),
            Self::Short => Key::new(&be),
            Self::Tied => Key::new(&[[7; 4], [8; 4], (number / 3).to_be_bytes(), be].concat()),
            Self::Text => Key::new(&[format!("{:x>1$}", number, number as usize % 40).as_bytes(), &[0, 0]].concat()),
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    Insert(u32),
    /// As a sequence does.
    InsertMany(u32, u32),
    Change(u32),
    Remove(u32),
    RemoveMany(u32, u32),
    Clone,
    Range(u32, u32),
}

fn ops() -> impl Strategy<Value = (Shape, Vec<Op>)> {
    let number = || prop_oneof![8 => 0_u32..2_000, 1 => Just(u32::MAX)];
    let op = prop_oneof![
        6 => number().prop_map(Op::Insert),
        2 => (number(), 1_u32..300).prop_map(|(from, count)| Op::InsertMany(from, count)),
        3 => number().prop_map(Op::Change),
        6 => number().prop_map(Op::Remove),
        2 => (number(), 1_u32..400).prop_map(|(from, count)| Op::RemoveMany(from, count)),
        1 => Just(Op::Clone),
        3 => (number(), number()).prop_map(|(from, to)| Op::Range(from, to)),
    ];
    let shape = prop_oneof![Just(Shape::Long), Just(Shape::Short), Just(Shape::Tied), Just(Shape::Text)];
    (shape, prop::collection::vec(op, 0..80))
}

struct Pair {
    shape: Shape,
    tree: Tree<u64>,
    model: BTreeMap<Vec<u8>, u64>,
    writes: u64,
}

impl Pair {
    fn insert(&mut self, number: u32) {
        self.writes += 1;
        let key = self.shape.key(number);
        let is_new = !self.model.contains_key(key.as_bytes());
        assert_eq!(self.tree.insert(&key, self.writes), is_new);
        self.model.entry(key.as_bytes().to_vec()).or_insert(self.writes);
    }

    fn remove(&mut self, number: u32) {
        let key = self.shape.key(number);
        assert_eq!(self.tree.remove(&key), self.model.remove(key.as_bytes()));
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Insert(number) => self.insert(number),
            Op::InsertMany(from, count) => (0..count).for_each(|number| self.insert(from.saturating_add(number))),
            Op::Remove(number) => self.remove(number),
            Op::RemoveMany(from, count) => (0..count).for_each(|number| self.remove(from.saturating_add(number))),
            Op::Change(number) => {
                self.writes += 1;
                let key = self.shape.key(number);
                let (found, expected) = (self.tree.get_mut(&key), self.model.get_mut(key.as_bytes()));
                assert_eq!(found, expected);
                found.into_iter().chain(expected).for_each(|value| *value = self.writes);
            }
            Op::Range(from, to) => self.assert_range(from, to),
            Op::Clone => panic!("not a write"),
        }
    }

    fn assert_range(&self, from: u32, to: u32) {
        let (from, to) = (self.shape.key(from), self.shape.key(to));
        // Bounds of values, and bounds that are cut in the middle of a key.
        for cut in [usize::MAX, 8, 5, 1, 0] {
            let (from, to) =
                (&from.as_bytes()[..cut.min(from.as_bytes().len())], &to.as_bytes()[..cut.min(to.as_bytes().len())]);
            let ranges = [
                KeyRange::between(Bound::Included(from), Bound::Excluded(to)),
                KeyRange::between(Bound::Excluded(from), Bound::Included(to)),
                KeyRange::between(Bound::Unbounded, Bound::Included(from)),
                KeyRange::prefix(from),
            ];
            for range in ranges {
                let within = |key: &[u8]| {
                    key >= range.start.as_bytes() && range.end.as_ref().is_none_or(|end| key < end.as_bytes())
                };
                let mut expected: Vec<_> =
                    self.model.iter().filter(|(key, _)| within(key)).map(|(_, value)| *value).collect();
                assert_eq!(self.tree.range(&range, false).copied().collect::<Vec<_>>(), expected, "{range:?}");
                expected.reverse();
                assert_eq!(self.tree.range(&range, true).copied().collect::<Vec<_>>(), expected, "{range:?}");
            }
        }
    }

    fn assert_same(&self) {
        assert_is(&self.tree, &self.model);
    }
}

fn assert_is(tree: &Tree<u64>, model: &BTreeMap<Vec<u8>, u64>) {
    tree.assert_sound();
    assert_eq!(tree.count(), model.len());
    assert!(tree.range(&KeyRange::all(), false).eq(model.values()));
    assert!(tree.range(&KeyRange::all(), true).eq(model.values().rev()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_tree_is_a_btree_map_and_its_clones_are_values((shape, ops) in ops()) {
        let mut pair = Pair { shape, tree: Tree::new(shape.size()), model: BTreeMap::new(), writes: 0 };
        let mut clones = Vec::new();
        for op in &ops {
            match op {
                Op::Clone => clones.push((pair.tree.clone(), pair.model.clone())),
                write => pair.apply(write),
            }
            pair.assert_same();
        }
        for number in (0..2_400).chain([u32::MAX]) {
            let key = pair.shape.key(number);
            assert_eq!(pair.tree.get(&key), pair.model.get(key.as_bytes()));
        }
        for (tree, model) in &clones {
            assert_is(tree, model);
        }
    }
}

/// A sequence leaves full nodes behind: what a million rows take depends on it.
#[test]
fn ascending_keys_fill_their_nodes() {
    let mut tree = Tree::new(Some(8));
    (0..100_000_u64).for_each(|number| assert!(tree.insert(&Key::of_u64(number), ())));
    tree.assert_sound();
    let leaves = tree.node_count();
    assert!(leaves < 100_000 / 32 * 104 / 100, "{leaves} nodes for 100,000 entries");
}

/// Every second entry, then from the front: nodes are joined, the root goes down, nothing is left at the end.
#[test]
fn a_tree_that_is_emptied_in_any_order_has_one_node() {
    let orders: [fn(u64) -> u64; 3] = [|n| n, |n| 49_999 - n, |n| n * 31_337 % 50_000];
    for order in orders {
        let mut tree = Tree::new(Some(8));
        (0..50_000).for_each(|number| assert!(tree.insert(&Key::of_u64(number), number)));
        let full = tree.node_count();
        for number in 0..50_000 {
            assert_eq!(tree.remove(&Key::of_u64(order(number))), Some(order(number)));
            if number % 5_000 == 4_999 {
                tree.assert_sound();
            }
            if number == 45_000 {
                assert!(
                    tree.node_count() < full / 2,
                    "{} of {full} nodes for a tenth of the entries",
                    tree.node_count()
                );
            }
        }
        assert_eq!((tree.count(), tree.node_count()), (0, 1));
    }
}

#[test]
#[should_panic(expected = "invariant: all keys of the tree have one size")]
fn a_key_of_another_size_is_a_bug() {
    let mut tree = Tree::new(Some(8));
    let _ = tree.insert(&Key::new(b"four"), ());
}
