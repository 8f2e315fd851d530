//! All tables as one value.

use crate::alter;
use crate::references::{Links, References};
use crate::table::{ApplyError, Table};
use crate::write::WriteTx;
use interstice_types::change::Change;
use interstice_types::id::TableId;
use interstice_types::schema::Durability;
use triomphe::Arc;

/// A table that clones of a store share.
pub type SharedTable = Arc<Table>;

/// All tables of a node. `clone` is O(1): it shares everything, and a later write copies what it touches.
#[derive(Debug, Clone, Default)]
pub struct Store {
    /// By id; an id is never used again.
    tables: Arc<Vec<Option<SharedTable>>>,
    /// None if no row of any table refers to another.
    references: Option<Arc<References>>,
    /// Whether rows of some table end with their transaction.
    has_events: bool,
    digest: u128,
}

impl Store {
    /// A store without tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a transaction, into which the store moves.
    pub fn begin(self) -> WriteTx {
        WriteTx::new(self)
    }

    /// The table with this id.
    pub fn table(&self, id: TableId) -> Option<&SharedTable> {
        self.tables.get(id.0 as usize)?.as_ref()
    }

    /// All tables in id order.
    pub fn tables(&self) -> impl Iterator<Item = &SharedTable> + Clone + '_ {
        self.tables.iter().flatten()
    }

    /// Has new tables get ids from `next` on: those below it were used, also if their tables are gone.
    pub fn skip_table_ids(&mut self, next: TableId) {
        let tables = Arc::make_mut(&mut self.tables);
        tables.resize(tables.len().max(next.0 as usize), None);
    }

    /// The id that a new table gets.
    pub fn next_table_id(&self) -> TableId {
        TableId(self.tables.len() as u32)
    }

    /// The references from and to a table.
    #[inline]
    pub(crate) fn links(&self, table: TableId) -> Option<&Links> {
        self.references.as_ref()?.links(table)
    }

    /// Where references lead.
    pub(crate) fn references(&self) -> Option<&Arc<References>> {
        self.references.as_ref()
    }

    /// Sum over all rows and sequences.
    pub fn digest(&self) -> u128 {
        self.digest
    }

    /// Makes the `changes` of a transaction in order and completes them: with old rows and previous sequence values. Then its events
    /// are over.
    ///
    /// # Errors
    /// If one does not fit: those before it were made, so the store is of no use any more. Committed changes always fit;
    /// an error here means that they are not this store's.
    pub fn apply(&mut self, changes: &mut [Change]) -> Result<(), ApplyError> {
        let mut scratch = Vec::new();
        changes.iter_mut().try_for_each(|change| self.apply_one(change, &mut scratch))?;
        self.end_events(changes);
        Ok(())
    }

    /// Takes the rows of event tables away that `changes` have put there.
    pub(crate) fn end_events(&mut self, changes: &[Change]) {
        if !self.has_events {
            return;
        }
        let added = changes.iter().filter(|change| matches!(change, Change::Insert { .. } | Change::Update { .. }));
        for id in added.map(Change::table) {
            let over =
                self.table(id).filter(|table| table.schema().durability == Durability::Event && table.count() > 0);
            if let Some(cleared) = over.map(|table| table.cleared()) {
                self.put(id, Some(cleared));
            }
        }
    }

    /// Makes one change and completes it.
    ///
    /// # Errors
    /// If it does not fit; nothing was changed then.
    pub fn apply_one(&mut self, change: &mut Change, scratch: &mut Vec<u8>) -> Result<(), ApplyError> {
        match change {
            Change::CreateTable { table, module, schema } => {
                if self.table(*table).is_some() || *table < self.next_table_id() {
                    return Err(ApplyError::TableExists { table: *table });
                }
                let new = Table::new(*table, module.clone(), schema.clone());
                self.put(*table, Some(new));
                self.link();
            }
            Change::AlterTable { table, schema, defaults } => {
                let old = self.table(*table).ok_or(ApplyError::NoSuchTable { table: *table })?;
                let new = alter::alter(old, schema, defaults)?;
                self.put(*table, Some(new));
                self.link();
            }
            Change::ClearTable { table } => {
                let cleared = self.table(*table).ok_or(ApplyError::NoSuchTable { table: *table })?.cleared();
                self.put(*table, Some(cleared));
            }
            Change::DropTable { table } => {
                self.table(*table).ok_or(ApplyError::NoSuchTable { table: *table })?;
                self.put(*table, None);
                self.link();
            }
            change => {
                let id = change.table();
                let tables = Arc::make_mut(&mut self.tables);
                let slot = tables.get_mut(id.0 as usize).and_then(Option::as_mut);
                let table = Arc::make_mut(slot.ok_or(ApplyError::NoSuchTable { table: id })?);
                let before = table.digest();
                table.apply(change, scratch)?;
                self.digest = self.digest.wrapping_add(table.digest().wrapping_sub(before));
            }
        }
        Ok(())
    }

    /// Takes one change back that was made last.
    ///
    /// # Panics
    /// If the change is not complete, was not made last, or altered, cleared or dropped a table: a publish goes back to a clone.
    pub(crate) fn undo(&mut self, change: Change, scratch: &mut Vec<u8>) {
        let complete = "invariant: a change that the store made is complete";
        let mut inverse = match change {
            Change::Insert { table, row } => {
                let key = self.table(table).expect("invariant: the table is still there").primary_key_values(&row);
                Change::Delete { table, key, old: None }
            }
            Change::Delete { table, old, .. } => Change::Insert { table, row: old.expect(complete) },
            Change::Update { table, old, new } => Change::Update { table, old: Some(new), new: old.expect(complete) },
            Change::Sequence { table, column, next, previous } => {
                Change::Sequence { table, column, next: previous, previous: next }
            }
            Change::CreateTable { table, .. } => {
                self.put(table, None);
                Arc::make_mut(&mut self.tables).truncate(table.0 as usize);
                self.link();
                return;
            }
            Change::AlterTable { .. } | Change::ClearTable { .. } | Change::DropTable { .. } => {
                panic!("invariant: a publish goes back to a clone")
            }
        };
        self.apply_one(&mut inverse, scratch).expect("invariant: the inverse of the last change fits");
    }

    /// Works out anew where references lead, and whose rows end with their transaction.
    fn link(&mut self) {
        self.references = References::of(self.tables()).map(Arc::new);
        self.has_events = self.tables.iter().flatten().any(|table| table.schema().durability == Durability::Event);
    }

    fn put(&mut self, id: TableId, table: Option<Table>) {
        let tables = Arc::make_mut(&mut self.tables);
        let position = id.0 as usize;
        if tables.len() <= position {
            tables.resize(position + 1, None);
        }
        let before = tables[position].as_ref().map_or(0, |table| table.digest());
        let after = table.as_ref().map_or(0, Table::digest);
        tables[position] = table.map(Arc::new);
        self.digest = self.digest.wrapping_add(after.wrapping_sub(before));
    }
}
