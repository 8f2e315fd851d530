//! What history is made of: counts by function, table and cause, and where the bytes go.

use super::{HistoryError, Seen, Selector, names, walk};
use crate::opened::Start;
use interstice_engine::engine::Engine;
use interstice_log::frame::{FrameKind, StoredFrame};
use interstice_log::log::CommitLog;
use interstice_types::change::Change;
use interstice_types::id::Offset;
use interstice_types::time::Timestamp;
use interstice_types::transaction::{Outcome, Part, Transaction};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// What the selected transactions of a log are made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// How many.
    pub transactions: u64,
    /// The first one and the last one, and when they were.
    pub ends: Option<[(Offset, Timestamp); 2]>,
    /// How many by their cause's name.
    pub causes: BTreeMap<&'static str, u64>,
    /// By `module.function`.
    pub functions: BTreeMap<String, FunctionStats>,
    /// By `module.table`.
    pub tables: BTreeMap<String, TableStats>,
    /// Bytes of records, by their parts.
    pub parts: BTreeMap<Part, u64>,
    /// All frames that were walked over, of whichever transactions, by their kind's name.
    pub frames: BTreeMap<&'static str, u64>,
    /// Bytes of those frames.
    pub frame_bytes: u64,
    /// Bytes of the transactions in them.
    pub payload_bytes: u64,
}

/// What a function did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FunctionStats {
    /// Transactions that ended well.
    pub ok: u64,
    /// That were rejected.
    pub rejected: u64,
    /// That broke.
    pub trapped: u64,
    /// Fuel, all together.
    pub fuel: u64,
    /// Host calls, all together.
    pub host_calls: u64,
    /// Bytes of records.
    pub bytes: u64,
}

/// What was done to a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableStats {
    /// Rows that came.
    pub insert: u64,
    /// Rows that became otherwise.
    pub update: u64,
    /// Rows that went.
    pub delete: u64,
}

impl Stats {
    /// Of the transactions of `log` that `selector` selects.
    ///
    /// # Errors
    /// [`HistoryError`], also if the log does not go on from `start`.
    pub fn of<L: CommitLog>(log: &L, start: Start, selector: &Selector) -> Result<Self, HistoryError> {
        let mut stats = Self::default();
        walk(log, start, selector, &|| true, |seen| {
            match seen {
                Seen::Frame(frame) => stats.count_frame(frame),
                Seen::Transaction(transaction, before) => stats.count(transaction, before),
            }
            ControlFlow::Continue(())
        })?;
        Ok(stats)
    }

    /// Bytes of the records.
    pub fn bytes(&self) -> u64 {
        self.parts.values().sum()
    }

    fn count_frame(&mut self, stored: &StoredFrame) {
        let kind = match stored.frame.kind {
            FrameKind::Transactions => {
                self.payload_bytes += stored.frame.payload.len() as u64;
                "transactions"
            }
            FrameKind::Epoch => "epoch",
            FrameKind::Seal => "seal",
            FrameKind::Loss => "loss",
        };
        *self.frames.entry(kind).or_default() += 1;
        self.frame_bytes += stored.frame.size();
    }

    fn count(&mut self, transaction: &Transaction, before: &Engine) {
        self.transactions += 1;
        let this = (transaction.offset, transaction.time);
        self.ends = Some([self.ends.map_or(this, |[first, _]| first), this]);
        *self.causes.entry(transaction.cause.name()).or_default() += 1;
        let sizes = transaction.sizes(|table| before.catalog().keeps_old(table));
        for (part, size) in &sizes {
            *self.parts.entry(*part).or_default() += size;
        }
        if let Some((entry, schema)) = names::function(&transaction.cause, before.catalog()) {
            let function = self.functions.entry(names::full(&entry.schema.module, &schema.name)).or_default();
            function.count(transaction, sizes.iter().map(|(_, size)| size).sum());
        }
        let tables = names::Tables::of(transaction, before);
        for change in &transaction.changes {
            let Some(table) = tables.get(change.table()) else { continue };
            self.tables.entry(names::full(table.module(), &table.schema().name)).or_default().count(change);
        }
    }
}

impl FunctionStats {
    /// Transactions, however they ended.
    pub fn transactions(&self) -> u64 {
        self.ok + self.rejected + self.trapped
    }

    fn count(&mut self, transaction: &Transaction, bytes: u64) {
        match transaction.outcome {
            Outcome::Ok(_) => self.ok += 1,
            Outcome::Rejected(_) => self.rejected += 1,
            Outcome::Trapped(_) => self.trapped += 1,
        }
        self.fuel += transaction.work.fuel;
        self.host_calls += transaction.work.host_calls;
        self.bytes += bytes;
    }
}

impl TableStats {
    fn count(&mut self, change: &Change) {
        match change {
            Change::Insert { .. } => self.insert += 1,
            Change::Update { .. } => self.update += 1,
            Change::Delete { .. } => self.delete += 1,
            Change::Sequence { .. }
            | Change::CreateTable { .. }
            | Change::AlterTable { .. }
            | Change::ClearTable { .. }
            | Change::DropTable { .. } => {}
        }
    }
}
