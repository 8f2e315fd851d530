//! Random histories with tables made, altered and dropped, and snapshots of them.

use interstice::framing::FrameBuilder;
use interstice::snapshot::Snapshots;
use interstice::snapshot::build::build_within;
use interstice::snapshot::load::load;
use interstice_engine::catalog::Catalog;
use interstice_engine::engine::Engine;
use interstice_engine::limits::Limits;
use interstice_engine::module::{LoadError as NoModule, Loaded, ModuleLoader};
use interstice_log::frame::{Epoch, Lineage, Position};
use interstice_log::log::{CommitLog, CommitLogWriter};
use interstice_log::memory::{MemoryLog, MemoryWriter};
use interstice_log::segment::LogId;
use interstice_log::storage::memory::MemoryStorage;
use interstice_store::range::KeyRange;
use interstice_store::store::Store;
use interstice_store::table::{ApplyError, IndexId};
use interstice_types::change::Change;
use interstice_types::id::TableId;
use interstice_types::json;
use interstice_types::problem::Problem;
use interstice_types::schema::{ColumnSchema, TableSchema};
use interstice_types::time::Timestamp;
use interstice_types::transaction::{Cause, Outcome, Transaction, Work};
use interstice_types::ty::Type;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

struct NoModules;

impl ModuleLoader for NoModules {
    fn load(&self, _: &[u8]) -> Result<Loaded, NoModule> {
        Err(NoModule { problem: Problem::new("none", "there are no modules here") })
    }
}

pub(crate) fn kit() -> (Arc<dyn ModuleLoader>, Limits) {
    (Arc::new(NoModules), Limits::default())
}

/// What is done; numbers are taken modulo what there is.
#[derive(Debug, Clone)]
pub(crate) enum Op {
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

pub(crate) fn op() -> impl Strategy<Value = Op> {
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
pub(crate) struct World {
    store: Store,
    pub(crate) log: MemoryLog,
    writer: MemoryWriter,
    pub(crate) offset: u64,
    pub(crate) snapshots: Snapshots<MemoryStorage>,
    /// Every row that there ever was: `module.table`, and its key as text.
    pub(crate) rows: BTreeSet<(String, String)>,
    /// Whether some table's primary key became another one.
    pub(crate) rekeyed: bool,
}

/// With the key alone as primary key.
fn schema(name: String, columns: &[String]) -> Arc<TableSchema> {
    let columns = columns.iter().map(|column| serde_json::from_str(column).unwrap()).collect();
    keyed(TableSchema { name, columns, ..TableSchema::default() }, &["key"])
}

fn keyed(schema: TableSchema, key: &[&str]) -> Arc<TableSchema> {
    let primary_key = key.iter().map(|name| schema.column(name).unwrap()).collect();
    Arc::new(TableSchema { primary_key, ..schema })
}

fn column(name: &str, ty: &str, more: &str) -> String {
    format!(r#"{{"name":"{name}","type":"{ty}"{more}}}"#)
}

impl World {
    pub(crate) fn new() -> Self {
        let mut log = MemoryLog::new(Lineage([2; 16]));
        let writer = log.claim(Position(0), Epoch(1)).unwrap();
        let snapshots = Snapshots::new(MemoryStorage::default(), LogId([1; 16]));
        let mut world =
            Self { store: Store::new(), log, writer, offset: 0, snapshots, rows: BTreeSet::new(), rekeyed: false };
        let tables = interstice_engine::system::tables().into_iter().enumerate();
        let system = tables.map(|(id, schema)| Change::CreateTable {
            table: TableId(id as u32),
            module: "interstice".into(),
            schema: Arc::new(schema),
        });
        world.commit(system.collect());
        world
    }

    /// Puts rows with these keys into the first table, each with so many bytes.
    pub(crate) fn put(&mut self, rows: &[(u64, u16)]) {
        let table = self.table(0).unwrap();
        for (key, size) in rows {
            let change = self.put_change(table, *key, *size);
            self.commit(vec![change]);
        }
    }

    fn put_change(&self, table: TableId, key: u64, size: u16) -> Change {
        let row = self.row(table, key, size);
        let there = self.store.table(table).unwrap();
        match there.get(&there.primary_key(&row, &mut Vec::new())) {
            Some(_) => Change::Update { table, old: None, new: row.into() },
            None => Change::Insert { table, row: row.into() },
        }
    }

    /// As a migration of the first table as a whole: its rows go, and this one comes.
    pub(crate) fn migrate(&mut self, key: u64, size: u16) {
        let table = self.table(0).unwrap();
        let schema = Arc::clone(self.store.table(table).unwrap().schema());
        let row = self.row(table, key, size).into();
        let alter = Change::AlterTable { table, schema, defaults: Vec::new() };
        self.commit(vec![Change::ClearTable { table }, alter, Change::Insert { table, row }]);
    }

    /// The id of the first table.
    pub(crate) fn id(&self) -> u32 {
        self.table(0).unwrap().0
    }

    /// The first of `t0`, `t1`, … that no table has: names come again, ids do not.
    fn free_name(&self) -> String {
        let taken: Vec<_> = self.store.tables().map(|table| table.schema().name.clone()).collect();
        (0..=taken.len()).map(|number| format!("t{number}")).find(|name| !taken.contains(name)).unwrap()
    }

    /// Takes note of the rows that `changes` put there.
    fn note(&mut self, changes: &[Change]) {
        for change in changes {
            let (Change::Insert { table, row } | Change::Update { table, new: row, .. }) = change else { continue };
            let table = self.store.table(*table).unwrap();
            let schema = table.schema();
            let row = json::record_to_json(&schema.fields(), row).unwrap();
            let key: Vec<_> =
                schema.primary_key.iter().map(|column| &row[&schema.columns[usize::from(*column)].name]).collect();
            let key = if let [key] = key[..] { key.to_string() } else { serde_json::to_string(&key).unwrap() };
            self.rows.insert((format!("{}.{}", table.module(), schema.name), key));
        }
    }

    fn commit(&mut self, mut changes: Vec<Change>) {
        self.store.apply(&mut changes).unwrap();
        self.note(&changes);
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

    fn row(&self, id: TableId, key: u64, size: u16) -> Vec<u8> {
        let table = self.store.table(id).unwrap();
        let mut row = Vec::new();
        for column in &table.schema().columns {
            match column.name.as_str() {
                "key" => row.extend(key.to_le_bytes()),
                "bytes" => {
                    row.extend(u32::from(size).to_le_bytes());
                    row.extend(vec![key as u8; usize::from(size)]);
                }
                _ => row.extend(vec![size as u8; column.ty.fixed_size().unwrap()]),
            }
        }
        row
    }

    pub(crate) fn act(&mut self, op: &Op) {
        match op {
            Op::Create => {
                let columns = [column("key", "u64", r#","auto_inc":true"#), column("bytes", "bytes", "")];
                let create = Change::CreateTable {
                    table: self.store.next_table_id(),
                    module: "m".into(),
                    schema: schema(self.free_name(), &columns),
                };
                self.commit(vec![create]);
            }
            Op::Put(table, key, size) => {
                let Some(table) = self.table(*table) else { return };
                let change = self.put_change(table, u64::from(*key), *size);
                let there = self.store.table(table).unwrap();
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
        let old = TableSchema::clone(self.store.table(table).unwrap().schema());
        let columns = old.primary_key.len();
        let schema = change(old);
        self.rekeyed |= schema.primary_key.len() != columns;
        let change = Change::AlterTable { table, schema, defaults: Vec::new() };
        match self.store.clone().apply(&mut [change.clone()]) {
            Ok(()) => self.commit(vec![change]),
            Err(error) => assert!(matches!(error, ApplyError::DuplicateKey { .. }), "{error}"),
        }
    }

    /// What is loaded, and everything behind it, comes to the same as the history itself.
    pub(crate) fn compare(&self) {
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
