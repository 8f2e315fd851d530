//! What the numbers in a record stand for, in the state that it was made on.

use interstice_engine::catalog::{Catalog, ModuleEntry};
use interstice_engine::engine::Engine;
use interstice_engine::system;
use interstice_types::change::Change;
use interstice_types::id::Identity;
use interstice_types::schema::FunctionSchema;
use interstice_types::transaction::{Cause, Transaction};

/// The function that ran, and its module.
pub(super) fn function<'c>(cause: &Cause, catalog: &'c Catalog) -> Option<(&'c ModuleEntry, &'c FunctionSchema)> {
    let (entry, number) = match cause {
        Cause::Call { version, function, .. } => {
            (catalog.modules().iter().find(|entry| entry.published_at == *version)?, *function)
        }
        Cause::Event { event, .. } => {
            let reducer = catalog.event_reducers().get(event.subscriber as usize)?;
            (&catalog.modules()[reducer.module], reducer.function)
        }
        Cause::Genesis { .. } | Cause::Configure | Cause::Publish { .. } => return None,
    };
    Some((entry, entry.schema.functions.get(number as usize)?))
}

/// Who caused it; `None` if nobody did.
pub(super) fn caller(transaction: &Transaction, before: &Engine) -> Option<Identity> {
    let cause = &transaction.cause;
    match cause {
        Cause::Publish { caller, .. } | Cause::Call { caller, .. } => system::identity_of(before.store(), *caller)
            .or_else(|| system::identity_given(&transaction.changes, *caller)),
        Cause::Event { .. } => function(cause, before.catalog()).map(|(entry, _)| entry.identity),
        Cause::Genesis { .. } | Cause::Configure => None,
    }
}

/// The owner and the name of the table that a change is about.
pub(super) fn table<'c>(change: &'c Change, before: &'c Engine) -> Option<(&'c str, &'c str)> {
    if let Change::CreateTable { module, schema, .. } = change {
        return Some((module, &schema.name));
    }
    let table = before.store().table(change.table())?;
    Some((table.module(), &table.schema().name))
}

/// `module.name`.
pub(super) fn full(module: &str, name: &str) -> String {
    format!("{module}.{name}")
}
