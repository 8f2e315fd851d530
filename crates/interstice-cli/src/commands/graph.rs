//! `graph`: what a database is made of and what of it causes what, on a node, in a data directory or a backup.
//!
//! What is declared a node says itself; what is counted is read from its log.

use super::replay;
use crate::args::{Graph as Options, GraphFormat, Kind, Scope};
use crate::directory::Directory;
use crate::failure::Failure;
use crate::node::{Node, body};
use crate::output::Output;
use crate::remote::Files;
use crate::report::Report;
use interstice::graph::{self, Drawing, Graph, MAX_TRANSACTIONS, Observed};
use interstice::history::{HistoryError, Selection, Selector};
use interstice::opened::Start;
use interstice_engine::catalog::Catalog;
use interstice_engine::engine::Engine;
use interstice_log::local::LocalLog;
use interstice_protocol::http::{Modules, route};
use interstice_server::reports;
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use std::ops::Range;
use std::path::Path;

pub(crate) fn run(node: &Node, options: &Options, output: &Output) -> Result<Report, Failure> {
    let format = format_of(options)?;
    let graph = found(node, options)?;
    let drawing = Drawing::of(&graph);
    drawing.paths().iter().for_each(|path| output.note(&format!("cycle: {path}")));
    let text = match format {
        GraphFormat::Html => graph::html::render(&drawing),
        GraphFormat::Svg => graph::svg::render(&drawing),
        GraphFormat::Dot => graph::dot::render(&drawing),
        GraphFormat::Graphml => graph::graphml::render(&drawing),
        GraphFormat::Mermaid => graph::mermaid::render(&drawing),
        GraphFormat::Json => graph::json::render(&drawing),
    };
    let document = graph::json::document(&drawing);
    let Some(file) = &options.out else { return Ok(Report::new(document, text).items("edges")) };
    std::fs::write(file, text + "\n").map_err(|error| Failure::file(file, &error))?;
    let head = format!(
        "wrote {}  nodes {}, edges {}, cycles {}",
        file.display(),
        graph.nodes().len(),
        graph.edges().len(),
        drawing.cycles.len()
    );
    Ok(Report::new(document, head).items("edges"))
}

/// The format that was asked for, or that the file's ending says.
fn format_of(options: &Options) -> Result<GraphFormat, Failure> {
    if let Some(format) = options.format {
        return Ok(format);
    }
    let Some(file) = &options.out else { return Ok(GraphFormat::Dot) };
    Ok(match file.extension().and_then(|ending| ending.to_str()) {
        Some("html") => GraphFormat::Html,
        Some("svg") => GraphFormat::Svg,
        Some("dot" | "gv") => GraphFormat::Dot,
        Some("graphml") => GraphFormat::Graphml,
        Some("mmd" | "mermaid") => GraphFormat::Mermaid,
        Some("json") => GraphFormat::Json,
        _ => {
            let text = format!("the ending of `{}` says no format", file.display());
            return Err(Failure::usage(text, "add `--format html`, svg, dot, graphml, mermaid or json"));
        }
    })
}

fn found(node: &Node, options: &Options) -> Result<Graph, Failure> {
    let Options { kind, scope, observed, data, .. } = options;
    let data = data.as_deref();
    if *kind == Kind::Transactions {
        return Stretch::open(node, data, *scope)?.transactions();
    }
    let is_now = scope.from.is_none() && scope.to.is_none();
    let graph = match data {
        _ if *observed => Stretch::open(node, data, *scope)?.weighed()?,
        _ if !is_now => declared_by(Stretch::open(node, data, *scope)?.observed()?.1.catalog()),
        None => graph::declared(schemas_in_force(node)?.iter()),
        Some(data) => declared_by(Directory::open(data)?.state()?.catalog()),
    };
    Ok(if *kind == Kind::Subscriptions { graph.subscriptions() } else { graph })
}

/// The schemas of the modules in force on a node.
pub(super) fn schemas_in_force(node: &Node) -> Result<Vec<Schema>, Failure> {
    let modules = body::<Modules>(&node.get(route::MODULES)?)?.modules;
    modules.iter().map(|module| node.schema(&module.name)).collect()
}

fn declared_by(catalog: &Catalog) -> Graph {
    graph::declared(catalog.modules().iter().map(|entry| &*entry.schema))
}

/// A stretch of history.
struct Stretch {
    directory: Directory,
    log: LocalLog<Files>,
    range: Range<Offset>,
}

impl Stretch {
    fn open(node: &Node, data: Option<&Path>, scope: Scope) -> Result<Self, Failure> {
        let directory = Directory::at(node, data)?;
        let log = directory.log()?;
        let scope = replay::range(&directory, &log, scope)?;
        Ok(Self { directory, log, range: scope.from..scope.to })
    }

    /// Its transactions, if they are not too many.
    fn transactions(&self) -> Result<Graph, Failure> {
        let (count, end) = (self.range.end - self.range.start, self.range.end);
        if count > MAX_TRANSACTIONS {
            let text = format!("{count} transactions are too many for a graph, which has at most {MAX_TRANSACTIONS}");
            let hint = format!("take the last ones: `--from {} --to {end}`", end - MAX_TRANSACTIONS);
            return Err(Problem::new("graph-too-large", text).hint(hint).into());
        }
        self.look(graph::transactions)
    }

    /// What was done in it, and the state at its end.
    fn observed(&self) -> Result<(Observed, Engine), Failure> {
        self.look(Observed::of)
    }

    /// What was declared at its end, and how often that was done in it.
    fn weighed(&self) -> Result<Graph, Failure> {
        let (observed, engine) = self.observed()?;
        let mut graph = declared_by(engine.catalog());
        graph.weigh(&observed);
        Ok(graph)
    }

    fn look<T>(
        &self,
        look: impl FnOnce(&LocalLog<Files>, Start, &Selector) -> Result<T, HistoryError>,
    ) -> Result<T, Failure> {
        let Range { start: from, end: to } = self.range;
        let selection = Selection { from: Some(from), to: Some(to), ..Selection::default() };
        let start = self.directory.start(&self.log, from)?;
        look(&self.log, start, &selection.selector()?).map_err(|error| match error {
            error if error.is_trimmed() => reports::trimmed(&error).into(),
            error => self.directory.corrupt(&error),
        })
    }
}
