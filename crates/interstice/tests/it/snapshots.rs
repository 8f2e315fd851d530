//! Snapshot and tail together are the same as all of the history: random histories with tables made, altered and dropped,
//! snapshots after snapshots in hardly any memory.

use interstice::framing::FrameBuilder;
use interstice::snapshot::Snapshots;
use interstice::snapshot::build::{BuildError, build_within};
use interstice::snapshot::load::{LoadError, load};
use interstice_engine::catalog::Catalog;
use interstice_engine::engine::Engine;
use interstice_engine::limits::Limits;
use interstice_engine::module::{LoadError as NoModule, Loaded, ModuleLoader};
use interstice_log::frame::{Epoch, Lineage, Position};
use interstice_log::log::{CommitLog, CommitLogWriter};
use interstice_log::memory::{MemoryLog, MemoryWriter};
use interstice_log::segment::LogId;
use interstice_log::snapshot::{SnapshotError, SnapshotReader, SnapshotWriter, name_of};
use interstice_log::storage::memory::MemoryStorage;
use interstice_log::storage::{Storage, StorageFile};
use interstice_store::range::KeyRange;
use interstice_store::store::Store;
use interstice_store::table::{ApplyError, IndexId};
use interstice_types::change::Change;
use interstice_types::id::TableId;
use interstice_types::problem::Problem;
use interstice_types::schema::{ColumnSchema, TableSchema};
use interstice_types::time::Timestamp;
use interstice_types::transaction::{Cause, Outcome, Transaction, Work};
use interstice_types::ty::Type;
use proptest::prelude::*;
use std::cell::Cell;
use std::io;
use std::sync::Arc;

struct NoModules;

impl ModuleLoader for NoModules {
    fn load(&self, _: &[u8]) -> Result<Loaded, NoModule> {
        Err(NoModule { problem: Problem::new("none", "there are no modules here") })
    }
}

fn kit() -> (Arc<dyn ModuleLoader>, Limits) {
    (Arc::new(NoModules), Limits::default())
}

/// What is done; numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Op {
    Create,
    /// Puts a row with this key and so many bytes, in place of one that is there.
    Put(u8, u8, u16),
    Delete(u8, u8),
    /// Adds a column, at the front or at the end.
    Alter(u8, bool),
    /// Makes the primary key another one: of the key alone, or of bytes and key. Not where two rows would share one.
    Rekey(u8),
    /// Makes a column wider.
    Widen(u8),
    Clear(u8),
    Drop(u8),
    Snapshot(u16),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => Just(Op::Create),
        20 => (any::<u8>(), any::<u8>(), 0..400_u16).prop_map(|(table, key, size)| Op::Put(table, key, size)),
        6 => (any::<u8>(), any::<u8>()).prop_map(|(table, key)| Op::Delete(table, key)),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(table, front)| Op::Alter(table, front)),
        1 => any::<u8>().prop_map(Op::Rekey),
        1 => any::<u8>().prop_map(Op::Widen),
        1 => any::<u8>().prop_map(Op::Clear),
        1 => any::<u8>().prop_map(Op::Drop),
        2 => (0..8_000_u16).prop_map(Op::Snapshot),
    ]
}

/// A history and its log.
struct World {
    store: Store,
    log: MemoryLog,
    writer: MemoryWriter,
    offset: u64,
    snapshots: Snapshots<MemoryStorage>,
}

/// With the key alone as primary key.
fn schema(columns: &[String]) -> Arc<TableSchema> {
    let columns = columns.iter().map(|column| serde_json::from_str(column).unwrap()).collect();
    keyed(TableSchema { name: "t".to_owned(), columns, ..TableSchema::default() }, &["key"])
}

fn keyed(schema: TableSchema, key: &[&str]) -> Arc<TableSchema> {
    let primary_key = key.iter().map(|name| schema.column(name).unwrap()).collect();
    Arc::new(TableSchema { primary_key, ..schema })
}

fn column(name: &str, ty: &str, more: &str) -> String {
    format!(r#"{{"name":"{name}","type":"{ty}"{more}}}"#)
}

impl World {
    fn new() -> Self {
        let mut log = MemoryLog::new(Lineage([2; 16]));
        let writer = log.claim(Position(0), Epoch(1)).unwrap();
        let snapshots = Snapshots::new(MemoryStorage::default(), LogId([1; 16]));
        let mut world = Self { store: Store::new(), log, writer, offset: 0, snapshots };
        let tables = interstice_engine::system::tables().into_iter().enumerate();
        let system = tables.map(|(id, schema)| Change::CreateTable {
            table: TableId(id as u32),
            module: "interstice".into(),
            schema: Arc::new(schema),
        });
        world.commit(system.collect());
        world
    }

    fn commit(&mut self, mut changes: Vec<Change>) {
        self.store.apply(&mut changes).unwrap();
        let transaction = Transaction {
            offset: self.offset,
            time: Timestamp(self.offset as i64),
            seed: [0; 16],
            cause: Cause::Configure,
            outcome: Outcome::Ok(Vec::new()),
            changes,
            work: Work::default(),
            host_marks: Vec::new(),
            state_digest: self.store.digest(),
            flags: 0,
        };
        self.offset += 1;
        let mut frames = FrameBuilder::default();
        frames.push(&transaction, &Catalog::default());
        for frame in frames.take() {
            let position = self.writer.tail().position;
            self.writer.append(position, &frame);
        }
        self.writer.settle();
    }

    /// One of the tables that are no system tables.
    fn table(&self, number: u8) -> Option<TableId> {
        let own = self.store.tables().filter(|table| **table.module() != *"interstice");
        let own: Vec<_> = own.map(|table| table.id()).collect();
        (!own.is_empty()).then(|| own[usize::from(number) % own.len()])
    }

    fn row(&self, id: TableId, key: u8, size: u16) -> Vec<u8> {
        let table = self.store.table(id).unwrap();
        let mut row = Vec::new();
        for column in &table.schema().columns {
            match column.name.as_str() {
                "key" => row.extend(u64::from(key).to_le_bytes()),
                "bytes" => {
                    row.extend(u32::from(size).to_le_bytes());
                    row.extend(vec![key; usize::from(size)]);
                }
                _ => row.extend(vec![size as u8; column.ty.fixed_size().unwrap()]),
            }
        }
        row
    }

    fn act(&mut self, op: &Op) {
        match op {
            Op::Create => {
                let columns = [column("key", "u64", r#","auto_inc":true"#), column("bytes", "bytes", "")];
                let create = Change::CreateTable {
                    table: self.store.next_table_id(),
                    module: "m".into(),
                    schema: schema(&columns),
                };
                self.commit(vec![create]);
            }
            Op::Put(table, key, size) => {
                let Some(table) = self.table(*table) else { return };
                let row = self.row(table, *key, *size);
                let there = self.store.table(table).unwrap();
                let change = match there.get(&there.primary_key(&row, &mut Vec::new())) {
                    Some(_) => Change::Update { table, old: None, new: row.into() },
                    None => Change::Insert { table, row: row.into() },
                };
                let key_column = there.schema().column("key").unwrap();
                let sequence = Change::Sequence { table, column: key_column, next: u64::from(*key) + 1, previous: 0 };
                self.commit(vec![change, sequence]);
            }
            Op::Delete(table, key) => {
                let Some(table) = self.table(*table) else { return };
                let there = self.store.table(table).unwrap();
                let number = usize::from(there.schema().column("key").unwrap());
                let has_key = |row: &&[u8]| there.layout().column(row, number) == u64::from(*key).to_le_bytes();
                let found = there.scan(IndexId::PRIMARY, &KeyRange::all(), false).find(has_key);
                if let Some(key) = found.map(|row| there.primary_key_values(row)) {
                    self.commit(vec![Change::Delete { table, key, old: None }]);
                }
            }
            Op::Alter(table, front) => self.alter(*table, *front),
            Op::Rekey(table) => self.alter_to(*table, |old| match old.primary_key.len() {
                1 => keyed(old, &["bytes", "key"]),
                _ => keyed(old, &["key"]),
            }),
            Op::Widen(table) => self.alter_to(*table, |mut old| {
                let narrow = old.columns.iter_mut().find(|column| column.ty == Type::U32);
                narrow.into_iter().for_each(|column| column.ty = Type::U64);
                Arc::new(old)
            }),
            Op::Clear(table) => {
                let Some(table) = self.table(*table) else { return };
                self.commit(vec![Change::ClearTable { table }]);
            }
            Op::Drop(table) => {
                let Some(table) = self.table(*table) else { return };
                self.commit(vec![Change::DropTable { table }]);
            }
            Op::Snapshot(memory) => {
                build_within(&self.log, &self.snapshots, usize::from(*memory), &|| Ok(())).unwrap();
                self.snapshots.prune().unwrap();
                self.compare();
            }
        }
    }

    fn alter(&mut self, table: u8, front: bool) {
        let Some(table) = self.table(table) else { return };
        let old = TableSchema::clone(self.store.table(table).unwrap().schema());
        let key: Vec<_> = old.primary_key.iter().map(|number| old.columns[usize::from(*number)].name.clone()).collect();
        let key: Vec<_> = key.iter().map(String::as_str).collect();
        let mut columns = old.columns.clone();
        let at = if front { 0 } else { columns.len() };
        columns.insert(at, ColumnSchema::new(format!("added_{}", columns.len()), Type::U32));
        let schema = keyed(TableSchema { columns, ..old.clone() }, &key);
        let defaults = vec![(at as u16, vec![7, 0, 0, 0])];
        self.commit(vec![Change::AlterTable { table, schema, defaults }]);
    }

    fn alter_to(&mut self, table: u8, change: impl FnOnce(TableSchema) -> Arc<TableSchema>) {
        let Some(table) = self.table(table) else { return };
        let schema = change(TableSchema::clone(self.store.table(table).unwrap().schema()));
        let change = Change::AlterTable { table, schema, defaults: Vec::new() };
        match self.store.clone().apply(&mut [change.clone()]) {
            Ok(()) => self.commit(vec![change]),
            Err(error) => assert!(matches!(error, ApplyError::DuplicateKey { .. }), "{error}"),
        }
    }

    /// What is loaded, and everything behind it, comes to the same as the history itself.
    fn compare(&self) {
        let (start, left_aside) = load(&self.log, &self.snapshots, kit()).unwrap();
        assert!(left_aside.is_empty());
        let mut engine: Engine = start.engine;
        for transaction in interstice::framing::Transactions::new(self.log.read(start.position).unwrap()) {
            engine.apply(&transaction.unwrap()).unwrap();
        }
        assert_eq!(engine.next_offset(), self.offset);
        assert_eq!(engine.time(), Timestamp(self.offset as i64 - 1));
        assert_eq!(engine.store().next_table_id(), self.store.next_table_id());
        let tables = |store: &Store| -> Vec<_> {
            let all = KeyRange::all();
            let rows = |table: &interstice_store::table::Table| {
                table.scan(IndexId::PRIMARY, &all, false).map(|row| row.to_vec()).collect::<Vec<_>>()
            };
            let each = store.tables().map(|table| {
                (table.id(), Arc::clone(table.schema()), table.sequences().collect::<Vec<_>>(), rows(table))
            });
            each.collect()
        };
        assert_eq!(tables(engine.store()), tables(&self.store));
        assert_eq!(engine.store().digest(), self.store.digest());
    }
}

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
