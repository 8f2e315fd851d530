//! A graph as one page that needs nothing else: the picture, and a script to move in it, to find, to follow and to leave out.
//!
//! The page is XML too, so that what reads the one reads the other.

use super::xml::escape;
use super::{Drawing, svg};
use std::collections::BTreeSet;
use std::fmt::Write;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// Writes it.
pub fn render(drawing: &Drawing<'_>) -> String {
    let graph = drawing.graph;
    let head = format!("{} nodes, {} edges", graph.nodes().len(), graph.edges().len());
    format!(
        "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <title>interstice graph</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<aside>\n<h1>interstice graph</h1>\n\
         <p>{head}</p>\n<input id=\"search\" type=\"search\" placeholder=\"find a name\"/>\n\
         <fieldset id=\"kinds\"><legend>nodes</legend>\n{}</fieldset>\n\
         <fieldset id=\"edges\"><legend>edges</legend>\n{}</fieldset>\n{}\
         <section id=\"chosen\"></section>\n\
         <p class=\"keys\">drag to move, wheel to zoom, click to keep, <kbd>0</kbd> to see all, <kbd>/</kbd> to find</p>\n\
         </aside>\n<main>\n{}\n</main>\n<script>\n//<![CDATA[\n{SCRIPT}//]]>\n</script>\n</body>\n</html>",
        boxes(graph.nodes().iter().map(|node| node.kind.name())),
        boxes(graph.edges().map(|edge| edge.kind.group())),
        cycles(drawing),
        svg::element(drawing)
    )
}

/// One to tick for each kind that there is.
fn boxes(kinds: impl Iterator<Item = &'static str>) -> String {
    let mut out = String::new();
    for kind in kinds.collect::<BTreeSet<_>>() {
        let _ = writeln!(out, "<label><input type=\"checkbox\" checked=\"checked\" value=\"{kind}\"/> {kind}</label>");
    }
    out
}

/// The cycles, to be clicked at.
fn cycles(drawing: &Drawing<'_>) -> String {
    if drawing.cycles.is_empty() {
        return String::new();
    }
    let mut out = String::from("<section id=\"cycles\"><h2>cycles</h2>\n");
    for (cycle, path) in drawing.cycles.iter().zip(drawing.paths()) {
        let nodes: Vec<_> = cycle.steps.iter().map(|(place, _)| place.to_string()).collect();
        let _ = writeln!(out, "<button data-nodes=\"{}\">{}</button>", nodes.join(" "), escape(&path));
    }
    out + "</section>\n"
}
