//! What the numbers in a record stand for, in the state that it was made on.

use interstice_engine::catalog::{Catalog, ModuleEntry};
use interstice_engine::engine::Engine;
use interstice_engine::system;
use interstice_store::table::Table;
use interstice_types::change::Change;
use interstice_types::id::Identity;
use interstice_types::schema::FunctionSchema;
use interstice_types::transaction::{Cause, Transaction};
use std::borrow::Cow;

/// The function that ran, and its module.
pub(super) fn function<'c>(cause: &Cause, catalog: &'c Catalog) -> Option<(&'c ModuleEntry, &'c FunctionSchema)> {
    let (entry, number) = match cause {
        Cause::Call { version, function, .. } => {
            (catalog.modules().iter().find(|entry| entry.published_at == *version)?, *function)
        }
        Cause::Schedule { version, function, .. } => {
            (catalog.modules().iter().find(|entry| entry.published_at == *version)?, (*function)?)
        }
        Cause::Event { event, .. } => {
            let reducer = catalog.event_reducers().get(event.subscriber as usize)?;
            (&catalog.modules()[reducer.module], reducer.function)
        }
        Cause::Genesis { .. } | Cause::Configure | Cause::Publish { .. } | Cause::Control { .. } => return None,
    };
    Some((entry, entry.schema.functions.get(number as usize)?))
}

/// Who caused it; `None` if nobody did.
pub(super) fn caller(transaction: &Transaction, before: &Engine) -> Option<Identity> {
    let cause = &transaction.cause;
    match cause {
        Cause::Publish { caller, .. } | Cause::Call { caller, .. } | Cause::Control { caller, .. } => {
            system::identity_of(before.store(), *caller)
                .or_else(|| system::identity_given(&transaction.changes, *caller))
        }
        Cause::Event { .. } | Cause::Schedule { .. } => {
            function(cause, before.catalog()).map(|(entry, _)| entry.identity)
        }
        Cause::Genesis { .. } | Cause::Configure => None,
    }
}

/// The table that a change of `transaction` is about, as it was before, or as the transaction made it.
pub(super) fn table<'e>(change: &Change, transaction: &Transaction, before: &'e Engine) -> Option<Cow<'e, Table>> {
    let id = change.table();
    if let Some(table) = before.store().table(id) {
        return Some(Cow::Borrowed(table));
    }
    transaction.changes.iter().find_map(|change| match change {
        Change::CreateTable { table, module, schema } if *table == id => {
            Some(Cow::Owned(Table::new(id, module.clone(), schema.clone())))
        }
        _ => None,
    })
}

/// `module.name`.
pub(super) fn full(module: &str, name: &str) -> String {
    format!("{module}.{name}")
}
