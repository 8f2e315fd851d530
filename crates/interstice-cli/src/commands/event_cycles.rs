//! Cycles of event reducers that a publish would make: said, or refused, before it is sent.

use super::graph::schemas_in_force;
use crate::failure::Failure;
use crate::node::Node;
use crate::output::Output;
use crate::report::FOUND;
use interstice::graph::{Drawing, declared};
use interstice_types::problem::Problem;
use interstice_types::schema::{FunctionKind, Schema};
use interstice_wasm::artefact;

/// What is done about a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnCycle {
    /// It is said on stderr.
    Warn,
    /// Nothing is published.
    Refuse,
}

/// Looks for cycles among what would be in force on the node with this artefact, in which its module has a part.
///
/// # Errors
/// `event-cycle`, where they are refused.
pub(crate) fn check(node: &Node, artefact: &[u8], on_cycle: OnCycle, output: &Output) -> Result<(), Failure> {
    // What is wrong with an artefact is for the node to say.
    let Ok(schema) = artefact::schema_of(artefact) else { return Ok(()) };
    // A module writes its own tables alone: without an event reducer it is on no cycle.
    if !schema.functions.iter().any(|function| matches!(function.kind, FunctionKind::Event { .. })) {
        return Ok(());
    }
    let paths = paths(schemas_in_force(node)?, schema);
    if on_cycle == OnCycle::Refuse && !paths.is_empty() {
        let text = format!("event reducers would set each other going: {}", paths.join("; "));
        let problem = Problem::new("event-cycle", text)
            .hint("leave out `--deny-cycles` if they stop by themselves: a chain of events ends with the 64th");
        return Err(Failure::new(FOUND, problem));
    }
    paths.iter().for_each(|path| output.note(&format!("warning: event reducers set each other going: {path}")));
    Ok(())
}

/// The cycles in which the module of `new` has a part, once it is in force beside the others.
fn paths(mut schemas: Vec<Schema>, new: Schema) -> Vec<String> {
    let module = new.module.clone();
    schemas.retain(|schema| schema.module != module);
    schemas.push(new);
    schemas.sort_by(|a, b| a.module.cmp(&b.module));
    let graph = declared(schemas.iter()).subscriptions();
    let of_module = |place: usize| graph.nodes()[place].module.as_ref() == Some(&module);
    let cycles = Drawing::of(&graph).cycles.into_iter();
    cycles
        .filter(|cycle| cycle.steps.iter().any(|(place, _)| of_module(*place)))
        .map(|cycle| cycle.path(&graph))
        .collect()
}
