//! `replay debug`: history step by step in both directions, in a terminal or by a script.
//!
//! What can be done is in `interstice::debug`; here are the two faces of it, which say the same words.

mod dialogue;
mod draw;
mod screen;
mod script;
mod telling;
mod terminal;

use super::replay::{range, spawn};
use crate::args::Scope;
use crate::directory::{Directory, loader};
use crate::failure::{Failure, exit};
use crate::node::Node;
use crate::output::Output;
use crate::report::Report;
use dialogue::{Dialogue, failed};
use interstice::debug::{Debugger, History};
use interstice::moment::Moment;
use std::io::{IsTerminal, stdin, stdout};
use std::path::Path;

/// What is looked at, and how.
pub(crate) struct Options<'o> {
    pub(crate) data: Option<&'o Path>,
    pub(crate) at: Option<&'o str>,
    pub(crate) scope: Scope,
    pub(crate) script: Option<&'o str>,
}

/// Why it ended early: before there was a place in history to stand at, or there.
enum Ended {
    Nowhere(Failure),
    There(Failure),
}

pub(crate) fn run(node: &Node, options: &Options<'_>, output: &Output) -> Result<Report, Failure> {
    if options.script.is_none() && !(stdin().is_terminal() && stdout().is_terminal()) {
        let hint = "write commands into a file, or pipe them: `echo changes | interstice replay debug --script -`";
        return Err(Failure::usage("the debugger needs a terminal, or a script", hint));
    }
    let moment = match (options.at, options.scope.from) {
        (Some(at), _) => at.parse().map_err(|problem| Failure::new(exit::USAGE, problem))?,
        (None, Some(from)) => Moment::Behind(from),
        (None, None) => Moment::Head,
    };
    let directory = Directory::at(node, options.data)?;
    let (log, damage) = directory.readable()?;
    let range = range(&directory, &log, options.scope)?;
    let notice = damage.as_ref().map(|damage| damage.problem.message.clone());
    let debug = || {
        let snapshots = directory.snapshots(&log);
        let history = History { log, snapshots, loader: loader().map_err(Ended::There)? };
        let debugger = Debugger::new(history, range.from..range.to, moment, &|| true);
        let debugger = debugger.map_err(|error| Ended::Nowhere(failed(&directory, error)))?;
        let mut dialogue = Dialogue::new(debugger, &directory);
        let ended = match options.script {
            Some(script) => script::run(&mut dialogue, script, output),
            None => terminal::run(dialogue, notice),
        };
        ended.map_err(Ended::There)
    };
    // Modules run again on a thread with the stack that the engine of a node has.
    let done = std::thread::scope(|threads| spawn(threads, debug).join());
    match (done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)), damage) {
        // What `--at` asks for may stand behind the damage.
        (Err(Ended::Nowhere(failure)), Some(damage)) if failure.problem.code == "unknown-offset" => Err(damage),
        (Err(Ended::Nowhere(failure) | Ended::There(failure)), _) => Err(failure),
        (Ok(()), damage) => Ok(Report::nothing().beside(damage, output)),
    }
}
