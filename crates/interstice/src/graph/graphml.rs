//! A graph as GraphML, which programs that look at graphs read: Gephi, yEd, networkx.

use super::xml::escape;
use super::{Drawing, Edge, Node};
use std::fmt::Write;

/// What is said of nodes.
const NODE_KEYS: [&str; 10] =
    ["kind", "name", "module", "version", "role", "times", "offset", "cause", "outcome", "function"];
/// What is said of edges.
const EDGE_KEYS: [&str; 1] = ["kind"];
/// What was counted: of nodes, of edges.
const COUNTS: [(&str, &str); 7] = [
    ("node", "ok"),
    ("node", "rejected"),
    ("node", "trapped"),
    ("edge", "weight"),
    ("edge", "inserted"),
    ("edge", "updated"),
    ("edge", "deleted"),
];

/// Writes it.
pub fn render(drawing: &Drawing<'_>) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n",
    );
    let mut key = |of: &str, name: &str, ty: &str| {
        let _ = writeln!(out, "  <key id=\"{of}-{name}\" for=\"{of}\" attr.name=\"{name}\" attr.type=\"{ty}\"/>");
    };
    NODE_KEYS.iter().for_each(|name| key("node", name, "string"));
    EDGE_KEYS.iter().for_each(|name| key("edge", name, "string"));
    ["node", "edge"].iter().for_each(|of| key(of, "declared", "boolean"));
    key("edge", "cycle", "boolean");
    COUNTS.iter().for_each(|(of, name)| key(of, name, "long"));
    out.push_str("  <graph id=\"interstice\" edgedefault=\"directed\">\n");
    drawing.graph.nodes().iter().for_each(|node| write_node(node, &mut out));
    for edge in drawing.graph.edges() {
        let [from, to] = [edge.from, edge.to].map(|place| escape(&drawing.graph.nodes()[place].id()));
        let _ = write!(out, "    <edge source=\"{from}\" target=\"{to}\">");
        write_edge(edge, drawing.is_on_cycle(edge), &mut out);
        out.push_str("</edge>\n");
    }
    out + "  </graph>\n</graphml>"
}

fn write_node(node: &Node, out: &mut String) {
    let _ = write!(out, "    <node id=\"{}\">", escape(&node.id()));
    let mut data = |name: &str, value: &str| {
        let _ = write!(out, "<data key=\"node-{name}\">{}</data>", escape(value));
    };
    data("kind", node.kind.name());
    data("name", &node.name);
    node.module.iter().for_each(|module| data("module", module));
    for (fact, value) in &node.facts {
        assert!(NODE_KEYS.contains(fact), "invariant: `{fact}` has a key");
        data(fact, value);
    }
    data("declared", if node.is_declared { "true" } else { "false" });
    if let Some(runs) = node.runs {
        let counts = [("ok", runs.ok), ("rejected", runs.rejected), ("trapped", runs.trapped)];
        counts.iter().for_each(|(name, count)| data(name, &count.to_string()));
    }
    out.push_str("</node>\n");
}

fn write_edge(edge: &Edge, is_on_cycle: bool, out: &mut String) {
    let mut data = |name: &str, value: &str| {
        let _ = write!(out, "<data key=\"edge-{name}\">{}</data>", escape(value));
    };
    data("kind", edge.kind.name());
    data("declared", if edge.is_declared { "true" } else { "false" });
    data("cycle", if is_on_cycle { "true" } else { "false" });
    if let Some(seen) = edge.seen {
        let counts =
            [("weight", seen.count), ("inserted", seen.insert), ("updated", seen.update), ("deleted", seen.delete)];
        counts.iter().for_each(|(name, count)| data(name, &count.to_string()));
    }
}
