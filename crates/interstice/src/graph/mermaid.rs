//! A graph in the language of Mermaid, which Markdown is often shown with.

use super::{Drawing, NodeKind};
use std::fmt::Write;

/// Writes it; edges of cycles are red.
pub fn render(drawing: &Drawing<'_>) -> String {
    let mut out = String::from("flowchart LR");
    for (place, node) in drawing.graph.nodes().iter().enumerate() {
        let words = node.words();
        let words = if words.is_empty() { String::new() } else { format!("<br/>{}", escape(&words)) };
        let [left, right] = brackets(node.kind);
        let _ = write!(out, "\n  n{place}{left}\"{}{words}\"{right}", escape(&node.name));
    }
    let mut on_cycle = Vec::new();
    for (number, edge) in drawing.graph.edges().enumerate() {
        let line = if edge.is_declared { "-->" } else { "-.->" };
        let _ = write!(out, "\n  n{} {line}|\"{}\"| n{}", edge.from, escape(&edge.words()), edge.to);
        on_cycle.extend(drawing.is_on_cycle(edge).then(|| number.to_string()));
    }
    if !on_cycle.is_empty() {
        let _ = write!(out, "\n  linkStyle {} stroke:red", on_cycle.join(","));
    }
    out
}

fn brackets(kind: NodeKind) -> [&'static str; 2] {
    match kind {
        NodeKind::Module => ["[[", "]]"],
        NodeKind::Table => ["[(", ")]"],
        NodeKind::Query => ["([", "])"],
        NodeKind::Reducer | NodeKind::Transaction => ["[", "]"],
        NodeKind::EventReducer => ["{{", "}}"],
        NodeKind::Schedule => [">", "]"],
    }
}

/// Whatever may mean something stands as its number.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-' | ',' | ':' | '/' | '+' | '~' | '×') {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", c as u32);
        }
    }
    out
}
