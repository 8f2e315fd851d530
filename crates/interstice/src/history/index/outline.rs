//! History in outline: which tables and modules there were, without the rows.

use interstice_engine::engine::Engine;
use interstice_engine::limits::Limits;
use interstice_engine::module::{LoadError, Loaded, ModuleLoader};
use interstice_engine::system;
use interstice_store::range::KeyRange;
use interstice_store::store::{SharedTable, Store};
use interstice_store::table::{ApplyError, IndexId};
use interstice_types::change::Change;
use interstice_types::id::TableId;
use interstice_types::problem::Problem;
use interstice_types::schema::SYSTEM_MODULE;
use interstice_types::time::Timestamp;
use interstice_types::transaction::{Cause, Outcome, RecordError, Transaction, Work};
use std::sync::Arc;

/// The system tables whose rows say which modules and tables there are.
const KEPT: [TableId; 2] = [system::MODULE, system::TABLE];
/// Their names.
const KEPT_NAMES: [&str; 2] = ["module", "table"];

/// What there is at a moment, but for rows.
#[derive(Debug, Clone)]
pub(super) struct Outline {
    store: Store,
}

impl Outline {
    /// The last table whose rows belong to it.
    pub(super) const LAST_WITH_ROWS: TableId = system::TABLE;

    /// Before anything happened.
    pub(super) fn empty() -> Self {
        Self { store: Store::new() }
    }

    /// What these changes make.
    ///
    /// # Errors
    /// If they do not fit together.
    pub(super) fn of(mut changes: Vec<Change>) -> Result<Self, ApplyError> {
        let mut store = Store::new();
        store.apply(&mut changes)?;
        Ok(Self { store })
    }

    /// Whether a change is one of the outline.
    pub(super) fn has(change: &Change) -> bool {
        !change.is_of_rows() || Self::has_rows_of(change.table())
    }

    /// Whether the rows of the table `name` of `module` belong to it.
    pub(super) fn has_rows_of_named(module: &str, name: &str) -> bool {
        module == SYSTEM_MODULE && KEPT_NAMES.contains(&name)
    }

    /// Whether the rows of a table belong to it.
    pub(super) fn has_rows_of(table: TableId) -> bool {
        KEPT.contains(&table)
    }

    /// Goes on to behind `transaction`. Returns whether it changed.
    ///
    /// # Errors
    /// If it is not one of this history.
    pub(super) fn follow(&mut self, transaction: &Transaction) -> Result<bool, ApplyError> {
        if !transaction.changes.iter().any(Self::has) {
            return Ok(false);
        }
        let mut changes: Vec<_> = transaction.changes.iter().filter(|change| Self::has(change)).cloned().collect();
        self.store.apply(&mut changes)?;
        Ok(true)
    }

    pub(super) fn table(&self, id: TableId) -> Option<&SharedTable> {
        self.store.table(id)
    }

    /// The system table `name`.
    pub(super) fn find_system(&self, name: &str) -> Option<TableId> {
        self.find(SYSTEM_MODULE, name).map(|table| table.id())
    }

    /// The table `name` of `module`.
    pub(super) fn find(&self, module: &str, name: &str) -> Option<&SharedTable> {
        self.store.tables().find(|table| **table.module() == *module && table.schema().name == name)
    }

    /// An engine with these tables and modules, at no moment. It runs nothing.
    pub(super) fn engine(&self) -> Engine {
        Engine::restored(Arc::new(NothingRuns), Limits::default(), self.store.clone(), (0, Timestamp(0)))
    }

    /// As the record of a transaction that makes all of it out of nothing.
    pub(super) fn encode(&self) -> Vec<u8> {
        let tables = self.store.tables().map(|table| Change::CreateTable {
            table: table.id(),
            module: Arc::clone(table.module()),
            schema: Arc::clone(table.schema()),
        });
        let rows = KEPT.iter().filter_map(|table| self.store.table(*table)).flat_map(|table| {
            let id = table.id();
            let rows = table.scan(IndexId::PRIMARY, &KeyRange::all(), false);
            rows.map(move |row| Change::Insert { table: id, row: row.into() }).collect::<Vec<_>>()
        });
        let record = Transaction {
            offset: 0,
            time: Timestamp(0),
            seed: [0; 16],
            cause: Cause::Configure,
            outcome: Outcome::Ok(Vec::new()),
            changes: tables.chain(rows).collect(),
            work: Work::default(),
            host_marks: Vec::new(),
            state_digest: 0,
            flags: 0,
        };
        let mut bytes = Vec::new();
        record.encode(|_| false, &mut bytes);
        bytes
    }

    /// The way back.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub(super) fn decode(mut bytes: &[u8]) -> Result<Self, OutlineError> {
        let record = Transaction::decode(&mut bytes)?;
        Ok(Self::of(record.changes)?)
    }
}

/// Where history is only told.
struct NothingRuns;

impl ModuleLoader for NothingRuns {
    fn load(&self, _: &[u8]) -> Result<Loaded, LoadError> {
        Err(LoadError { problem: Problem::new("module-unavailable", "history is told here, nothing is run") })
    }
}

/// Why bytes are no outline.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutlineError {
    /// They do not have its form.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What they make does not fit together.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}
