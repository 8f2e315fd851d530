//! The `interstice` command: a command computes a report, one place renders it.
//!
//! *Responsible for*: arguments, building modules, choosing between a live node and a data directory, exit codes, output.
//!
//! *Not responsible for*: what a node does (`interstice-server`), what a log holds (`interstice`, `interstice-log`).
//!
//! *Invariants*
//! 1. stdout is data; progress, notes and errors are stderr.
//! 2. The format never depends on whether stdout is a terminal.
//! 3. What works on a live node works on a data directory.
//!
//! *Reading order*: `args`, `commands`, `report`, `failure`, `project`, `template`, `schemas`, `node`, `directory`, `remote`, `output`, `telling`.
#![forbid(unsafe_code)]

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod args;
mod commands;
mod directory;
mod failure;
mod node;
mod output;
mod project;
mod remote;
mod report;
mod schemas;
mod telling;
mod template;
mod unfinished;

use args::Args;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    telling::begin(&args.log_level, args.log_format, args.quiet);
    let output = output::Output::new(args.output, args.log_format, args.quiet);
    match commands::run(&args, &output) {
        Ok(report) => ExitCode::from(output.finish(&report)),
        Err(failure) => ExitCode::from(output.fail(&failure)),
    }
}
