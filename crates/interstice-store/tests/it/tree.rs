//! The tree against `BTreeMap`: random writes of values of every size on keys of every shape, clones that see nothing of them.

use interstice_store::range::KeyRange;
use interstice_store::tree::{Tree, TreeBuilder, Value};
use interstice_types::key::Key;
use interstice_types::row::RowBytes;
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
    /// Of some text's size, some longer than what is packed.
    LongText,
}

impl Shape {
    fn size(self) -> Option<usize> {
        match self {
            Self::Long => Some(8),
            Self::Short => Some(4),
            Self::Tied => Some(16),
            Self::Text | Self::LongText => None,
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
            Self::LongText => {
                Key::new(&[format!("{:x>1$}", number, number as usize * 7 % 300).as_bytes(), &[0, 0]].concat())
            }
        }
    }
}

/// How long the values of a tree are.
#[derive(Debug, Clone, Copy)]
enum Sizes {
    /// All of eight bytes.
    Same,
    /// From none to somewhat more than what is packed.
    Any,
    /// At and around the longest that is packed.
    AroundPacked,
}

impl Sizes {
    /// The `number`th value: no two are equal, but for those that are shorter than eight bytes.
    fn value(self, number: u64) -> Vec<u8> {
        let size = match self {
            Self::Same => 8,
            Self::Any => (number * 37 % 300) as usize,
            Self::AroundPacked => 254 + (number % 5) as usize,
        };
        let mut bytes = number.to_be_bytes().repeat(size / 8 + 1);
        bytes.truncate(size);
        bytes
    }
}

#[derive(Debug, Clone)]
enum Op {
    Insert(u32),
    /// As a sequence does.
    InsertMany(u32, u32),
    Change(u32),
    ChangeMany(u32, u32),
    Remove(u32),
    RemoveMany(u32, u32),
    Clone,
    Range(u32, u32),
}

fn ops() -> impl Strategy<Value = ((Shape, Sizes), Vec<Op>)> {
    let number = || prop_oneof![8 => 0_u32..2_000, 1 => Just(u32::MAX)];
    let op = prop_oneof![
        6 => number().prop_map(Op::Insert),
        2 => (number(), 1_u32..300).prop_map(|(from, count)| Op::InsertMany(from, count)),
        3 => number().prop_map(Op::Change),
        1 => (number(), 1_u32..100).prop_map(|(from, count)| Op::ChangeMany(from, count)),
        6 => number().prop_map(Op::Remove),
        2 => (number(), 1_u32..400).prop_map(|(from, count)| Op::RemoveMany(from, count)),
        1 => Just(Op::Clone),
        3 => (number(), number()).prop_map(|(from, to)| Op::Range(from, to)),
    ];
    let shapes = [Shape::Long, Shape::Short, Shape::Tied, Shape::Text, Shape::LongText].as_slice();
    let sizes = [Sizes::Same, Sizes::Any, Sizes::AroundPacked].as_slice();
    let form = (prop::sample::select(shapes), prop::sample::select(sizes));
    (form, prop::collection::vec(op, 0..80))
}

struct Pair {
    shape: Shape,
    sizes: Sizes,
    tree: Tree,
    model: Model,
    writes: u64,
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

impl Pair {
    fn new((shape, sizes): (Shape, Sizes)) -> Self {
        Self { shape, sizes, tree: Tree::new(shape.size()), model: BTreeMap::new(), writes: 0 }
    }

    fn next_value(&mut self) -> RowBytes {
        self.writes += 1;
        self.sizes.value(self.writes).into()
    }

    fn insert(&mut self, number: u32) {
        let (key, value) = (self.shape.key(number), self.next_value());
        let is_new = !self.model.contains_key(key.as_bytes());
        // Both ways to give a value, in turn.
        let given = if self.writes.is_multiple_of(2) { Value::Bytes(&value) } else { Value::Row(&value) };
        assert_eq!(self.tree.insert(&key, given), is_new);
        self.model.entry(key.as_bytes().to_vec()).or_insert(value.to_vec());
    }

    fn change(&mut self, number: u32) {
        let (key, value) = (self.shape.key(number), self.next_value());
        let replaced = self.tree.replace(&key, Value::Row(&value));
        let expected = self.model.get_mut(key.as_bytes()).map(|slot| std::mem::replace(slot, value.to_vec()));
        assert_eq!(replaced.as_deref(), expected.as_deref());
    }

    fn remove(&mut self, number: u32) {
        let key = self.shape.key(number);
        assert_eq!(self.tree.remove(&key).as_deref(), self.model.remove(key.as_bytes()).as_deref());
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Insert(number) => self.insert(number),
            Op::InsertMany(from, count) => (0..count).for_each(|number| self.insert(from.saturating_add(number))),
            Op::Remove(number) => self.remove(number),
            Op::RemoveMany(from, count) => (0..count).for_each(|number| self.remove(from.saturating_add(number))),
            Op::Change(number) => self.change(number),
            Op::ChangeMany(from, count) => (0..count).for_each(|number| self.change(from.saturating_add(number))),
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
                    self.model.iter().filter(|(key, _)| within(key)).map(|(_, value)| value.as_slice()).collect();
                assert_eq!(self.tree.range(&range, false).collect::<Vec<_>>(), expected, "{range:?}");
                expected.reverse();
                assert_eq!(self.tree.range(&range, true).collect::<Vec<_>>(), expected, "{range:?}");
            }
        }
    }

    fn assert_same(&self) {
        assert_is(&self.tree, &self.model);
    }
}

fn assert_is(tree: &Tree, model: &Model) {
    tree.assert_sound();
    assert_eq!(tree.count(), model.len());
    assert!(tree.range(&KeyRange::all(), false).eq(model.values()));
    assert!(tree.range(&KeyRange::all(), true).eq(model.values().rev()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_tree_is_a_btree_map_and_its_clones_are_values((form, ops) in ops()) {
        let mut pair = Pair::new(form);
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
            assert_eq!(pair.tree.get(&key), pair.model.get(key.as_bytes()).map(Vec::as_slice));
        }
        for (tree, model) in &clones {
            assert_is(tree, model);
        }
    }

    #[test]
    fn a_tree_that_is_built_is_the_tree_that_is_inserted_into((form, ops) in ops()) {
        let mut pair = Pair::new(form);
        ops.iter().filter(|op| !matches!(op, Op::Clone)).for_each(|op| pair.apply(op));
        let mut builder = TreeBuilder::new(pair.shape.size());
        for (key, value) in &pair.model {
            assert!(builder.push(Key::new(key), Value::Bytes(value)));
            assert!(!builder.push(Key::new(key), Value::Bytes(value)), "a key that is there already");
        }
        pair.tree = builder.finish();
        pair.assert_same();
        ops.iter().filter(|op| !matches!(op, Op::Clone)).for_each(|op| pair.apply(op));
        pair.assert_same();
    }
}

/// A sequence leaves full nodes behind: what a million rows take depends on it.
#[test]
fn ascending_keys_fill_their_nodes() {
    let mut tree = Tree::new(Some(8));
    (0..100_000_u64).for_each(|number| assert!(tree.insert(&Key::of_u64(number), Value::Bytes(&[]))));
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
        (0..50_000).for_each(|number| assert!(tree.insert(&Key::of_u64(number), Value::Bytes(&number.to_le_bytes()))));
        let full = tree.node_count();
        for number in 0..50_000 {
            let removed = tree.remove(&Key::of_u64(order(number)));
            assert_eq!(removed.as_deref(), Some(&order(number).to_le_bytes()[..]));
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
    let _ = tree.insert(&Key::new(b"four"), Value::Bytes(&[]));
}

/// Another number for each, in no order: a step of SplitMix64.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// Of rows of (`u64`, `u32`, string of 16 bytes): what a row takes, with everything that the tree allocates for it.
#[test]
fn a_million_rows_take_at_most_twice_their_bytes_in_any_order() {
    let orders: [fn(u64) -> u64; 3] = [|n| n, |n| u64::MAX - n, mixed];
    let row = [7_u8; 8 + 4 + 4 + 16];
    for (number, order) in orders.into_iter().enumerate() {
        let mut tree = Tree::new(Some(8));
        (0..1_000_000).for_each(|n| assert!(tree.insert(&Key::of_u64(order(n)), Value::Bytes(&row))));
        let each = tree.allocated_size() as f64 / 1_000_000.0;
        assert!(each <= 2.0 * row.len() as f64, "order {number}: {each} bytes for a row of {}", row.len());
    }
}

/// A long value that a row shares is not copied into the tree, nor out of it.
#[test]
fn long_values_are_shared() {
    let row = RowBytes::from(vec![1; 300]);
    let mut tree = Tree::new(Some(8));
    assert!(tree.insert(&Key::of_u64(1), Value::Row(&row)));
    assert_eq!(tree.get(&Key::of_u64(1)).unwrap().as_ptr(), row.as_ptr());
    assert_eq!(tree.remove(&Key::of_u64(1)).unwrap().as_ptr(), row.as_ptr());
}
