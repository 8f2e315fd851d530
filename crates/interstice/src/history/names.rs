//! What the numbers in a record stand for, in the state that it was made on.

use interstice_engine::catalog::{Catalog, ModuleEntry};
use interstice_engine::engine::Engine;
use interstice_engine::system;
use interstice_store::table::Table;
use interstice_types::change::Change;
use interstice_types::id::{Identity, TableId};
use interstice_types::schema::FunctionSchema;
use interstice_types::transaction::{Cause, Transaction};
use std::collections::BTreeMap;

/// The function that ran, and its module.
pub(crate) fn function<'c>(cause: &Cause, catalog: &'c Catalog) -> Option<(&'c ModuleEntry, &'c FunctionSchema)> {
    let found = match cause {
        Cause::Call { version, function, .. } => catalog.in_version(*version, *function)?,
        Cause::Schedule { version, function, .. } => catalog.in_version(*version, (*function)?)?,
        Cause::Event { event, .. } => {
            let reducer = catalog.event_reducers().get(event.subscriber as usize)?;
            catalog.at(reducer.module, reducer.function)
        }
        Cause::Genesis { .. }
        | Cause::Configure
        | Cause::Publish { .. }
        | Cause::Connect { .. }
        | Cause::Disconnect { .. }
        | Cause::Control { .. } => return None,
    };
    Some((found.module, &found.function().schema))
}

/// Who caused it; `None` if nobody did.
pub(crate) fn caller(transaction: &Transaction, before: &Engine) -> Option<Identity> {
    let cause = &transaction.cause;
    match cause {
        Cause::Publish { caller, .. }
        | Cause::Call { caller, .. }
        | Cause::Connect { caller, .. }
        | Cause::Control { caller, .. } => system::identity_of(before.store(), *caller)
            .or_else(|| system::identity_given(&transaction.changes, *caller)),
        Cause::Disconnect { connection } => {
            let client = system::connection::client_of(before.store(), *connection)?;
            system::identity_of(before.store(), client)
        }
        Cause::Event { .. } | Cause::Schedule { .. } => {
            function(cause, before.catalog()).map(|(entry, _)| entry.identity)
        }
        Cause::Genesis { .. } | Cause::Configure => None,
    }
}

/// The tables that a transaction's changes are about, as they were before, or as the transaction itself made or altered them: what
/// it did to their rows it did behind that.
pub(crate) struct Tables<'e> {
    before: &'e Engine,
    made: BTreeMap<TableId, Table>,
}

impl<'e> Tables<'e> {
    pub(crate) fn of(transaction: &Transaction, before: &'e Engine) -> Self {
        let mut made = BTreeMap::new();
        for change in &transaction.changes {
            let (id, module, schema) = match change {
                Change::CreateTable { table, module, schema } => (*table, Some(module), schema),
                Change::AlterTable { table, schema, .. } => {
                    (*table, before.store().table(*table).map(|table| table.module()), schema)
                }
                _ => continue,
            };
            made.extend(module.map(|module| (id, Table::new(id, module.clone(), schema.clone()))));
        }
        Self { before, made }
    }

    pub(crate) fn get(&self, id: TableId) -> Option<&Table> {
        self.made.get(&id).or_else(|| self.before.store().table(id).map(|table| &**table))
    }
}

/// `module.name`.
pub(crate) fn full(module: &str, name: &str) -> String {
    format!("{module}.{name}")
}
