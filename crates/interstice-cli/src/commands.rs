//! The commands: each computes a report.

mod backup;
mod bench;
mod bindings;
mod bisect;
mod build;
mod debug;
mod dev;
mod event_cycles;
mod fork;
mod from_log;
mod graph;
pub(crate) mod history;
mod index;
mod inspect;
mod invoke;
mod log;
mod logs;
mod migrate;
mod modules;
mod new;
mod publish;
mod repair;
mod replay;
mod restore;
mod row;
mod schedule;
mod schema;
mod serve;
mod snapshot;
mod sql;
mod status;
mod subscribe;
mod test;
mod trace;
mod validate;
mod what_if;

use crate::args::{Args, At, Backup, Bindings, Command, Log, Migrate, Replay, Schema, Snapshot, TestCommand, Trace};
use crate::directory::{Directory, Place};
use crate::failure::Failure;
use crate::node::Node;
use crate::output::Output;
use crate::report::Report;
use interstice::history::Selection;
use interstice_server::start::Config;
use interstice_types::problem::Problem;

/// Does what was asked.
pub(crate) fn run(args: &Args, output: &Output) -> Result<Report, Failure> {
    let node = Node::new(&args.server, args.act_as.as_deref());
    match &args.command {
        Command::New { path, template, sdk } => new::run(path, *template, sdk.as_deref(), output),
        Command::Build { path } => build::run(path, output),
        Command::Test { from_log: Some(TestCommand::FromLog(options)), .. } => from_log::run(&node, options, output),
        Command::Test { path, words, .. } => test::run(path, words, output),
        Command::Dev { paths, once, data, on_break, listen } => {
            let act_as = args.act_as.as_deref();
            let options = dev::Options { data, listen: *listen, act_as, on_break: *on_break };
            if *once { dev::demonstrate(paths, &options, output) } else { dev::run(paths, &options, output) }
        }
        Command::Start { data, memory, listen, verify } => {
            let data = (!memory).then(|| data.clone());
            serve::run(Config { data, listen: *listen, verify: *verify, ..Config::default() }, output)
        }
        Command::Ready { wait } => status::ready(&node, *wait),
        Command::Status => status::run(&node),
        Command::Publish(options) => publish::run(&node, options, output),
        Command::Migrate(Migrate::New { path, data }) => migrate::new(&node, data.as_deref(), path, output),
        Command::Migrate(Migrate::Plan(options)) => publish::plan(&node, options, output),
        Command::Migrate(Migrate::Status { module, data }) => {
            migrate::status(&node, data.as_deref(), module.as_deref())
        }
        Command::Modules(command) => modules::run(&node, command, output),
        Command::Call { invocation, trace } => invoke::call(&node, invocation, *trace, output),
        Command::Query { invocation, at } => invoke::query(&place(&node, at)?, invocation),
        Command::Sql { statement, explain: false, at } => sql::run(&place(&node, at)?, statement),
        Command::Sql { statement, explain: true, at } => sql::explain(&place(&node, at)?, statement),
        Command::Subscribe { words, query: Some(query), count, .. } => {
            subscribe::query(&node, (query, words), *count, output)
        }
        Command::Subscribe { words, query: None, initial, count } => {
            subscribe::rows(&node, words, *initial, *count, output)
        }
        Command::Schema(command) => of_schemas(&node, command, output),
        Command::Validate(options) => validate::run(&options.path, output),
        Command::Inspect(options) => inspect::run(&options.path),
        Command::Bindings(Bindings::Add { module, path, data }) => {
            bindings::add(&node, (module, data.as_deref()), path, output)
        }
        Command::Log(command) => of_log(&node, command, output),
        Command::Snapshot(Snapshot::Create { data }) => snapshot::create(&node, data.as_deref()),
        Command::Snapshot(Snapshot::List { data }) => snapshot::list(&node, data.as_deref(), false),
        Command::Snapshot(Snapshot::Verify { data }) => snapshot::list(&node, data.as_deref(), true),
        Command::Backup(Backup::Create { to, data }) => backup::create(&node, data.as_deref(), to),
        Command::Backup(Backup::List { dir }) => backup::list(dir),
        Command::Backup(Backup::Verify { path }) => backup::verify(path),
        Command::Schedule(command) => schedule::run(&node, command),
        Command::History { table, key, limit, data } => {
            row::history(&node, data.as_deref(), (table, key), *limit, output)
        }
        Command::Bisect { statement, scope, data } => {
            bisect::run(&Directory::at(&node, data.as_deref())?, statement, *scope, output)
        }
        Command::Fork { at, whole, out, data } => {
            fork::fork(&Directory::at(&node, data.as_deref())?, (at, *whole), out)
        }
        Command::Restore { file, out, to } => restore::run(file, out, *to),
        Command::Replay(command) => of_replay(&node, command, output),
        Command::Logs(options) => logs::run(&node, options, output),
        Command::Trace(command) => of_trace(&node, command, output),
        Command::Graph(options) => graph::run(&node, options, output),
        Command::Bench(options) => bench::run(options, output),
    }
}

fn of_replay(node: &Node, command: &Replay, output: &Output) -> Result<Report, Failure> {
    match command {
        Replay::Run { to, out, data } => fork::run(node, data.as_deref(), *to, out),
        Replay::Check { scope, otherwise, data, .. } if otherwise.is_said() => {
            what_if::run(&Directory::at(node, data.as_deref())?, otherwise, *scope, output)
        }
        Replay::Check { scope, fresh, jobs, engine, data, .. } => {
            let options = replay::Options { scope: *scope, fresh: *fresh, jobs: *jobs, engine: (*engine).into() };
            replay::check(&Directory::at(node, data.as_deref())?, options, output)
        }
        Replay::Debug { at, scope, script, data } => {
            let (data, at, script) = (data.as_deref(), at.as_deref(), script.as_deref());
            debug::run(node, &debug::Options { data, at, scope: *scope, script }, output)
        }
    }
}

fn of_trace(node: &Node, command: &Trace, output: &Output) -> Result<Report, Failure> {
    match command {
        Trace::Export { scope, data, destination } => {
            trace::export(&Directory::at(node, data.as_deref())?, *scope, destination, output)
        }
        Trace::Record { count, time, destination } => trace::record(node, (*count, time), destination, output),
    }
}

fn of_schemas(node: &Node, command: &Schema, output: &Output) -> Result<Report, Failure> {
    match command {
        Schema::Show { what, data } => schema::show(node, data.as_deref(), what, output),
        Schema::Diff { old, new, exit_code } => schema::diff::run(node, (old, new), *exit_code, output),
        Schema::History { what, data } => schema::history::run(node, data.as_deref(), what),
    }
}

fn of_log(node: &Node, command: &Log, output: &Output) -> Result<Report, Failure> {
    match command {
        Log::Inspect { offset, data } => history::inspect(node, data.as_deref(), *offset),
        Log::Dump { filters, data } => history::dump(node, data.as_deref(), filters.as_ref().into(), output),
        Log::Grep { pattern, filters, data } => {
            let selection = Selection { pattern: Some(pattern.clone()), ..filters.as_ref().into() };
            history::dump(node, data.as_deref(), selection, output)
        }
        Log::Stats { filters, data } => history::stats(node, data.as_deref(), filters.as_ref().into()),
        Log::Repair { data, out, yes, dry_run } => repair::run(data, out, (*yes, *dry_run)),
        Log::Verify { data } => log::verify(node, data.as_deref()),
        Log::Index { data, rebuild, verify } => index::run(data, (*rebuild, *verify), output),
    }
}

fn place<'p>(node: &'p Node, At { at, data }: &'p At) -> Result<Place<'p>, Failure> {
    Place::new(node, data.as_deref(), at.as_deref())
}

/// Fresh random bytes.
fn random() -> Result<[u8; 16], Failure> {
    let mut bytes = [0; 16];
    let failed = |error| Problem::new("io", format!("there are no random bytes: {error}"));
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
