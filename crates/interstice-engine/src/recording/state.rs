//! The state in which a recording begins, in a database in which its modules are published.
//!
//! What their `init` left there goes; the rows, sequences and schedules of the recording come, and the modules belong to whom they belonged.
//! All else that a node keeps about itself stays as it is: no module sees it.

use super::{Recording, TableState, invalid, row};
use crate::catalog::Catalog;
use crate::engine::Engine;
use crate::system::{self, connection, schedule, version};
use interstice_store::store::Store;
use interstice_store::table::Table;
use interstice_types::change::Change;
use interstice_types::id::{Offset, TableId};
use interstice_types::problem::Problem;
use interstice_types::schema::{Durability, SYSTEM_MODULE};
use interstice_types::time::Timestamp;

/// Tables of the node itself whose sequences modules see: numbers of schedules, and of connections.
const SEEN_SEQUENCES: [&str; 2] = ["schedule", "connection"];

impl Recording {
    /// The tables before its first transaction, and the moment: for [`Engine::restored`].
    ///
    /// # Errors
    /// `invalid-recording`, if it does not fit the modules that are in force in `engine`.
    pub fn state(&self, engine: &Engine) -> Result<(Store, (Offset, Timestamp)), Problem> {
        let (from, there) = (self.from.0, engine.next_offset());
        if there > from {
            let text = format!("it begins at offset {from}, and there are {there} transactions already");
            return Err(invalid(text).hint("reproduce it in a database in which nothing was done yet"));
        }
        for module in self.owners.keys() {
            engine.catalog().find_module(module).map_err(|problem| invalid(problem.message.clone()))?;
        }
        let mut store = self.owned(engine.store().clone())?;
        let mut changes = cleared(&store);
        let catalog = engine.catalog();
        for (name, state) in &self.tables {
            let table = find(&store, catalog, name)?;
            fill(table, state, catalog, &mut changes)?;
        }
        let schedules = find(&store, catalog, row::SCHEDULES)?;
        for told in &self.schedules {
            let row = row::from_json(catalog, schedules, told).map_err(invalid)?;
            changes.push(Change::Insert { table: schedules.id(), row });
        }
        store.apply(&mut changes).map_err(|error| invalid(error.to_string()))?;
        let time = self.transactions.first().map_or(engine.time(), |first| first.time.0);
        Ok((store, (from, time)))
    }

    /// `store` with the recorded owners of modules.
    fn owned(&self, store: Store) -> Result<Store, Problem> {
        let mut tx = store.begin();
        for (module, owner) in &self.owners {
            let owned =
                system::client_id(&mut tx, owner.0).and_then(|client| version::set_owner(&mut tx, module, client));
            owned.map_err(|error| invalid(error.to_string()))?;
        }
        Ok(tx.commit().0)
    }
}

/// The table `module.name`, if a recording can have something of it.
pub(super) fn find<'s>(store: &'s Store, catalog: &Catalog, name: &str) -> Result<&'s Table, Problem> {
    let id = name.split_once('.').and_then(|(module, table)| catalog.table(module, table));
    let table = id.and_then(|id| store.table(id)).map(|table| &**table).filter(|table| is_kept(table));
    table.ok_or_else(|| {
        let known = store.tables().filter(|table| is_kept(table)).map(|table| crate::telling::full_name(table));
        let known: Vec<_> = known.collect();
        invalid(format!("there is no table `{name}` that keeps rows"))
            .did_you_mean(name, known.iter().map(String::as_str))
    })
}

/// Whether rows or sequences of a table may be in recordings.
pub(super) fn is_kept(table: &Table) -> bool {
    if **table.module() == *SYSTEM_MODULE {
        return SEEN_SEQUENCES.contains(&&*table.schema().name);
    }
    table.schema().durability == Durability::Durable
}

/// What takes all rows of modules away, all schedules, and all connections.
fn cleared(store: &Store) -> Vec<Change> {
    let system = [schedule::find_table(store), connection::find_table(store)];
    let of_modules = store.tables().filter(|table| **table.module() != *SYSTEM_MODULE).map(|table| table.id());
    let tables: Vec<TableId> = of_modules.chain(system.into_iter().flatten()).collect();
    tables.into_iter().map(|table| Change::ClearTable { table }).collect()
}

fn fill(table: &Table, state: &TableState, catalog: &Catalog, changes: &mut Vec<Change>) -> Result<(), Problem> {
    if **table.module() == *SYSTEM_MODULE && !state.rows.is_empty() {
        let text = format!("the rows of `interstice.{}` are not put there", table.schema().name);
        return Err(invalid(text).hint("schedules stand under `schedules`"));
    }
    for row in &state.rows {
        let row = row::from_json(catalog, table, row).map_err(invalid)?;
        changes.push(Change::Insert { table: table.id(), row });
    }
    for (name, next) in &state.sequences {
        let column = table.schema().columns.iter().position(|column| column.name == *name && column.auto_inc);
        let column = column.ok_or_else(|| {
            invalid(format!("column `{name}` of table `{}` counts nothing", crate::telling::full_name(table)))
        })?;
        changes.push(Change::Sequence { table: table.id(), column: column as u16, next: next.0, previous: 0 });
    }
    Ok(())
}
