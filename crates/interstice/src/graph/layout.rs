//! Where the nodes of a drawing are: in layers from the left to the right, so that most edges lead to the right.
//!
//! 1. Edges that lead back are left out: those that a depth-first walk finds to lead to a node that it is still below.
//! 2. The layer of a node is the longest way to it along the others; one that nothing leads to is beside the nearest that it leads to.
//! 3. In its layer a node stands near the middle of those that it is connected with (Sugiyama, Tagawa, Toda, "Methods for visual
//!    understanding of hierarchical system structures", 1981), in a fixed number of sweeps.
//! 4. Nodes without edges stand below all of it, in lines.

use super::Graph;

/// A node's place, in pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// The places of all nodes, by position, and the size of all of it.
pub(super) struct Layout {
    pub(super) places: Vec<Place>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Around everything; edges that lead back go below their nodes.
const MARGIN: f64 = 70.0;
/// Between two layers: room for what edges say.
const LAYER_GAP: f64 = 150.0;
/// Between two nodes of a layer.
const NODE_GAP: f64 = 22.0;
/// What a character takes, in the font of the drawing.
const CHARACTER_WIDTH: f64 = 7.9;
/// A line of nodes without edges is not wider, unless the rest is.
const LINE_WIDTH: f64 = 1_400.0;
const SWEEPS: usize = 8;

/// Finds places for the nodes of `graph`.
pub(super) fn layout(graph: &Graph) -> Layout {
    let mut places: Vec<_> = graph.nodes.iter().map(size_of).collect();
    let links = Links::of(graph);
    let layers = links.ordered(links.layers());
    let (mut x, height) = (MARGIN, layers.iter().map(|layer| tall(layer, &places)).fold(0.0, f64::max));
    for layer in &layers {
        let mut y = MARGIN + (height - tall(layer, &places)) / 2.0;
        for node in layer {
            (places[*node].x, places[*node].y) = (x, y);
            y += places[*node].height + NODE_GAP;
        }
        x += layer.iter().map(|node| places[*node].width).fold(0.0, f64::max) + LAYER_GAP;
    }
    let width = if layers.is_empty() { MARGIN } else { x - LAYER_GAP };
    let top = if layers.is_empty() { MARGIN } else { 2.0 * MARGIN + height };
    let (wide, end) = place_alone(&links, &mut places, (width.max(LINE_WIDTH), top));
    Layout { places, width: width.max(wide) + MARGIN, height: end + MARGIN }
}

fn size_of(node: &super::Node) -> Place {
    let words = node.words();
    let characters = node.name.chars().count().max(words.chars().count());
    let height = if words.is_empty() { 30.0 } else { 46.0 };
    Place { width: characters as f64 * CHARACTER_WIDTH + 24.0, height, ..Place::default() }
}

fn tall(layer: &[usize], places: &[Place]) -> f64 {
    layer.iter().map(|node| places[*node].height + NODE_GAP).sum::<f64>() - NODE_GAP
}

/// Places the nodes without edges in lines from `top` down; returns how far they reach.
fn place_alone(links: &Links, places: &mut [Place], (right, top): (f64, f64)) -> (f64, f64) {
    let (mut x, mut y, mut tallest, mut wide) = (MARGIN, top, 0.0_f64, 0.0_f64);
    for (_, place) in places.iter_mut().enumerate().filter(|(node, _)| links.is_alone(*node)) {
        if x > MARGIN && x + place.width > right {
            (x, y, tallest) = (MARGIN, y + tallest + NODE_GAP, 0.0);
        }
        (place.x, place.y) = (x, y);
        x += place.width + NODE_GAP;
        tallest = tallest.max(place.height);
        wide = wide.max(x - NODE_GAP);
    }
    (wide, if wide > 0.0 { y + tallest } else { top - MARGIN })
}

/// The edges of a graph, from both ends.
struct Links {
    out: Vec<Vec<usize>>,
    into: Vec<Vec<usize>>,
}

impl Links {
    fn of(graph: &Graph) -> Self {
        let count = graph.nodes.len();
        let (mut out, mut into) = (vec![Vec::new(); count], vec![Vec::new(); count]);
        for edge in graph.edges() {
            out[edge.from].push(edge.to);
            into[edge.to].push(edge.from);
        }
        Self { out, into }
    }

    fn is_alone(&self, node: usize) -> bool {
        self.out[node].is_empty() && self.into[node].is_empty()
    }

    /// The nodes that have edges, by layer.
    fn layers(&self) -> Vec<Vec<usize>> {
        let (order, forward) = self.walk();
        let mut layer_of = vec![0; self.out.len()];
        // In reverse a node comes before all that it leads to.
        for node in order.iter().rev() {
            for to in &forward[*node] {
                layer_of[*to] = layer_of[*to].max(layer_of[*node] + 1);
            }
        }
        for node in order.into_iter().filter(|node| self.into[*node].is_empty()) {
            let nearest = forward[node].iter().map(|to| layer_of[*to]).min();
            layer_of[node] = nearest.map_or(0, |layer| layer - 1);
        }
        let mut layers = vec![Vec::new(); layer_of.iter().max().map_or(0, |last| last + 1)];
        for (node, layer) in layer_of.into_iter().enumerate().filter(|(node, _)| !self.is_alone(*node)) {
            layers[layer].push(node);
        }
        layers.retain(|layer: &Vec<usize>| !layer.is_empty());
        layers
    }

    /// The nodes in the order in which a depth-first walk leaves them, and the edges that do not lead back in it. It begins at nodes
    /// that nothing leads to.
    fn walk(&self) -> (Vec<usize>, Vec<Vec<usize>>) {
        let count = self.out.len();
        let (mut order, mut forward) = (Vec::new(), vec![Vec::new(); count]);
        let (mut is_met, mut is_left, mut path) = (vec![false; count], vec![false; count], Vec::new());
        let (first, rest): (Vec<_>, Vec<_>) = (0..count).partition(|node| self.into[*node].is_empty());
        for root in first.into_iter().chain(rest) {
            if std::mem::replace(&mut is_met[root], true) {
                continue;
            }
            path.push((root, 0));
            while let Some((node, next)) = path.last_mut() {
                let node = *node;
                let Some(to) = self.out[node].get(*next).copied() else {
                    (is_left[node], _) = (true, path.pop());
                    order.push(node);
                    continue;
                };
                *next += 1;
                if !is_met[to] {
                    is_met[to] = true;
                    path.push((to, 0));
                } else if !is_left[to] {
                    continue;
                }
                forward[node].push(to);
            }
        }
        (order, forward)
    }

    /// Each layer in the order that its neighbours ask for.
    fn ordered(&self, mut layers: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
        let mut rank = vec![0.0; self.out.len()];
        let note = |layer: &[usize], rank: &mut Vec<f64>| {
            for (index, node) in layer.iter().enumerate() {
                rank[*node] = (index as f64 + 0.5) / layer.len() as f64;
            }
        };
        layers.iter().for_each(|layer| note(layer, &mut rank));
        for sweep in 0..SWEEPS {
            let neighbours = if sweep % 2 == 0 { &self.into } else { &self.out };
            let count = layers.len();
            for index in 0..count {
                let layer = &mut layers[if sweep % 2 == 0 { index } else { count - 1 - index }];
                let middle = |node: usize| {
                    let all = &neighbours[node];
                    let sum: f64 = all.iter().map(|other| rank[*other]).sum();
                    if all.is_empty() { rank[node] } else { sum / all.len() as f64 }
                };
                let mut wanted: Vec<_> = layer.iter().map(|node| (middle(*node), *node)).collect();
                wanted.sort_by(|a, b| a.0.total_cmp(&b.0));
                *layer = wanted.into_iter().map(|(_, node)| node).collect();
                note(layer, &mut rank);
            }
        }
        layers
    }
}

#[cfg(test)]
mod tests {
    use super::super::{EdgeKind, Node, NodeKind};
    use super::*;
    use proptest::prelude::*;

    fn graph_of(count: usize, edges: &[(usize, usize)]) -> Graph {
        let mut graph = Graph::default();
        for number in 0..count {
            let node = Node::new(NodeKind::Table, "m", format!("m.{}{number}", "t".repeat(number % 7)));
            graph.add(if number % 3 == 0 { node.with("role", "a role of many words") } else { node });
        }
        edges.iter().for_each(|(from, to)| graph.connect(from % count, to % count, EdgeKind::Reads));
        graph
    }

    #[test]
    fn a_chain_goes_to_the_right_and_back_below() {
        let places = layout(&graph_of(3, &[(0, 1), (1, 2), (2, 0)])).places;
        assert!(places.windows(2).all(|pair| pair[0].x + pair[0].width < pair[1].x), "{places:?}");
    }

    #[test]
    fn a_node_that_nothing_leads_to_is_beside_what_it_leads_to() {
        let places = layout(&graph_of(5, &[(0, 1), (1, 2), (2, 3), (4, 3)])).places;
        assert!((places[4].x - places[2].x).abs() < 0.1, "{places:?}");
    }

    proptest! {
        #[test]
        fn no_two_nodes_are_in_the_same_place(
            count in 1..40_usize,
            edges in prop::collection::vec((any::<usize>(), any::<usize>()), 0..80),
        ) {
            let Layout { places, width, height } = layout(&graph_of(count, &edges));
            for (number, a) in places.iter().enumerate() {
                prop_assert!(a.x > 0.0 && a.y > 0.0 && a.x + a.width < width && a.y + a.height < height);
                for b in &places[..number] {
                    let beside = a.x + a.width < b.x || b.x + b.width < a.x;
                    let below = a.y + a.height < b.y || b.y + b.height < a.y;
                    prop_assert!(beside || below, "{a:?} {b:?}");
                }
            }
        }
    }
}
