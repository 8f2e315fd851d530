//! History again: recorded transactions applied without running module code, and an engine that begins in the middle of it.

use crate::catalog::Catalog;
use crate::engine::Engine;
use crate::last_changed::LastChanged;
use crate::limits::Limits;
use crate::module::ModuleLoader;
use crate::schedule::Pending;
use crate::system;
use interstice_store::store::Store;
use interstice_store::table::ApplyError;
use interstice_types::change::Change;
use interstice_types::id::Offset;
use interstice_types::time::Timestamp;
use interstice_types::transaction::{Cause, EventId, Transaction};
use std::sync::Arc;

/// Why a recorded transaction is not the next of this engine. The engine is of no use any more.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// It is not the one that comes next.
    #[error("transaction {found} where {expected} comes next")]
    WrongOffset {
        /// What comes next.
        expected: Offset,
        /// What came.
        found: Offset,
    },
    /// Its changes do not fit the rows.
    #[error("the changes of transaction {offset} do not fit: {source}")]
    DoesNotFit {
        /// Which.
        offset: Offset,
        /// Why.
        source: ApplyError,
    },
    /// The rows after it are not the rows that were there when it was recorded.
    #[error("after transaction {offset} the state digest is {found:032x}, recorded is {recorded:032x}")]
    WrongDigest {
        /// Which.
        offset: Offset,
        /// The digest of the rows.
        found: u128,
        /// The digest in the record.
        recorded: u128,
    },
    /// It consumed an event that was not the next one.
    #[error("transaction {offset} consumed event {found:?}, the next one is {expected:?}")]
    WrongEvent {
        /// Which.
        offset: Offset,
        /// What comes next.
        expected: Option<EventId>,
        /// What it consumed.
        found: EventId,
    },
}

impl Engine {
    /// An engine at a later moment: after `next_offset` transactions, the newest of them at `time`, with the tables of then.
    ///
    /// Events that were pending are to be queued again ([`queue_again`](Self::queue_again)), with the transactions that
    /// raised them.
    pub fn restored(loader: Arc<dyn ModuleLoader>, limits: Limits, store: Store, moment: (Offset, Timestamp)) -> Self {
        let (next_offset, time) = moment;
        let catalog = Arc::new(Catalog::build(&store, &Catalog::default()));
        let last_changed = LastChanged::all_at(next_offset, store.next_table_id());
        let pending_schedules = Pending::of(&store);
        let own = Self::new(loader, limits);
        let limits = system::limit::noted(&store).unwrap_or(limits);
        Self { store, catalog, limits, next_offset, time, last_changed, pending_schedules, ..own }
    }

    /// An engine that goes on from here by itself: what is done on it is seen nowhere else. Rows are shared until one of the two changes
    /// them; only events that are pending are copied. It has no instances: it applies what is recorded, or
    /// [loads its modules](Self::load_modules) first.
    pub fn fork(&self) -> Self {
        Self {
            store: self.store.clone(),
            catalog: Arc::clone(&self.catalog),
            queue: self.queue.clone(),
            next_offset: self.next_offset,
            time: self.time,
            last_changed: self.last_changed.clone(),
            last_caller: self.last_caller,
            unlogged: self.unlogged,
            pending_schedules: self.pending_schedules.clone(),
            limits: self.limits,
            ..Self::new(Arc::clone(&self.loader), self.own_limits)
        }
    }

    /// An engine like this one with other tables, at another moment, with its modules ready to run.
    pub(crate) fn restored_with(&self, store: Store, moment: (Offset, Timestamp)) -> Self {
        let mut engine = Self::restored(Arc::clone(&self.loader), self.limits, store, moment);
        engine.load_modules();
        engine
    }

    /// Queues the events that had not been consumed by this engine's moment; `before` are the transactions up to then, in
    /// order, from one on before which no such event was raised.
    ///
    /// # Errors
    /// The first one of `before`.
    pub fn queue_again<E>(&mut self, before: impl Iterator<Item = Result<Transaction, E>>) -> Result<(), E> {
        let cursor = system::event_cursor(&self.store);
        for transaction in before {
            let transaction = transaction?;
            assert!(transaction.offset < self.next_offset, "invariant: what comes later is applied");
            let depth = match transaction.cause {
                Cause::Event { depth, .. } => depth,
                _ => 0,
            };
            self.queue.raise(&self.catalog, transaction.offset, depth, &transaction.changes);
            if let Some(cursor) = cursor {
                self.queue.forget(cursor);
            }
        }
        Ok(())
    }

    /// Makes a recorded transaction's changes. Runs no module code.
    ///
    /// # Errors
    /// [`RecordedError`] if it is not the next one of this engine.
    pub fn apply(&mut self, transaction: &Transaction) -> Result<(), RecordedError> {
        self.apply_completely(transaction).map(drop)
    }

    /// Makes `changes`, which are some of those that happened: for an engine that tells history without having all rows of it. Nothing is
    /// compared, nothing becomes pending, and it runs nothing.
    ///
    /// # Errors
    /// [`ApplyError`] if they do not fit what it has.
    pub fn make_part(&mut self, mut changes: Vec<Change>) -> Result<(), ApplyError> {
        let makes_catalog =
            |change: &Change| !change.is_of_rows() || [system::MODULE, system::TABLE].contains(&change.table());
        let makes_catalog = changes.iter().any(makes_catalog);
        self.store.apply(&mut changes)?;
        if makes_catalog {
            self.catalog = Arc::new(Catalog::build(&self.store, &self.catalog));
        }
        Ok(())
    }

    /// As [`apply`](Self::apply); gives the changes with their old rows.
    pub(crate) fn apply_completely(&mut self, transaction: &Transaction) -> Result<Vec<Change>, RecordedError> {
        let offset = transaction.offset;
        if offset != self.next_offset {
            return Err(RecordedError::WrongOffset { expected: self.next_offset, found: offset });
        }
        let mut changes = transaction.changes.clone();
        self.store.apply(&mut changes).map_err(|source| RecordedError::DoesNotFit { offset, source })?;
        let found = self.store.digest();
        if found != transaction.state_digest {
            return Err(RecordedError::WrongDigest { offset, found, recorded: transaction.state_digest });
        }
        if let Cause::Event { event, depth } = transaction.cause {
            let expected = self.queue.first().map(|pending| (pending.id, pending.depth));
            if expected != Some((event, depth)) {
                let expected = expected.map(|(id, _)| id);
                return Err(RecordedError::WrongEvent { offset, expected, found: event });
            }
        }
        self.advance(transaction, &changes);
        Ok(changes)
    }
}
