//! `dev`: from source to a running node in one command, and again at each save.
//!
//! 1. Build every project behind those that it needs; start a node; bring them in force.
//! 2. `--once`: call, ask, run all of it again, end (`demonstration`).
//! 3. Else show what commits (`tail`), and at each save of a file that one of them is made of (`watch`) build it again and bring it in
//!    force (`live`). Where data stand in the way, say what can be done, or do it (`breaking`).

mod breaking;
mod demonstration;
mod live;
mod tail;
mod watch;

use super::event_cycles::{self, OnCycle};
use super::{build, publish, serve};
use crate::args::{Format, OnBreak};
use crate::failure::{Failure, exit};
use crate::node::{Node, body};
use crate::output::Output;
use crate::project::{Built, Project, contents_text};
use crate::report::Report;
use interstice_protocol::http::{Modules, route};
use interstice_server::server::Server;
use interstice_server::start::Config;
use interstice_types::schema::{FunctionKind, Schema};
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};

/// How `dev` was asked for.
pub(crate) struct Options<'o> {
    pub(crate) data: &'o Path,
    pub(crate) listen: SocketAddr,
    pub(crate) act_as: Option<&'o str>,
    pub(crate) on_break: OnBreak,
}

/// Makes the demonstration of the projects, and ends.
pub(crate) fn demonstrate(paths: &[PathBuf], options: &Options<'_>, output: &Output) -> Result<Report, Failure> {
    let (projects, built) = build_all(paths, output)?;
    let server = start(options, options.listen, output)?;
    let node = node_of(&server, options);
    for module in &built {
        bring_in_force(&node, module, output)?;
    }
    let report = demonstration::run(&node, &projects, output);
    server.stop().map_err(|problem| Failure::new(exit::IO, problem))?;
    report
}

/// Goes on until it is asked to end, or the node fails.
pub(crate) fn run(paths: &[PathBuf], options: &Options<'_>, output: &Output) -> Result<Report, Failure> {
    let (projects, built) = build_all(paths, output)?;
    let server = start(options, options.listen, output)?;
    std::thread::scope(|threads| live::run(server, (projects, built), (options, output), threads))
}

fn build_all(paths: &[PathBuf], output: &Output) -> Result<(Vec<Project>, Vec<Built>), Failure> {
    output.refuse(&[Format::Csv], "dev")?;
    let projects = Project::open_with_needs(paths)?;
    let mut all = Vec::new();
    for project in &projects {
        let built = project.build(None, output)?;
        build::announce(&built, output);
        all.push(built);
    }
    Ok((projects, all))
}

fn start(options: &Options<'_>, listen: SocketAddr, output: &Output) -> Result<Server, Failure> {
    // Whoever writes a module hears at once if it does not do the same again.
    let verify = Some(NonZero::<u64>::MIN);
    serve::start(Config { data: Some(options.data.to_owned()), listen, verify, ..Config::default() }, output)
}

fn node_of(server: &Server, options: &Options<'_>) -> Node {
    Node::new(&format!("http://{}", server.addr()), options.act_as)
}

/// Publishes a module, unless the very same artefact is in force; whether it did.
fn bring_in_force(node: &Node, built: &Built, output: &Output) -> Result<bool, Failure> {
    let Built { wasm, schema, .. } = built;
    let hash = build::hash(wasm);
    let modules = body::<Modules>(&node.get(route::MODULES)?)?.modules;
    if modules.iter().any(|module| module.name == schema.module && module.artefact == hash) {
        output.step("unchanged", &which(built), &contents_text(schema));
        return Ok(false);
    }
    event_cycles::check(node, wasm, OnCycle::Warn, output)?;
    publish::publish(node, wasm, false)?;
    output.step("published", &which(built), &contents_text(schema));
    Ok(true)
}

/// A module, and the beginning of its artefact's name.
fn which(built: &Built) -> String {
    format!("{} ({})", built.schema.module, &build::hash(&built.wasm)[..8])
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
    output.note("\ntransactions, as they commit; save a file, and it is live:");
}
