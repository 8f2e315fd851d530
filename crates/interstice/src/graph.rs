//! Graphs: what a database is made of and what of it causes what, as declared and as seen in its log.
//!
//! 1. [`declared()`] makes a graph of schemas: modules, tables, functions, schedules, and what each may do to the other.
//! 2. [`Observed`] counts in a stretch of the log what was done, and [`Graph::weigh`] writes that beside what is declared.
//! 3. [`Graph::subscriptions`] leaves only what rows that change set going, and [`cycles`] finds where that comes back.
//! 4. [`transactions()`] makes a graph of the other kind: each transaction, and those that its events set going.
//! 5. A [`Drawing`] is a graph with its cycles found, and each format is a use of it: [`dot`], [`graphml`], [`mermaid`], [`json`],
//!    [`svg`], [`html`].
//!
//! A graph is a value: nodes in the order in which they were found, which is by module and name, and at most one edge of a kind
//! between two of them.

pub mod cycles;
mod declared;
pub mod dot;
pub mod graphml;
pub mod html;
pub mod json;
mod layout;
pub mod mermaid;
mod observed;
pub mod svg;
mod transactions;
mod xml;

pub use cycles::Cycle;
pub use declared::declared;
pub use observed::Observed;
pub use transactions::{MAX_TRANSACTIONS, transactions};

use interstice_types::schema::ChangeKind;
use std::collections::{BTreeMap, BTreeSet};

/// Nodes, and edges between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    nodes: Vec<Node>,
    /// Where the node with an id is.
    places: BTreeMap<String, usize>,
    edges: BTreeMap<(usize, usize, EdgeKind), Edge>,
}

/// Something that does, or that something is done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// The module that it belongs to; of a transaction the one that ran, if one did.
    pub module: Option<String>,
    /// For people: `module.name`, of a transaction its offset and what ran.
    pub name: String,
    /// Among nodes of its kind the only one.
    pub key: String,
    /// What else is known of it, by name.
    pub facts: Vec<(&'static str, String)>,
    /// Whether a schema has it; otherwise it was only seen in the log.
    pub is_declared: bool,
    /// How it ran, where that was counted.
    pub runs: Option<Runs>,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeKind {
    /// A module.
    Module,
    /// A table.
    Table,
    /// A query.
    Query,
    /// A reducer that is called, by whomever, or that runs at a publish or for a connection.
    Reducer,
    /// A reducer that runs because rows changed.
    EventReducer,
    /// Times.
    Schedule,
    /// A transaction.
    Transaction,
}

/// What one node is to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The position of the node that it leaves.
    pub from: usize,
    /// The position of the node that it leads to.
    pub to: usize,
    /// What it says.
    pub kind: EdgeKind,
    /// Whether a schema says so; otherwise it was only seen in the log.
    pub is_declared: bool,
    /// How often, where that was counted.
    pub seen: Option<Seen>,
}

/// What an edge says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EdgeKind {
    /// The function looks at the table.
    Reads,
    /// The function adds rows to the table.
    Inserts,
    /// The function adds, changes and removes rows of the table.
    Writes,
    /// The module may call the function of another one.
    Calls,
    /// Such a change of the table has the event reducer run.
    On(ChangeKind),
    /// The reducer runs at the times.
    Due,
    /// A row that is deleted takes rows of the other table with it.
    Cascades,
    /// A row that is deleted is named by rows of the other table no more.
    Clears,
    /// An event of the transaction was delivered by the other one.
    Causes,
}

/// How often a function ran in transactions of its own, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Runs {
    /// Well.
    pub ok: u64,
    /// With an error, or a constraint that said no.
    pub rejected: u64,
    /// Broken.
    pub trapped: u64,
}

/// How often something was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Transactions in which it was.
    pub count: u64,
    /// Rows that came.
    pub insert: u64,
    /// Rows that became otherwise.
    pub update: u64,
    /// Rows that went.
    pub delete: u64,
}

/// A graph and what is to be seen in it.
#[derive(Debug, Clone)]
pub struct Drawing<'g> {
    /// The graph.
    pub graph: &'g Graph,
    /// Its cycles of event reducers.
    pub cycles: Vec<Cycle>,
    on_cycle: BTreeSet<(usize, usize, EdgeKind)>,
}

impl NodeKind {
    /// In kebab-case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Table => "table",
            Self::Query => "query",
            Self::Reducer => "reducer",
            Self::EventReducer => "event-reducer",
            Self::Schedule => "schedule",
            Self::Transaction => "transaction",
        }
    }
}

impl EdgeKind {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Inserts => "inserts",
            Self::Writes => "writes",
            Self::Calls => "calls",
            Self::On(ChangeKind::Insert) => "insert",
            Self::On(ChangeKind::Update) => "update",
            Self::On(ChangeKind::Delete) => "delete",
            Self::Due => "due",
            Self::Cascades => "cascades",
            Self::Clears => "clears",
            Self::Causes => "event",
        }
    }

    /// As [`name`](Self::name), but one for all changes that have a reducer run.
    pub fn group(self) -> &'static str {
        if let Self::On(_) = self { "on" } else { self.name() }
    }
}

impl Node {
    /// A node that a schema has.
    fn new(kind: NodeKind, module: &str, name: String) -> Self {
        let (module, key) = (Some(module.to_owned()), name.clone());
        Self { kind, module, name, key, facts: Vec::new(), is_declared: true, runs: None }
    }

    /// With something else that is known of it.
    fn with(mut self, fact: &'static str, value: impl Into<String>) -> Self {
        self.facts.push((fact, value.into()));
        self
    }

    /// As in `table:chat.message`: in its graph it is the only one with it.
    pub fn id(&self) -> String {
        id(self.kind, &self.key)
    }

    /// What is known of it beside its name, in a few words; often none.
    pub fn words(&self) -> String {
        let facts = self.facts.iter().filter(|(fact, _)| !matches!(*fact, "offset" | "function"));
        let mut words: Vec<_> = facts.map(|(_, value)| value.clone()).collect();
        if let Some(runs) = self.runs {
            let counts = [(runs.ok, "ok"), (runs.rejected, "rejected"), (runs.trapped, "trapped")];
            let counts = counts.into_iter().filter(|(count, name)| *count > 0 || *name == "ok");
            words.extend(counts.map(|(count, name)| format!("{count} {name}")));
        }
        words.join(", ")
    }
}

impl Edge {
    /// What it says, and how often that was: `writes`, `insert ×3`, `writes +2 ~1 -0`.
    pub fn words(&self) -> String {
        let name = self.kind.name();
        match (self.seen, self.kind) {
            (None, _) => name.to_owned(),
            (Some(seen), EdgeKind::Inserts | EdgeKind::Writes) => {
                format!("{name} +{} ~{} -{}", seen.insert, seen.update, seen.delete)
            }
            (Some(seen), _) => format!("{name} ×{}", seen.count),
        }
    }

    /// Which changes of a table it makes: as its function may, or as it was seen to.
    fn makes(&self, change: ChangeKind) -> bool {
        let declared = match self.kind {
            EdgeKind::Inserts => change == ChangeKind::Insert,
            EdgeKind::Writes => true,
            _ => return false,
        };
        let seen = self.seen.unwrap_or_default();
        let rows = match change {
            ChangeKind::Insert => seen.insert,
            ChangeKind::Update => seen.update,
            ChangeKind::Delete => seen.delete,
        };
        self.is_declared && declared || rows > 0
    }
}

impl Graph {
    /// Its nodes; an edge names them by their position.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Its edges, in the order of the nodes that they leave.
    pub fn edges(&self) -> impl ExactSizeIterator<Item = &Edge> {
        self.edges.values()
    }

    /// The position of the node with this id.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// What rows that change set going: tables, event reducers, what has them run, and what they and references change in turn.
    #[must_use]
    pub fn subscriptions(&self) -> Self {
        let is_event = |place: usize| self.nodes[place].kind == NodeKind::EventReducer;
        let mut kept: BTreeSet<_> = (0..self.nodes.len()).filter(|place| is_event(*place)).collect();
        let of_events = |edge: &Edge| match edge.kind {
            EdgeKind::On(_) => true,
            EdgeKind::Inserts | EdgeKind::Writes => is_event(edge.from),
            _ => false,
        };
        kept.extend(self.edges().filter(|edge| of_events(edge)).flat_map(|edge| [edge.from, edge.to]));
        let references: Vec<_> =
            self.edges().filter(|edge| matches!(edge.kind, EdgeKind::Cascades | EdgeKind::Clears)).collect();
        // References lead on from table to table.
        while references.iter().any(|edge| kept.contains(&edge.from) && kept.insert(edge.to)) {}
        let mut part = Self::default();
        let places: BTreeMap<_, _> = kept.iter().map(|place| (*place, part.add(self.nodes[*place].clone()))).collect();
        let edges = self.edges().filter(|edge| of_events(edge)).chain(references);
        for edge in edges {
            if let (Some(from), Some(to)) = (places.get(&edge.from), places.get(&edge.to)) {
                part.edges.insert((*from, *to, edge.kind), Edge { from: *from, to: *to, ..edge.clone() });
            }
        }
        part
    }

    /// Adds a node, if none has its id; returns its position.
    fn add(&mut self, node: Node) -> usize {
        let next = self.nodes.len();
        let place = *self.places.entry(node.id()).or_insert(next);
        if place == next {
            self.nodes.push(node);
        }
        place
    }

    /// Adds an edge that a schema has.
    fn connect(&mut self, from: usize, to: usize, kind: EdgeKind) {
        self.edges.entry((from, to, kind)).or_insert(Edge { from, to, kind, is_declared: true, seen: None });
    }
}

impl<'g> Drawing<'g> {
    /// Of `graph`, its cycles found.
    pub fn of(graph: &'g Graph) -> Self {
        let cycles = cycles::cycles(graph);
        let on_cycle = cycles.iter().flat_map(Cycle::edges).collect();
        Self { graph, cycles, on_cycle }
    }

    /// Whether an edge is part of a cycle.
    pub fn is_on_cycle(&self, edge: &Edge) -> bool {
        self.on_cycle.contains(&(edge.from, edge.to, edge.kind))
    }

    /// The cycles in words, as in `a.t --insert--> b.on_t --writes--> a.t`.
    pub fn paths(&self) -> Vec<String> {
        self.cycles.iter().map(|cycle| cycle.path(self.graph)).collect()
    }
}

fn id(kind: NodeKind, key: &str) -> String {
    format!("{}:{key}", kind.name())
}
