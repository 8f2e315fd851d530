//! A graph as JSON: `interstice.graph/v1`.

use super::{Drawing, Edge, EdgeKind, Node};
use serde_json::{Map, Value as Json, json};

/// The document, in its envelope. A cycle is a list of nodes, the first one again at its end.
pub fn document(drawing: &Drawing<'_>) -> Json {
    let graph = drawing.graph;
    let ids: Vec<_> = graph.nodes().iter().map(Node::id).collect();
    let nodes: Vec<_> = graph.nodes().iter().zip(&ids).map(|(node, id)| of_node(node, id)).collect();
    let edges: Vec<_> = graph.edges().map(|edge| of_edge(edge, &ids)).collect();
    let cycle = |cycle: &super::Cycle| {
        let places = cycle.steps.iter().chain(cycle.steps.first());
        places.map(|(place, _)| json!(ids[*place])).collect::<Json>()
    };
    let cycles: Vec<_> = drawing.cycles.iter().map(cycle).collect();
    json!({
        "schema": "interstice.graph/v1", "nodes": nodes, "edges": edges, "cycles": cycles, "paths": drawing.paths(),
    })
}

/// Writes it.
pub fn render(drawing: &Drawing<'_>) -> String {
    serde_json::to_string_pretty(&document(drawing)).expect("invariant: JSON is JSON")
}

fn of_node(node: &Node, id: &str) -> Json {
    let mut told = Map::new();
    told.insert("id".to_owned(), json!(id));
    told.insert("kind".to_owned(), json!(node.kind.name()));
    told.insert("name".to_owned(), json!(node.name));
    told.extend(node.module.as_ref().map(|module| ("module".to_owned(), json!(module))));
    told.extend(node.facts.iter().map(|(fact, value)| ((*fact).to_owned(), json!(value))));
    told.insert("declared".to_owned(), json!(node.is_declared));
    if let Some(runs) = node.runs {
        let counts = json!({"ok": runs.ok, "rejected": runs.rejected, "trapped": runs.trapped});
        told.insert("runs".to_owned(), counts);
    }
    Json::Object(told)
}

fn of_edge(edge: &Edge, ids: &[String]) -> Json {
    let mut told = Map::new();
    told.insert("from".to_owned(), json!(ids[edge.from]));
    told.insert("to".to_owned(), json!(ids[edge.to]));
    told.insert("kind".to_owned(), json!(edge.kind.group()));
    if let EdgeKind::On(_) = edge.kind {
        told.insert("change".to_owned(), json!(edge.kind.name()));
    }
    told.insert("declared".to_owned(), json!(edge.is_declared));
    if let Some(seen) = edge.seen {
        told.insert("count".to_owned(), json!(seen.count));
        if let EdgeKind::Inserts | EdgeKind::Writes = edge.kind {
            let rows = json!({"insert": seen.insert, "update": seen.update, "delete": seen.delete});
            told.insert("rows".to_owned(), rows);
        }
    }
    Json::Object(told)
}
