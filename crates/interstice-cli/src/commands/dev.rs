//! `dev`: from source to a running node in one command.

use super::event_cycles::{self, OnCycle};
use super::{build, history, invoke, publish, replay, serve};
use crate::args::Scope;
use crate::args::{Format, Invocation};
use crate::directory::{Directory, Place};
use crate::failure::{Failure, exit};
use crate::node::{Node, body};
use crate::output::Output;
use crate::project::{Demo, Project, contents_text};
use crate::report::Report;
use interstice::history::Selection;
use interstice_protocol::http::{Modules, ReplayChecked, Status, route};
use interstice_types::problem::Problem;
use interstice_types::schema::{FunctionKind, Schema};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two looks for new transactions.
const TAIL_INTERVAL: Duration = Duration::from_millis(200);

/// How `dev` was asked for.
pub(crate) struct Options<'o> {
    pub(crate) once: bool,
    pub(crate) data: &'o Path,
    pub(crate) listen: SocketAddr,
    pub(crate) act_as: Option<&'o str>,
}

pub(crate) fn run(paths: &[PathBuf], options: &Options<'_>, output: &Output) -> Result<Report, Failure> {
    output.refuse(&[Format::Csv], "dev")?;
    let projects = Project::open_with_needs(paths)?;
    let mut built = Vec::new();
    for project in &projects {
        let module = project.build(None, output)?;
        build::announce(&module, output);
        built.push(module);
    }
    let server = serve::start(Some(options.data), options.listen, output)?;
    let node = Node::new(&format!("http://{}", server.addr()), options.act_as);
    for module in &built {
        bring_in_force(&node, &module.wasm, &module.schema, output)?;
    }
    if options.once {
        let report = demonstrate(&node, &projects, output);
        server.stop().map_err(|problem| Failure::new(exit::IO, problem))?;
        return report;
    }
    suggest(&node, &built.iter().map(|module| &module.schema).collect::<Vec<_>>(), output);
    let from = body::<Status>(&node.get(route::STATUS)?)?.offset;
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| tail(&node, from, &ended, output));
        let result = serve::wait(server);
        ended.store(true, Ordering::Relaxed);
        result
    })
}

/// Publishes a module, unless the very same artefact is in force.
fn bring_in_force(node: &Node, artefact: &[u8], schema: &Schema, output: &Output) -> Result<(), Failure> {
    let hash = build::hash(artefact);
    let modules = body::<Modules>(&node.get(route::MODULES)?)?.modules;
    let which = format!("{} ({})", schema.module, &hash[..8]);
    if modules.iter().any(|module| module.name == schema.module && module.artefact == hash) {
        output.step("unchanged", &which, &contents_text(schema));
        return Ok(());
    }
    event_cycles::check(node, artefact, OnCycle::Warn, output)?;
    publish::publish(node, artefact, false)?;
    output.step("published", &which, &contents_text(schema));
    Ok(())
}

/// Makes the demonstration call and query of every project, then runs the whole log again.
fn demonstrate(node: &Node, projects: &[Project], output: &Output) -> Result<Report, Failure> {
    let mut done = Vec::new();
    for project in projects {
        let Demo { call, query, .. } = project.demo()?;
        if let Some(invocation) = invocation(&call) {
            let report = invoke::call(node, &invocation, output)?;
            output.note(&format!("$ interstice call {}\n{}", words(&call), report.text));
            done.push(json!({ "call": call, "result": report.document }));
        }
        if let Some(invocation) = invocation(&query) {
            let report = invoke::query(&Place::new(node, None, None)?, &invocation)?;
            output.note(&format!("$ interstice query {}\n{}", words(&query), report.text));
            done.push(json!({ "query": query, "result": report.document }));
        }
    }
    let report = replay::check(&Directory::at(node, None)?, (Scope { from: None, to: None }, false, None), output)?;
    let checked: ReplayChecked = body(&report.document)?;
    if !checked.ok {
        return Err(Failure::new(crate::report::FOUND, Problem::new("divergence", report.text)));
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

/// Says what can be tried next.
fn suggest(node: &Node, schemas: &[&Schema], output: &Output) {
    let server =
        if node.url() == "http://127.0.0.1:7070" { String::new() } else { format!(" --server {}", node.url()) };
    output.note("\ntry, in another terminal:");
    for schema in schemas {
        for function in &schema.functions {
            let command = match function.kind {
                FunctionKind::Reducer | FunctionKind::Owner => "call",
                FunctionKind::Query => "query",
                _ => continue,
            };
            let name = format!("{}.{}", schema.module, function.name);
            let args = function.args.iter().map(|arg| format!("<{}: {}>", arg.name, arg.ty));
            let words: Vec<_> = std::iter::once(name).chain(args).collect();
            output.note(&format!("  interstice{server} {command} {}", words.join(" ")));
        }
        if let Some(table) = schema.tables.iter().find(|table| table.public) {
            let name = format!("{}.{}", schema.module, table.name);
            output.note(&format!("  interstice{server} subscribe 'select * from {name}' --initial"));
        }
    }
    output.note("\ntransactions, as they commit:");
}

/// Prints transactions from offset `from` on until `ended`, or until the node is gone.
fn tail(node: &Node, mut from: u64, ended: &AtomicBool, output: &Output) {
    while !ended.load(Ordering::Relaxed) {
        let before = from;
        let news = news(node, from, |transaction| {
            from += 1;
            output.item(&transaction, || history::transaction_line(&transaction));
            ControlFlow::Continue(())
        });
        match news {
            Ok(()) if from == before => std::thread::sleep(TAIL_INTERVAL),
            Ok(()) => {}
            Err(failure) if failure.exit == exit::UNREACHABLE => return,
            Err(failure) => {
                output.note(&failure.problem.to_string());
                return;
            }
        }
    }
}

/// Transactions from offset `from` on. To tell them the node walks over its log: it is asked only if there are some.
fn news(node: &Node, from: u64, take: impl FnMut(Value) -> ControlFlow<()>) -> Result<(), Failure> {
    if body::<Status>(&node.get(route::STATUS)?)?.durable <= from {
        return Ok(());
    }
    history::each(node, None, Selection { from: Some(from), ..Selection::default() }, take)
}
