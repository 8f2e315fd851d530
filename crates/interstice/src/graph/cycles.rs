//! Cycles of event reducers: rows that change, a reducer that runs because of that, and its changes that have it run again.
//!
//! A table is one node of a graph and three here, one for each kind of change: a reducer that only adds rows does not set going one
//! that waits for rows to go.
//!
//! 1. Changes and event reducers, with arrows: a change has reducers run, a reducer makes changes, a delete makes others by references.
//! 2. The strongly connected parts of that (Tarjan, "Depth-first search and linear graph algorithms", 1972).
//! 3. In each, for each event reducer, a shortest way from the change that it waits for back to that change. Two reducers that are on
//!    the same way give it once: there are at most as many cycles as event reducers, and each reducer that is on one is on one of these.

use super::{EdgeKind, Graph, NodeKind};
use interstice_types::schema::ChangeKind;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A way that comes back to where it began, a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    /// Positions of nodes, each with the edge that leads on from it: the last one to the first node.
    pub steps: Vec<(usize, EdgeKind)>,
}

impl Cycle {
    /// The edges that it goes along.
    pub fn edges(&self) -> impl Iterator<Item = (usize, usize, EdgeKind)> + '_ {
        let next = self.steps.iter().skip(1).chain(self.steps.first());
        self.steps.iter().zip(next).map(|((from, kind), (to, _))| (*from, *to, *kind))
    }

    /// In words, as in `a.t --insert--> b.on_t --writes--> a.t`.
    pub fn path(&self, graph: &Graph) -> String {
        let mut path = String::new();
        for (node, kind) in &self.steps {
            path.extend([graph.nodes[*node].name.as_str(), " --", kind.name(), "--> "]);
        }
        path + self.steps.first().map_or("", |(node, _)| &graph.nodes[*node].name)
    }
}

/// The changes of tables and the event reducers of a graph, by number: three for each node.
struct Changes {
    /// For each, what it leads to, and by which kind of edge.
    arrows: Vec<Vec<(usize, EdgeKind)>>,
    /// Event reducers, and the change that each waits for.
    reducers: Vec<(usize, usize)>,
}

const KINDS: [ChangeKind; 3] = [ChangeKind::Insert, ChangeKind::Update, ChangeKind::Delete];

fn number(node: usize, kind: ChangeKind) -> usize {
    node * KINDS.len() + KINDS.iter().position(|known| *known == kind).expect("invariant: all kinds are listed")
}

/// The number of an event reducer.
fn reducer(node: usize) -> usize {
    node * KINDS.len()
}

impl Changes {
    fn of(graph: &Graph) -> Self {
        let mut this = Self { arrows: vec![Vec::new(); graph.nodes.len() * KINDS.len()], reducers: Vec::new() };
        let is_event = |node: usize| graph.nodes[node].kind == NodeKind::EventReducer;
        for edge in graph.edges() {
            match edge.kind {
                EdgeKind::On(change) => {
                    this.arrows[number(edge.from, change)].push((reducer(edge.to), edge.kind));
                    this.reducers.push((reducer(edge.to), number(edge.from, change)));
                }
                EdgeKind::Inserts | EdgeKind::Writes if is_event(edge.from) => {
                    let made = KINDS.into_iter().filter(|change| edge.makes(*change));
                    let made: Vec<_> = made.map(|change| (number(edge.to, change), edge.kind)).collect();
                    this.arrows[reducer(edge.from)].extend(made);
                }
                EdgeKind::Cascades | EdgeKind::Clears => {
                    let made = if edge.kind == EdgeKind::Cascades { ChangeKind::Delete } else { ChangeKind::Update };
                    this.arrows[number(edge.from, ChangeKind::Delete)].push((number(edge.to, made), edge.kind));
                }
                _ => {}
            }
        }
        this.reducers.sort_unstable();
        this
    }

    /// For each, the number of the strongly connected part that it is in.
    fn parts(&self) -> Vec<usize> {
        let count = self.arrows.len();
        let (mut order, mut lowest, mut part) = (vec![usize::MAX; count], vec![0; count], vec![usize::MAX; count]);
        let (mut next, mut next_part, mut open, mut path) = (0, 0, Vec::new(), Vec::new());
        for root in 0..count {
            if order[root] != usize::MAX {
                continue;
            }
            path.push((root, 0));
            while let Some((at, arrow)) = path.last_mut() {
                let at = *at;
                if *arrow == 0 {
                    (order[at], lowest[at]) = (next, next);
                    next += 1;
                    open.push(at);
                }
                if let Some((to, _)) = self.arrows[at].get(*arrow) {
                    *arrow += 1;
                    if order[*to] == usize::MAX {
                        path.push((*to, 0));
                    } else if part[*to] == usize::MAX {
                        lowest[at] = lowest[at].min(order[*to]);
                    }
                    continue;
                }
                path.pop();
                if let Some((before, _)) = path.last() {
                    lowest[*before] = lowest[*before].min(lowest[at]);
                }
                if lowest[at] == order[at] {
                    while let Some(member) = open.pop() {
                        part[member] = next_part;
                        if member == at {
                            break;
                        }
                    }
                    next_part += 1;
                }
            }
        }
        part
    }

    /// A shortest way from `start` by way of `through`, which it leads to, back to `start`, inside of a part.
    fn way(&self, start: usize, through: usize, parts: &[usize]) -> Option<Vec<(usize, EdgeKind)>> {
        let (_, first) = *self.arrows[start].iter().find(|(to, _)| *to == through)?;
        let mut came = BTreeMap::new();
        let mut left = VecDeque::from([through]);
        while let Some(at) = left.pop_front() {
            for (to, kind) in &self.arrows[at] {
                if parts[*to] != parts[start] || *to == through || came.contains_key(to) {
                    continue;
                }
                came.insert(*to, (at, *kind));
                if *to != start {
                    left.push_back(*to);
                    continue;
                }
                let mut steps = Vec::new();
                let mut end = start;
                while end != through {
                    let (before, kind) = came[&end];
                    steps.push((before, kind));
                    end = before;
                }
                steps.push((start, first));
                steps.reverse();
                return Some(steps);
            }
        }
        None
    }
}

/// The cycles of event reducers in a graph.
pub fn cycles(graph: &Graph) -> Vec<Cycle> {
    let changes = Changes::of(graph);
    let parts = changes.parts();
    let (mut found, mut known) = (Vec::new(), BTreeSet::new());
    for (reducer, start) in &changes.reducers {
        if parts[*reducer] != parts[*start] {
            continue;
        }
        let way = changes.way(*start, *reducer, &parts);
        let way = way.expect("invariant: inside of a part there is a way from each to each");
        let smallest = way.iter().enumerate().min_by_key(|(_, (at, _))| *at).map_or(0, |(index, _)| index);
        let mut turned: Vec<_> = way.iter().map(|(at, _)| *at).collect();
        turned.rotate_left(smallest);
        if known.insert(turned) {
            found.push(Cycle { steps: way.iter().map(|(at, kind)| (at / KINDS.len(), *kind)).collect() });
        }
    }
    found
}
