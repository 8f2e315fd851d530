//! Transactions as a graph of causes: a call, the events of what it changed, the events of theirs.

use super::{EdgeKind, Graph, Node, NodeKind, id};
use crate::history::names::{self, full};
use crate::history::{self, HistoryError, Selector};
use crate::opened::Start;
use interstice_engine::engine::Engine;
use interstice_log::log::CommitLog;
use interstice_types::transaction::{Cause, Transaction};
use std::ops::ControlFlow;

/// As many transactions as a graph has at most: more are nothing that anybody can look at.
pub const MAX_TRANSACTIONS: u64 = 10_000;

/// The first [`MAX_TRANSACTIONS`] transactions of `log` that `selector` selects. An event of one that is not selected comes from
/// nowhere.
///
/// # Errors
/// [`HistoryError`], also if the log does not go on from `start`.
pub fn transactions<L: CommitLog>(log: &L, start: Start, selector: &Selector) -> Result<Graph, HistoryError> {
    let mut graph = Graph::default();
    history::walk(log, start, selector, &|| true, |seen| {
        if let history::Seen::Transaction(transaction, before) = seen {
            add(transaction, before, &mut graph);
        }
        if graph.nodes.len() as u64 == MAX_TRANSACTIONS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(graph)
}

fn add(transaction: &Transaction, before: &Engine, graph: &mut Graph) {
    let ran = names::function(&transaction.cause, before.catalog());
    let function = ran.map(|(entry, function)| full(&entry.schema.module, &function.name));
    let what = match (&function, &transaction.cause) {
        (Some(function), _) => function.clone(),
        (None, Cause::Publish { module, .. }) => format!("publish {module}"),
        (None, cause) => cause.name().to_owned(),
    };
    let key = transaction.offset.to_string();
    let mut facts = vec![
        ("offset", key.clone()),
        ("cause", transaction.cause.name().to_owned()),
        ("outcome", transaction.outcome.name().to_owned()),
    ];
    facts.extend(function.map(|function| ("function", function)));
    let place = graph.add(Node {
        kind: NodeKind::Transaction,
        module: ran.map(|(entry, _)| entry.schema.module.clone()),
        name: format!("{key} {what}"),
        key,
        facts,
        is_declared: true,
        runs: None,
    });
    if let Cause::Event { event, .. } = &transaction.cause
        && let Some(from) = graph.place(&id(NodeKind::Transaction, &event.of.to_string()))
    {
        graph.connect(from, place, EdgeKind::Causes);
    }
}
