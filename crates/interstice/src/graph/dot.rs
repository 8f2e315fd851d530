//! A graph in the language of Graphviz: `dot -Tpng`.

use super::{Drawing, NodeKind};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Writes it, modules as clusters.
pub fn render(drawing: &Drawing<'_>) -> String {
    let mut out = String::from("digraph interstice {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n");
    let mut modules: BTreeMap<Option<&str>, Vec<String>> = BTreeMap::new();
    for node in drawing.graph.nodes() {
        // Transactions stand in the order of the log, whatever ran.
        let module = node.module.as_deref().filter(|_| node.kind != NodeKind::Transaction);
        let words = node.words();
        let label = if words.is_empty() { node.name.clone() } else { format!("{}\n{words}", node.name) };
        let style = if node.is_declared { "" } else { ", style=dashed" };
        let line = format!("{} [label={}, shape={}{style}];", quote(&node.id()), quote(&label), shape(node.kind));
        modules.entry(module).or_default().push(line);
    }
    for (module, lines) in modules {
        match module {
            None => lines.iter().for_each(|line| out.extend(["  ", line, "\n"])),
            Some(module) => {
                let cluster = quote(&format!("cluster_{module}"));
                let _ = writeln!(out, "  subgraph {cluster} {{\n    label={};", quote(module));
                lines.iter().for_each(|line| out.extend(["    ", line, "\n"]));
                out.push_str("  }\n");
            }
        }
    }
    for edge in drawing.graph.edges() {
        let [from, to] = [edge.from, edge.to].map(|place| quote(&drawing.graph.nodes()[place].id()));
        let style = if edge.is_declared { "" } else { ", style=dashed" };
        let color = if drawing.is_on_cycle(edge) { ", color=red" } else { "" };
        let _ = writeln!(out, "  {from} -> {to} [label={}{style}{color}];", quote(&edge.words()));
    }
    out + "}"
}

fn shape(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Module => "folder",
        NodeKind::Table => "cylinder",
        NodeKind::Query => "ellipse",
        NodeKind::Reducer | NodeKind::Transaction => "box",
        NodeKind::EventReducer => "hexagon",
        NodeKind::Schedule => "note",
    }
}

/// A string of the language: a backslash would begin an escape, of which only the line break is meant.
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
