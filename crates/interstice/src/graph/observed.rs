//! What was done, counted in a stretch of the log, and written beside what is declared.
//!
//! Counted are transactions in which one function ran: calls, events and schedules. A publish or a connection has functions of many
//! modules run in one transaction, which does not say which of them changed what.

use super::declared::{full_name, kind_of};
use super::{Edge, EdgeKind, Graph, Node, NodeKind, Runs, Seen, id};
use crate::history::names::{self, full};
use crate::history::{self, HistoryError, Selector};
use crate::opened::Start;
use interstice_engine::engine::Engine;
use interstice_log::log::CommitLog;
use interstice_types::change::Change;
use interstice_types::id::TableId;
use interstice_types::schema::{ChangeKind, FunctionKind, FunctionSchema, SYSTEM_MODULE, Schema};
use interstice_types::transaction::{Cause, Outcome, Transaction};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// What functions did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// By `module.function`.
    functions: BTreeMap<String, Ran>,
}

/// What one function did.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ran {
    module: String,
    kind: NodeKind,
    runs: Runs,
    /// By `module.table`.
    tables: BTreeMap<String, Seen>,
    /// By the table and the kind of change that had it run.
    events: BTreeMap<(String, ChangeKind), u64>,
    /// Runs at a time of its own.
    scheduled: u64,
}

impl Observed {
    /// Of the transactions of `log` that `selector` selects, and the state behind the last of them.
    ///
    /// # Errors
    /// [`HistoryError`], also if the log does not go on from `start`.
    pub fn of<L: CommitLog>(log: &L, start: Start, selector: &Selector) -> Result<(Self, Engine), HistoryError> {
        let mut observed = Self::default();
        let engine = history::walk(log, start, selector, &|| true, |seen| {
            if let history::Seen::Transaction(transaction, before) = seen {
                observed.count(transaction, before);
            }
            ControlFlow::Continue(())
        })?;
        Ok((observed, engine))
    }

    fn count(&mut self, transaction: &Transaction, before: &Engine) {
        let Some((entry, function)) = names::function(&transaction.cause, before.catalog()) else { return };
        let schema = &entry.schema;
        let ran =
            self.functions.entry(full(&schema.module, &function.name)).or_insert_with(|| Ran::new(schema, function));
        match transaction.outcome {
            Outcome::Ok(_) => ran.runs.ok += 1,
            Outcome::Rejected(_) => ran.runs.rejected += 1,
            Outcome::Trapped(_) => ran.runs.trapped += 1,
        }
        match (&transaction.cause, &function.kind) {
            (Cause::Event { .. }, FunctionKind::Event { on, table }) => {
                *ran.events.entry((full_name(schema, table), *on)).or_default() += 1;
            }
            (Cause::Schedule { .. }, _) => ran.scheduled += 1,
            _ => {}
        }
        let tables = names::Tables::of(transaction, before);
        for (id, rows) in rows_by_table(&transaction.changes) {
            // What the node notes of each transaction in its own tables the function did not do.
            let Some(table) = tables.get(id).filter(|table| **table.module() != *SYSTEM_MODULE) else { continue };
            ran.tables.entry(full(table.module(), &table.schema().name)).or_default().add(rows);
        }
    }
}

impl Ran {
    fn new(schema: &Schema, function: &FunctionSchema) -> Self {
        Self {
            module: schema.module.clone(),
            kind: kind_of(function),
            runs: Runs::default(),
            tables: BTreeMap::new(),
            events: BTreeMap::new(),
            scheduled: 0,
        }
    }
}

impl Node {
    /// Whether it is a function that runs alone in a transaction that is in the log.
    fn is_counted(&self) -> bool {
        let shares = ["init", "upgrade", "connect", "disconnect", "migration"];
        let is_alone = !self.facts.iter().any(|(fact, value)| *fact == "role" && shares.contains(&value.as_str()));
        matches!(self.kind, NodeKind::Reducer | NodeKind::EventReducer) && is_alone
    }
}

impl Seen {
    fn add(&mut self, more: Self) {
        self.count += more.count;
        self.insert += more.insert;
        self.update += more.update;
        self.delete += more.delete;
    }
}

/// The rows that one transaction changed.
fn rows_by_table(changes: &[Change]) -> BTreeMap<TableId, Seen> {
    let mut tables = BTreeMap::new();
    for change in changes {
        let rows = match change {
            Change::Insert { .. } => Seen { count: 1, insert: 1, ..Seen::default() },
            Change::Update { .. } => Seen { count: 1, update: 1, ..Seen::default() },
            Change::Delete { .. } => Seen { count: 1, delete: 1, ..Seen::default() },
            Change::Sequence { .. }
            | Change::CreateTable { .. }
            | Change::AlterTable { .. }
            | Change::ClearTable { .. }
            | Change::DropTable { .. } => continue,
        };
        let all: &mut Seen = tables.entry(change.table()).or_default();
        all.add(rows);
        all.count = 1;
    }
    tables
}

impl Graph {
    /// Writes beside what is declared how often it was seen, and adds what was seen without being declared: what a function did by
    /// calling one of another module, and what former versions did.
    pub fn weigh(&mut self, observed: &Observed) {
        for node in &mut self.nodes {
            node.runs = node.is_counted().then(Runs::default);
        }
        for edge in self.edges.values_mut() {
            let is_counted = match edge.kind {
                EdgeKind::Inserts | EdgeKind::Writes => self.nodes[edge.from].is_counted(),
                EdgeKind::On(_) | EdgeKind::Due => true,
                _ => false,
            };
            edge.seen = is_counted.then(Seen::default);
        }
        for (name, ran) in &observed.functions {
            self.weigh_function(name, ran);
        }
    }

    fn weigh_function(&mut self, name: &str, ran: &Ran) {
        let place = self.add(Node { is_declared: false, ..Node::new(ran.kind, &ran.module, name.to_owned()) });
        self.nodes[place].runs = Some(ran.runs);
        for (table, seen) in &ran.tables {
            let table = self.seen_table(table);
            let inserts = self.edges.contains_key(&(place, table, EdgeKind::Inserts));
            let writes = self.edges.contains_key(&(place, table, EdgeKind::Writes));
            let kind = if inserts && !writes { EdgeKind::Inserts } else { EdgeKind::Writes };
            self.see((place, table, kind), *seen);
        }
        for ((table, on), count) in &ran.events {
            let table = self.seen_table(table);
            self.see((table, place, EdgeKind::On(*on)), Seen { count: *count, ..Seen::default() });
        }
        if ran.scheduled > 0 {
            let times = Node::new(NodeKind::Schedule, &ran.module, name.to_owned()).with("times", "set by a reducer");
            let times = self.add(Node { is_declared: false, ..times });
            self.see((times, place, EdgeKind::Due), Seen { count: ran.scheduled, ..Seen::default() });
        }
    }

    fn see(&mut self, (from, to, kind): (usize, usize, EdgeKind), seen: Seen) {
        let edge = self.edges.entry((from, to, kind));
        edge.or_insert(Edge { from, to, kind, is_declared: false, seen: None }).seen = Some(seen);
    }

    /// The place of a table, which may be there no more.
    fn seen_table(&mut self, name: &str) -> usize {
        if let Some(place) = self.place(&id(NodeKind::Table, name)) {
            return place;
        }
        let module = name.split('.').next().unwrap_or_default();
        self.add(Node { is_declared: false, ..Node::new(NodeKind::Table, module, name.to_owned()) })
    }
}
