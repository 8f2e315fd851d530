//! What a reply rests on: how many offsets there were when each table, and the catalog, last changed.
//!
//! A reply may leave as soon as everything that it shows is durable. A commit shows itself; a refusal and a query show only
//! the tables of their function, so that they need not wait for writes to others.

use crate::catalog::Catalog;
use interstice_types::change::Change;
use interstice_types::id::{Offset, TableId};
use interstice_types::transaction::{Cause, Transaction};
use triomphe::Arc;

/// Counts of offsets: what changed at offset `n` needs `n + 1` of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastChanged {
    /// By table id; a table that is not in it never changed.
    tables: Arc<Vec<Offset>>,
    catalog: Offset,
}

impl LastChanged {
    /// As if all tables up to `end` and the catalog had changed last at the end of `count` offsets.
    pub(crate) fn all_at(count: Offset, end: TableId) -> Self {
        Self { tables: Arc::new(vec![count; end.0 as usize]), catalog: count }
    }

    /// Takes note of a commit.
    pub(crate) fn advance(&mut self, transaction: &Transaction, changes: &[Change]) {
        let count = transaction.offset + 1;
        if matches!(transaction.cause, Cause::Genesis { .. } | Cause::Configure | Cause::Publish { .. }) {
            self.catalog = count;
        }
        self.note(changes, count);
    }

    /// Takes note of changes that rest on so many offsets.
    pub(crate) fn note(&mut self, changes: &[Change], rests_on: Offset) {
        if changes.is_empty() {
            return;
        }
        let tables = Arc::make_mut(&mut self.tables);
        for change in changes {
            let id = change.table().0 as usize;
            if tables.len() <= id {
                tables.resize(id + 1, 0);
            }
            tables[id] = tables[id].max(rests_on);
        }
    }

    /// How many offsets must be durable for what `table` holds now.
    pub fn table(&self, table: TableId) -> Offset {
        self.tables.get(table.0 as usize).copied().unwrap_or(0)
    }

    /// How many offsets must be durable for the modules in force.
    pub fn catalog(&self) -> Offset {
        self.catalog
    }

    /// How many offsets must be durable for all that `function` of the module at position `module` can see, and the catalog.
    pub fn function(&self, catalog: &Catalog, module: usize, function: u32) -> Offset {
        let visible = catalog.visible_tables(module, function);
        visible.iter().map(|table| self.table(*table)).fold(self.catalog, Offset::max)
    }
}
