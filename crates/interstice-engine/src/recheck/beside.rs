//! Single transactions run again, beside the engine that made them and goes on.

use super::Verdict;
use crate::catalog::Catalog;
use crate::engine::{Engine, instantiate};
use crate::event::PendingEvent;
use crate::limits::Limits;
use crate::module::ModuleLoader;
use crate::recorded::RecordedError;
use crate::schedule::Pending;
use interstice_store::store::Store;
use interstice_types::id::Offset;
use interstice_types::time::Timestamp;
use interstice_types::transaction::Transaction;
use std::sync::Arc;

/// What there is before a transaction, as far as it can matter to it. To take it is O(1); while it is kept, what the engine changes is copied.
pub struct Before {
    store: Store,
    catalog: Arc<Catalog>,
    event: Option<PendingEvent>,
    limits: Limits,
    next_offset: Offset,
    time: Timestamp,
    pending_schedules: Pending,
}

/// Runs transactions again, each from what there was before it.
pub struct Beside {
    engine: Engine,
}

impl Engine {
    /// What there is before the next transaction.
    pub fn before(&self) -> Before {
        Before {
            store: self.store.clone(),
            catalog: Arc::clone(&self.catalog),
            event: self.queue.first().cloned(),
            limits: self.limits,
            next_offset: self.next_offset,
            time: self.time,
            pending_schedules: self.pending_schedules.clone(),
        }
    }
}

impl Beside {
    /// With modules that are published from `loader`; those in force come with what there is before.
    pub fn new(loader: Arc<dyn ModuleLoader>, limits: Limits) -> Self {
        Self { engine: Engine::new(loader, limits) }
    }

    /// Runs the cause of `transaction` again from `before`, and compares.
    ///
    /// # Errors
    /// [`RecordedError`] if it does not follow.
    pub fn recheck(&mut self, before: Before, transaction: &Transaction) -> Result<Verdict, RecordedError> {
        let Before { store, catalog, event, limits, next_offset, time, pending_schedules } = before;
        let engine = &mut self.engine;
        if !Arc::ptr_eq(&engine.catalog, &catalog) || engine.instances.len() != catalog.modules().len() {
            engine.instances = instantiate(&catalog);
            engine.catalog = catalog;
        }
        (engine.store, engine.next_offset, engine.time) = (store, next_offset, time);
        engine.limits = limits;
        (engine.queue, engine.pending_schedules) = (event.into_iter().collect(), pending_schedules);
        // The number that a caller had in another state.
        engine.last_caller = None;
        let verdict = engine.recheck(transaction);
        // What is kept here, the engine that goes on has to copy.
        engine.store = Store::new();
        verdict
    }
}
