//! A graph as a picture.

use super::layout::{Layout, Place, layout};
use super::xml::escape;
use super::{Drawing, Edge, Node};
use std::fmt::Write;

/// Writes it as a file of its own.
pub fn render(drawing: &Drawing<'_>) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", element(drawing))
}

/// How it looks; the page has it too.
const STYLE: &str = include_str!("svg/style.css");

/// As an element.
pub(super) fn element(drawing: &Drawing<'_>) -> String {
    let Layout { places, width, height } = layout(drawing.graph);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" id=\"graph\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\">\n<style>\n{STYLE}</style>\n"
    );
    for (id, class) in [("arrow", "head"), ("arrow-cycle", "head cycle")] {
        let _ = writeln!(
            out,
            "<marker id=\"{id}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" \
             markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"{class}\" d=\"M0 0L10 5L0 10z\"/></marker>"
        );
    }
    let mut before: Option<&Edge> = None;
    let mut beside = 0;
    for edge in drawing.graph.edges() {
        // Edges between the same two nodes follow each other.
        let is_beside = before.is_some_and(|before| (before.from, before.to) == (edge.from, edge.to));
        beside = if is_beside { beside + 1 } else { 0 };
        before = Some(edge);
        write_edge(drawing, edge, (&places, beside), &mut out);
    }
    drawing.graph.nodes().iter().zip(&places).enumerate().for_each(|(number, node)| write_node(number, node, &mut out));
    out + "</svg>"
}

fn write_node(number: usize, (node, place): (&Node, &Place), out: &mut String) {
    let Place { x, y, width, height } = *place;
    let (kind, words, name) = (node.kind.name(), node.words(), escape(&node.name));
    let seen = if node.is_declared { "" } else { " seen" };
    let round = if matches!(kind, "query" | "table") { height / 2.0 } else { 4.0 };
    let middle = x + width / 2.0;
    let _ = write!(
        out,
        "<g class=\"node {kind}{seen}\" data-node=\"{number}\" data-kind=\"{kind}\" data-name=\"{name}\"><title>{kind} \
         {name}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round:.1}\"/>\
         <text x=\"{middle:.1}\" y=\"{:.1}\">{name}</text>",
        y + 20.0
    );
    if !words.is_empty() {
        let _ = write!(out, "<text class=\"words\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text>", y + 37.0, escape(&words));
    }
    out.push_str("</g>\n");
}

fn write_edge(drawing: &Drawing<'_>, edge: &Edge, (places, beside): (&[Place], usize), out: &mut String) {
    let (path, [x, y]) = curve(&places[edge.from], &places[edge.to], beside as f64 * 14.0);
    let is_on_cycle = drawing.is_on_cycle(edge);
    let cycle = if is_on_cycle { " cycle" } else { "" };
    let seen = if edge.is_declared { "" } else { " seen" };
    let arrow = if is_on_cycle { "arrow-cycle" } else { "arrow" };
    let weight = edge.seen.map_or(1.0, |seen| 1.0 + (1.0 + seen.count as f64).log10());
    let kind = edge.kind.group();
    let words = escape(&edge.words());
    let [from, to] = [edge.from, edge.to].map(|place| escape(&drawing.graph.nodes()[place].name));
    let _ = writeln!(
        out,
        "<g class=\"edge {kind}{cycle}{seen}\" data-from=\"{}\" data-to=\"{}\" data-kind=\"{kind}\" data-words=\"{words}\">\
         <title>{from} {words} {to}</title><path d=\"{path}\" stroke-width=\"{weight:.1}\" marker-end=\"url(#{arrow})\"/>\
         <text x=\"{x:.1}\" y=\"{y:.1}\">{words}</text></g>",
        edge.from, edge.to
    );
}

/// The path of an edge and the place of what it says. To the right it goes from side to side, else from below to below.
fn curve(from: &Place, to: &Place, beside: f64) -> (String, [f64; 2]) {
    let (x1, x2) = (from.x + from.width, to.x);
    if x2 > x1 {
        let (y1, y2) = (from.y + from.height / 2.0 + beside / 2.0, to.y + to.height / 2.0 + beside / 2.0);
        let bend = (x2 - x1) / 2.0;
        let path = format!("M{x1:.1} {y1:.1}C{:.1} {y1:.1} {:.1} {y2:.1} {x2:.1} {y2:.1}", x1 + bend, x2 - bend);
        return (path, [f64::midpoint(x1, x2), f64::midpoint(y1, y2) - 4.0 + beside / 2.0]);
    }
    let (x1, x2) = (from.x + from.width / 2.0 + 12.0, to.x + to.width / 2.0 - 12.0);
    let (y1, y2) = (from.y + from.height, to.y + to.height);
    let below = y1.max(y2) + 46.0 + beside;
    let path = format!("M{x1:.1} {y1:.1}C{x1:.1} {below:.1} {x2:.1} {below:.1} {x2:.1} {y2:.1}");
    (path, [f64::midpoint(x1, x2), 0.75 * below + 0.125 * (y1 + y2) + 12.0])
}
