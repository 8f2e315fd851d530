//! `publish` and `migrate plan`: a module onto a node, or onto a copy of its state.

use super::event_cycles::{self, OnCycle};
use super::schema::diff::{steps_text, summary};
use crate::args::Publish;
use crate::failure::{Failure, exit};
use crate::node::{Node, body};
use crate::output::Output;
use crate::project;
use crate::report::{FOUND, Report};
use interstice_protocol::http::{PublishPlan, Published};
use std::io::{IsTerminal, Write};

pub(crate) fn run(node: &Node, options: &Publish, output: &Output) -> Result<Report, Failure> {
    let artefact = checked_artefact(node, options, output)?;
    if options.dry_run {
        return planned(node, &artefact, options.may_break);
    }
    if options.may_break && !options.yes && std::io::stdin().is_terminal() {
        ask(&planned(node, &artefact, true)?, output)?;
    }
    publish(node, &artefact, options.may_break)
}

pub(crate) fn plan(node: &Node, options: &Publish, output: &Output) -> Result<Report, Failure> {
    planned(node, &checked_artefact(node, options, output)?, options.may_break)
}

/// The artefact, once it is known which cycles of event reducers it would make.
fn checked_artefact(node: &Node, options: &Publish, output: &Output) -> Result<Vec<u8>, Failure> {
    let artefact = project::artefact_at(&options.path, options.name.as_deref(), output)?;
    let on_cycle = if options.deny_cycles { OnCycle::Refuse } else { OnCycle::Warn };
    event_cycles::check(node, &artefact, on_cycle, output)?;
    Ok(artefact)
}

/// Publishes an artefact.
pub(crate) fn publish(node: &Node, artefact: &[u8], may_break: bool) -> Result<Report, Failure> {
    let document = node.publish(artefact, if may_break { "?break=true" } else { "" })?;
    let published: Published = body(&document)?;
    let head = format!(
        "published {} {} ({})  offset {}",
        published.module,
        published.version,
        &published.artefact[..8],
        published.offset
    );
    let changed: Vec<_> = published.steps.into_iter().filter(|step| step.from_version.is_some()).collect();
    let mut lines = vec![head];
    lines.extend((!changed.is_empty()).then(|| steps_text(&published.module, &changed)));
    Ok(Report::new(document, lines.join("\n")))
}

/// Tries an artefact on a copy of the node's state.
pub(crate) fn planned(node: &Node, artefact: &[u8], may_break: bool) -> Result<Report, Failure> {
    let parameters = if may_break { "?dry_run=true&break=true" } else { "?dry_run=true" };
    let document = node.publish(artefact, parameters)?;
    let plan: PublishPlan = body(&document)?;
    let exit = if plan.ok { 0 } else { FOUND };
    Ok(Report::new(document, plan_text(&plan)).items("steps").exit(exit))
}

fn plan_text(plan: &PublishPlan) -> String {
    let mut lines = vec![format!(
        "module {} {} on a copy of the state at offset {}: {} ms",
        plan.module, plan.version, plan.offset, plan.milliseconds
    )];
    lines.push(steps_text(&plan.module, &plan.steps));
    lines.push(summary(&plan.steps));
    lines.extend(plan.breaks.iter().map(|function| format!("breaks clients that call {}.{function}", plan.module)));
    lines.extend(plan.failures.iter().map(|failure| format!("does not come through: {failure}")));
    lines.push(match &plan.problem {
        Some(problem) => problem.to_string(),
        None => "it would be published".to_owned(),
    });
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

/// Shows what would be given up, and goes on only if somebody at the terminal says so.
fn ask(plan: &Report, output: &Output) -> Result<(), Failure> {
    output.note(&plan.text);
    let refused = || {
        let problem = interstice_types::problem::Problem::new("not-confirmed", "nothing was published")
            .hint("say `--yes` where nobody can be asked");
        Failure::new(exit::DESTRUCTIVE, problem)
    };
    output.note("publish, and give this up? [y/N]");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|_| refused())?;
    if matches!(answer.trim(), "y" | "yes") { Ok(()) } else { Err(refused()) }
}
