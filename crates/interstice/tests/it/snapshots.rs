//! Snapshot and tail together are the same as all of the history: random histories with tables made, altered and dropped,
//! snapshots after snapshots in hardly any memory.

use crate::world::{Op, World, kit, op};
use interstice::snapshot::Snapshots;
use interstice::snapshot::build::{BuildError, build_within};
use interstice::snapshot::load::{LoadError, load};
use interstice_log::log::CommitLog;
use interstice_log::segment::LogId;
use interstice_log::snapshot::{SnapshotError, SnapshotReader, SnapshotWriter, name_of};
use interstice_log::storage::memory::MemoryStorage;
use interstice_log::storage::{Storage, StorageFile};
use proptest::prelude::*;
use std::cell::Cell;
use std::io;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_snapshot_and_what_follows_are_all_of_the_history(ops in proptest::collection::vec(op(), 1..120)) {
        let mut world = World::new();
        ops.iter().for_each(|op| world.act(op));
        world.compare();
        let two = build_within(&world.log, &world.snapshots, 1_000, &|| Ok(())).unwrap();
        prop_assert!(two.is_none_or(|built| built.next_offset == world.offset));
        world.compare();
    }
}

/// A world with two snapshots, the newest at the end.
fn with_two_snapshots() -> World {
    let mut world = World::new();
    world.act(&Op::Create);
    (0..50).for_each(|key| world.act(&Op::Put(0, key, 100)));
    world.act(&Op::Snapshot(0));
    (20..90).for_each(|key| world.act(&Op::Put(0, key, 50)));
    world.act(&Op::Snapshot(0));
    assert_eq!(world.snapshots.list().unwrap().len(), 2);
    world
}

fn rot(world: &World, next_offset: u64, bit: u64) {
    let mut file = world.snapshots.storage().open(&name_of(next_offset)).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    file.write_all_at(&[byte[0] ^ 1 << (bit % 8)], bit / 8).unwrap();
}

/// `INTERSTICE_ALL_BITS=1` for all of them.
#[test]
fn no_bit_of_a_snapshot_turns_without_being_noticed() {
    let world = with_two_snapshots();
    let [older, newest] = world.snapshots.list().unwrap()[..] else { panic!("two snapshots") };
    let size = world.snapshots.storage().open(&name_of(newest)).unwrap().size().unwrap();
    let step = if std::env::var_os("INTERSTICE_ALL_BITS").is_some() { 1 } else { 7 };
    for bit in (0..size * 8).step_by(step) {
        rot(&world, newest, bit);
        match load(&world.log, &world.snapshots, kit()) {
            Ok((start, left_aside)) => {
                assert_eq!(start.from_snapshot, Some(older), "bit {bit}");
                assert!(matches!(left_aside[..], [SnapshotError::Damaged { .. }]), "bit {bit}: {left_aside:?}");
            }
            Err(error) => panic!("bit {bit}: {error}"),
        }
        rot(&world, newest, bit);
    }
    world.compare();
}

/// Every hash holds, as if whoever wrote it had gone wrong: the rows are not those that the log recorded.
#[test]
fn a_snapshot_whose_rows_are_others_is_left_aside() {
    let world = with_two_snapshots();
    let [older, newest] = world.snapshots.list().unwrap()[..] else { panic!("two snapshots") };
    let mut reader = SnapshotReader::open(world.snapshots.storage(), newest).unwrap();
    let (header, manifest) = (reader.header(), reader.manifest().to_vec());
    let mut chunks: Vec<_> = std::iter::from_fn(|| reader.next_chunk().unwrap()).collect();
    *chunks.last_mut().unwrap().last_mut().unwrap() ^= 1;
    let mut writer = SnapshotWriter::create(world.snapshots.storage().clone(), header).unwrap();
    chunks.iter().for_each(|chunk| writer.chunk(chunk).unwrap());
    writer.finish(&manifest).unwrap();
    let (start, left_aside) = load(&world.log, &world.snapshots, kit()).unwrap();
    assert_eq!(start.from_snapshot, Some(older), "it was begun with the rows of another history");
    assert!(matches!(left_aside[..], [SnapshotError::Damaged { .. }]), "{left_aside:?}");
}

#[test]
fn a_damaged_snapshot_is_replaced_and_not_built_upon() {
    let mut world = with_two_snapshots();
    let newest = *world.snapshots.list().unwrap().last().unwrap();
    rot(&world, newest, 2_000);
    world.act(&Op::Put(0, 200, 10));
    let built = build_within(&world.log, &world.snapshots, 1_000, &|| Ok(())).unwrap().unwrap();
    assert!(!world.snapshots.list().unwrap().contains(&newest), "what is damaged is nothing to fall back on");
    assert!(built.folded > 1, "it was built on the older one");
    world.compare();
}

/// Whoever has it built may end that at any moment: what is there then is as good as before.
#[test]
fn a_build_that_is_given_up_leaves_no_snapshot() {
    let mut world = with_two_snapshots();
    world.act(&Op::Put(0, 200, 10));
    let before = world.snapshots.list().unwrap();
    let (asked, mut ended) = (Cell::new(0), 0);
    for most in 0.. {
        asked.set(0);
        let rest = || {
            asked.set(asked.get() + 1);
            if asked.get() > most { Err(io::Error::other("enough")) } else { Ok(()) }
        };
        match build_within(&world.log, &world.snapshots, 1_000, &rest) {
            Ok(built) => {
                assert!(built.is_some());
                break;
            }
            Err(error) => assert!(matches!(error, BuildError::Io(_)), "{error}"),
        }
        assert_eq!(world.snapshots.list().unwrap(), before);
        ended += 1;
    }
    assert!(ended > 1, "it was never asked");
    world.compare();
}

#[test]
fn without_its_beginning_and_without_a_snapshot_a_log_is_refused() {
    let world = with_two_snapshots();
    let bound = world.snapshots.trim_bound().unwrap().unwrap();
    world.log.trim(bound).unwrap();
    world.compare();
    let empty = Snapshots::new(MemoryStorage::default(), LogId([1; 16]));
    assert!(matches!(load(&world.log, &empty, kit()), Err(LoadError::NoBeginning { .. })));
    assert!(matches!(build_within(&world.log, &empty, 1_000, &|| Ok(())), Err(BuildError::NoBeginning)));
    world.snapshots.list().unwrap().into_iter().for_each(|next_offset| rot(&world, next_offset, 2_000));
    assert!(matches!(load(&world.log, &world.snapshots, kit()), Err(LoadError::Snapshot(_))));
    assert!(world.snapshots.trim_bound().is_err(), "nothing more is trimmed behind what is damaged");
}

#[test]
fn a_snapshot_proves_what_the_log_must_hold() {
    let mut short = World::new();
    short.act(&Op::Create);
    short.snapshots = with_two_snapshots().snapshots;
    assert!(
        matches!(load(&short.log, &short.snapshots, kit()), Err(LoadError::Diverged { .. })),
        "a log that ends before"
    );
    (0..200).for_each(|key| short.act(&Op::Put(0, key, 1)));
    assert!(matches!(load(&short.log, &short.snapshots, kit()), Err(LoadError::Diverged { .. })), "another history");
}
