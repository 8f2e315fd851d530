//! What may stand behind `graph`.

use super::Scope;
use clap::ValueEnum;
use std::path::PathBuf;

/// Which graph, and how it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Graph {
    /// What the nodes are
    #[arg(long, value_enum, default_value_t = Kind::Modules)]
    pub(crate) kind: Kind,
    /// The language of the graph; if this is left out, what the ending of `--out` says, else dot
    #[arg(long, value_enum)]
    pub(crate) format: Option<GraphFormat>,
    /// Write it into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Count in the log how often everything was done
    #[arg(long)]
    pub(crate) observed: bool,
    #[command(flatten)]
    pub(crate) scope: Scope,
    /// Read a data directory or a backup instead of asking a node
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// What the nodes of a graph are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Modules, tables, functions and schedules, and what they do to each other
    Modules,
    /// Tables and the reducers that run because they change
    Subscriptions,
    /// Transactions, and the events that they caused
    Transactions,
}

/// The language of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// One page that needs nothing else: move, zoom, find, follow
    Html,
    /// A picture
    Svg,
    /// Graphviz
    Dot,
    /// For Gephi, yEd, networkx
    Graphml,
    /// For Markdown
    Mermaid,
    /// As `-o json`, indented
    Json,
}
