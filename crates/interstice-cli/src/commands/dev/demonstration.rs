//! `dev --once`: the demonstration call and query of every project, then the whole log run again.

use crate::args::Invocation;
use crate::commands::{invoke, replay};
use crate::directory::{Directory, Place};
use crate::failure::Failure;
use crate::node::{Node, body};
use crate::output::Output;
use crate::project::{Demo, Project};
use crate::report::{FOUND, Report};
use interstice_protocol::http::ReplayChecked;
use interstice_types::problem::Problem;
use serde_json::json;

pub(super) fn run(node: &Node, projects: &[Project], output: &Output) -> Result<Report, Failure> {
    let mut done = Vec::new();
    for project in projects {
        let Demo { call, query, .. } = project.demo()?;
        if let Some(invocation) = invocation(&call) {
            let report = invoke::call(node, &invocation, false, output)?;
            output.note(&format!("$ interstice call {}\n{}", words(&call), report.text));
            done.push(json!({ "call": call, "result": report.document }));
        }
        if let Some(invocation) = invocation(&query) {
            let report = invoke::query(&Place::new(node, None, None)?, &invocation)?;
            output.note(&format!("$ interstice query {}\n{}", words(&query), report.text));
            done.push(json!({ "query": query, "result": report.document }));
        }
    }
    let report = replay::check(&Directory::at(node, None)?, replay::Options::default(), output)?;
    let checked: ReplayChecked = body(&report.document)?;
    if !checked.ok {
        return Err(Failure::new(FOUND, Problem::new("divergence", report.text)));
    }
    let document =
        json!({ "schema": "interstice.dev/v1", "demonstrated": done, "replayed": checked.checked.to_string() });
    Ok(Report::new(document, format!("replay: identical, {} transactions", checked.checked)))
}

fn invocation(words: &[String]) -> Option<Invocation> {
    let (function, values) = words.split_first()?;
    Some(Invocation { function: function.clone(), values: values.to_vec(), args: None })
}

/// Words as a shell takes them.
fn words(words: &[String]) -> String {
    let plain = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:".contains(c)) && !word.is_empty();
    let quoted = words.iter().map(|word| if plain(word) { word.clone() } else { format!("'{word}'") });
    quoted.collect::<Vec<_>>().join(" ")
}
