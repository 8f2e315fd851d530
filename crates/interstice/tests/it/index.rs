//! The history of a row by an index is what going over all of the history says.

use crate::world::{Op, World, kit, op};
use interstice::history::HistoryError;
use interstice::history::index::{self, Base, Index, IndexError, StretchError};
use interstice::history::row::{row_history, selector};
use interstice::snapshot::load::load_before;
use interstice_log::log::CommitLog;
use interstice_log::segment::LogId;
use interstice_log::storage::memory::MemoryStorage;
use interstice_log::storage::{Storage, StorageFile};
use proptest::prelude::*;
use std::collections::HashMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of log in a stretch: a few transactions.
const STRETCH: u64 = 3_000;

type Rows = Index<MemoryStorage>;

fn base(world: &World) -> Base<MemoryStorage> {
    Base::of(&world.log, &world.snapshots).unwrap()
}

fn open(world: &World, files: &MemoryStorage) -> Rows {
    Index::open(&world.log, (files.clone(), LogId([1; 16])), &base(world), Some(STRETCH)).unwrap()
}

/// Opens what is in `files` and goes on to the end of the log, a few frames at a time.
fn followed(world: &World, files: &MemoryStorage) -> Rows {
    let mut index = open(world, files);
    while !index.follow(&world.log, 800).unwrap() {}
    index
}

/// For every row that there ever was, and one that there never was: as told by the index, and by going over everything.
fn compare(world: &World, index: &Rows, limits: &[usize]) {
    let base = base(world);
    let never = [("m.t0".to_owned(), "77777".to_owned()), ("m.t0".to_owned(), "[1]".to_owned())];
    for (table, key) in world.rows.iter().chain(&never) {
        let selector = selector(table, key).unwrap();
        for limit in limits.iter().copied() {
            let most = world.snapshots.earliest(&world.log).unwrap();
            let (start, _) = load_before(&world.log, &world.snapshots, most, kit()).unwrap();
            let walked = row_history(&world.log, start, &selector, limit);
            let found = index::row_history(&world.log, (index, &base), (&selector, limit));
            match (walked, found) {
                // Rows came under other keys: it does not know which.
                (_, Ok(None)) => assert!(world.rekeyed, "{table} {key}, {limit}"),
                (Ok(walked), Ok(Some(found))) => {
                    assert_eq!(found.entries, walked.entries, "{table} {key}, {limit}");
                    assert_eq!(found.more, walked.more, "{table} {key}, {limit}");
                }
                (Err(walked), Err(found)) => assert_eq!(found.to_string(), walked.to_string(), "{table} {key}"),
                (walked, found) => panic!("{table} {key}, {limit}: {found:?}, going over everything: {walked:?}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn an_index_tells_of_a_row_what_all_of_the_history_tells(
        ops in proptest::collection::vec(op(), 1..120),
        every in 1..40_usize,
    ) {
        let (mut world, files) = (World::new(), MemoryStorage::default());
        for (number, op) in ops.iter().enumerate() {
            world.act(op);
            if number % every == 0 {
                // A process that ends in the middle of it.
                let mut index = open(&world, &files);
                index.follow(&world.log, 300 * number as u64).unwrap();
                if number % 2 == 0 {
                    index.keep().unwrap();
                }
            }
        }
        let index = followed(&world, &files);
        compare(&world, &index, &[0, 1, 2, 1_000]);
        prop_assert_eq!(index.verify(&world.log, &|_| ()).unwrap(), vec![]);
        // The same with nothing to begin with, and with the log's beginning gone.
        compare(&world, &followed(&world, &MemoryStorage::default()), &[2, 1_000]);
        if let Some(bound) = world.snapshots.trim_bound().unwrap() {
            world.log.trim(bound).unwrap();
            compare(&world, &index, &[1, 1_000]);
            let mut again = followed(&world, &files);
            again.prune(&world.log).unwrap();
            compare(&world, &again, &[2, 1_000]);
            compare(&world, &followed(&world, &MemoryStorage::default()), &[1_000]);
        }
    }
}

/// A history with two complete stretches and more.
fn with_stretches() -> (World, MemoryStorage) {
    let (mut world, files) = (World::new(), MemoryStorage::default());
    world.act(&Op::Create);
    (0..60).for_each(|number| world.act(&Op::Put(0, number % 7, u16::from(number))));
    let stretches = followed(&world, &files).size().0;
    assert!(stretches >= 2, "{stretches} stretches");
    (world, files)
}

fn turn(files: &MemoryStorage, name: &str, bit: u64) {
    let mut file = files.open(name).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    file.write_all_at(&[byte[0] ^ 1 << (bit % 8)], bit / 8).unwrap();
}

/// What is damaged is not taken for an index: it is made again, or said to be damaged, and nothing else is told than what happened.
#[test]
fn no_bit_of_an_index_turns_without_being_noticed() {
    let (world, files) = with_stretches();
    let base = base(&world);
    let selector = selector("m.t0", "3").unwrap();
    let told = |index: &Rows| index::row_history(&world.log, (index, &base), (&selector, 1_000));
    let expected = told(&followed(&world, &files)).unwrap().unwrap().entries;
    let mut names = files.list().unwrap();
    names.sort();
    let size = files.open(&names[1]).unwrap().size().unwrap();
    let (mut left_aside, mut refused) = (0, 0);
    for bit in (0..size * 8).step_by(5) {
        let index = followed(&world, &files);
        turn(&files, &names[1], bit);
        let found = index.verify(&world.log, &|_| ()).unwrap();
        assert!(matches!(&found[..], [(name, _)] if *name == names[1]), "bit {bit}: {found:?}");
        let copy = MemoryStorage::default();
        for name in &names {
            let mut bytes = vec![0; files.open(name).unwrap().size().unwrap() as usize];
            files.open(name).unwrap().read_exact_at(&mut bytes, 0).unwrap();
            copy.create(name).unwrap().write_all_at(&bytes, 0).unwrap();
        }
        let opened = open(&world, &copy);
        left_aside += usize::from(opened.size().0 < names.len());
        match told(&followed(&world, &copy)) {
            Ok(found) => assert_eq!(found.unwrap().entries, expected, "bit {bit}"),
            Err(HistoryError::Index(IndexError::Stretch(StretchError::Damaged { name, .. }))) => {
                assert_eq!(name, names[1]);
                refused += 1;
            }
            Err(error) => panic!("bit {bit}: {error}"),
        }
        turn(&files, &names[1], bit);
    }
    assert!(left_aside > 0 && refused > 0, "{left_aside} left aside, {refused} refused");
}

/// Of the files of another history those count that are of what the two have in common, which is one here.
#[test]
fn of_an_index_of_another_history_only_what_is_common_counts() {
    let (world, files) = with_stretches();
    let mut other = World::new();
    other.act(&Op::Create);
    (0..60).for_each(|number| other.act(&Op::Put(0, number % 7, u16::from(number) + 1)));
    assert!(open(&world, &files).size().0 >= 2);
    assert_eq!(open(&other, &files).size().0, 1);
    let mut index = followed(&other, &files);
    index.prune(&other.log).unwrap();
    compare(&other, &index, &[1_000]);
}

/// Two keys of `table` that stand under one hash.
fn colliding(table: u32) -> [u64; 2] {
    let mut seen = HashMap::new();
    let hash = |key: u64| xxh3_64_with_seed(&key.to_le_bytes(), u64::from(table)) as u32;
    (0..1_000_000).find_map(|key| seen.insert(hash(key), key).map(|before| [before, key])).unwrap()
}

/// What another row under the same hash did is not told, nor are changes left out because of it: between a migration that wrote the row
/// itself and the first transaction that is looked at, others may have changed it.
#[test]
fn a_row_under_the_same_hash_does_not_hide_changes() {
    let mut world = World::new();
    world.act(&Op::Create);
    let [key, other] = colliding(world.id());
    world.put(&[(key, 1), (other, 1), (key, 2)]);
    world.migrate(key, 3);
    world.put(&[(key, 4), (other, 5), (key, 6), (other, 7), (other, 8), (key, 9), (key, 10)]);
    for stretch_size in [600, STRETCH, 1 << 30] {
        let files = (MemoryStorage::default(), LogId([1; 16]));
        let mut index = Index::open(&world.log, files, &base(&world), Some(stretch_size)).unwrap();
        while !index.follow(&world.log, 1 << 20).unwrap() {}
        compare(&world, &index, &[0, 1, 2, 3, 4, 5, 6, 7, 1_000]);
    }
}

/// Whoever follows for months does not keep what was given up meanwhile.
#[test]
fn files_go_with_the_log_while_it_is_followed() {
    let (mut world, files) = with_stretches();
    let mut index = followed(&world, &files);
    let first = format!("{:020}.index", 0);
    assert!(files.list().unwrap().contains(&first));
    for _ in 0..2 {
        world.act(&Op::Put(0, 1, 300));
        world.act(&Op::Snapshot(1_000));
    }
    assert!(index.follow(&world.log, u64::MAX).unwrap());
    world.log.trim(world.snapshots.trim_bound().unwrap().unwrap()).unwrap();
    (0..40).for_each(|number| world.act(&Op::Put(0, number % 7, 200)));
    assert!(index.follow(&world.log, u64::MAX).unwrap());
    assert!(!files.list().unwrap().contains(&first), "{:?}", files.list());
    compare(&world, &index, &[1, 1_000]);
}
