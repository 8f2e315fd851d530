//! What all threads of a node share.

use crate::ask::{Ask, Batch};
use crate::background::Background;
use crate::lifeline::Lifeline;
use crate::lines::Lines;
use crate::log_access::{Kit, LogAccess};
use crate::queue::{Queue, Refused};
use crate::receipts::Receipts;
use crate::reserve::Reserve;
use crate::snapshot_thread::Effort;
use crate::verify::Counts;
use interstice_engine::catalog::Catalog;
use interstice_engine::limits::Limits;
use interstice_engine::module::ModuleLoader;
use interstice_protocol::problems;
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;
use tokio::sync::{Semaphore, watch};

/// Bytes of calls that may wait for the engine, over all connections.
pub(crate) const MAX_INBOX_SIZE: usize = 256 << 20;
/// Bytes of executed transactions that may wait for the disk.
pub(crate) const MAX_ROUNDS_SIZE: usize = 64 << 20;
/// Walks over history at a time; others wait.
const MAX_HISTORY_READERS: usize = 4;
/// Reads that may wait for the reader.
pub(crate) const MAX_JOBS: usize = 65_536;

/// A node, as its threads see it.
pub(crate) struct Node {
    pub(crate) inbox: Queue<Batch>,
    pub(crate) lifeline: Lifeline,
    pub(crate) gauges: Gauges,
    pub(crate) loader: Arc<dyn ModuleLoader>,
    pub(crate) limits: Limits,
    pub(crate) log: Box<dyn LogAccess>,
    pub(crate) background: Background,
    pub(crate) receipts: Receipts,
    /// What functions logged.
    pub(crate) lines: Lines,
    pub(crate) history_readers: Arc<Semaphore>,
    /// Shared with whoever makes the next segment, who must not keep the log.
    pub(crate) reserve: Arc<Reserve>,
    pub(crate) facts: Facts,
    /// Tells sockets to send what is left and close.
    pub(crate) closing: watch::Sender<bool>,
    /// The modules in force, all durable.
    catalog: RwLock<Arc<Catalog>>,
    next_session: AtomicU64,
}

/// What does not change while a node runs.
pub(crate) struct Facts {
    pub(crate) node: [u8; 16],
    pub(crate) data: Option<PathBuf>,
    pub(crate) started: Instant,
    /// How snapshots are made.
    pub(crate) effort: Effort,
    /// One transaction of so many is run again.
    pub(crate) verify: Option<NonZero<u64>>,
    /// Bytes of what functions logged that are kept.
    pub(crate) kept_lines_size: usize,
}

/// Numbers for whoever asks how the node is.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    offset: AtomicU64,
    pending_events: AtomicUsize,
    pub(crate) sessions: AtomicUsize,
    pub(crate) verified: Counts,
}

impl Gauges {
    pub(crate) fn set_engine(&self, offset: Offset, pending_events: usize) {
        self.offset.store(offset, Ordering::Relaxed);
        self.pending_events.store(pending_events, Ordering::Relaxed);
    }

    /// Transactions made, events pending.
    pub(crate) fn read(&self) -> (Offset, usize) {
        (self.offset.load(Ordering::Relaxed), self.pending_events.load(Ordering::Relaxed))
    }
}

impl Node {
    /// A node whose next transaction gets the offset `kept_from`.
    pub(crate) fn new(
        (catalog, kept_from): (Arc<Catalog>, Offset),
        (loader, limits): (Arc<dyn ModuleLoader>, Limits),
        log: Box<dyn LogAccess>,
        facts: Facts,
    ) -> Self {
        Self {
            inbox: Queue::new(MAX_INBOX_SIZE),
            lifeline: Lifeline::new(),
            gauges: Gauges::default(),
            loader,
            limits,
            log,
            background: Background::default(),
            receipts: Receipts::new(),
            lines: Lines::new(facts.kept_lines_size, kept_from),
            history_readers: Arc::new(Semaphore::new(MAX_HISTORY_READERS)),
            reserve: Arc::default(),
            facts,
            closing: watch::Sender::new(false),
            catalog: RwLock::new(catalog),
            next_session: AtomicU64::new(0),
        }
    }

    /// What loading a state and running modules on it takes.
    pub(crate) fn kit(&self) -> Kit {
        (Arc::clone(&self.loader), self.limits)
    }

    /// The modules in force. What they say is durable.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_catalog(&self, catalog: Arc<Catalog>) {
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog;
    }

    pub(crate) fn next_session_id(&self) -> u64 {
        self.next_session.fetch_add(1, Ordering::Relaxed)
    }

    /// The refusal of what would write while there is no space, for this reason.
    pub(crate) fn read_only(&self, why: &str) -> Problem {
        let size = self.log.room().map_or(0, |room| room.segment);
        problems::read_only(why, size, self.facts.data.as_deref())
    }

    /// Hands what must not be lost to the engine, however much waits there: that a session begins or ends, once each. A node that takes
    /// nothing more has no use for it.
    pub(crate) fn announce(&self, batch: Batch) {
        let weight = batch.asks.iter().map(Ask::weight).sum();
        self.inbox.insist(batch, weight);
    }

    /// Hands a batch to the engine. One that is refused comes back with the reason; nothing of it was done.
    pub(crate) fn submit(&self, batch: Batch) -> Result<(), (Batch, Problem)> {
        let weight = batch.asks.iter().map(Ask::weight).sum();
        self.inbox.offer(batch, weight).map_err(|refused| match refused {
            Refused::Full(batch) => {
                let problem = Problem::new("overloaded", "more calls wait than the node takes; nothing was done");
                (batch, problem.hint("call again in a moment"))
            }
            Refused::Closed(batch) => {
                let stopped = || problems::unavailable("the node stops");
                (batch, self.lifeline.refusal().unwrap_or_else(stopped))
            }
        })
    }
}

impl Ask {
    /// How much it weighs in the inbox, in bytes.
    fn weight(&self) -> usize {
        /// What one thing costs beside its bytes.
        const OVERHEAD: usize = 256;
        OVERHEAD
            + match self {
                Self::Call(invocation, _) | Self::Query(invocation, _) => invocation.args.len(),
                Self::Publish(publish) => publish.artefact.len(),
                Self::Sql { statement, .. } => statement.text.len(),
                Self::Subscribe(subscribe) => subscribe.sql.len(),
                Self::SubscribeQuery(query) => query.size(),
                Self::Look(_)
                | Self::Control { .. }
                | Self::Unsubscribe { .. }
                | Self::EndSubscription { .. }
                | Self::Arrive(_)
                | Self::Leave => 0,
            }
    }
}
