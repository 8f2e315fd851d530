//! `replay check`: history run again, beside what was recorded.

use super::log::document;
use crate::args::Scope;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::node::body;
use crate::output::{Output, Progress};
use crate::remote::Files;
use crate::report::{FOUND, Report};
use interstice::check::{self, CheckError, CheckReport};
use interstice_log::local::LocalLog;
use interstice_log::log::CommitLog;
use interstice_protocol::http::{IncomparableFound, ReplayChecked};
use interstice_server::reports;
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use interstice_wasm::wasm_engine::WasmEngine;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::{Builder, Scope as Threads, ScopedJoinHandle};
use std::time::Instant;

/// Modules run on these threads: they need the stack that the engine of a node has.
const STACK_SIZE: usize = 16 << 20;
/// Incomparable transactions that the text tells of one by one.
pub(super) const MAX_LINES: usize = 20;

/// What is run again, and how.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) scope: Scope,
    /// Each call in an instance of its own.
    pub(crate) fresh: bool,
    /// Threads; as many as there are processors, if it is not said.
    pub(crate) jobs: Option<NonZero<usize>>,
    /// What runs the code of modules.
    pub(crate) engine: WasmEngine,
}

pub(crate) fn check(directory: &Directory, options: Options, output: &Output) -> Result<Report, Failure> {
    let Options { scope, fresh, jobs, engine } = options;
    let started = Instant::now();
    let (log, damage) = directory.readable()?;
    let scope = check::Scope { fresh, ..range(directory, &log, scope)? };
    let jobs = jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let progress = output.progress("transactions re-executed", scope.to.saturating_sub(scope.from));
    let report = run(directory, &log, (scope, jobs, engine), &progress)?;
    progress.end();
    let document = document(reports::replay_checked(&report, engine));
    let checked: ReplayChecked = body(&document)?;
    let exit = if checked.ok { 0 } else { FOUND };
    Ok(Report::new(document, text(&checked, started)).items("divergences").exit(exit).beside(damage, output))
}

/// What is looked at: all that there is, if nothing is said.
pub(super) fn range(
    directory: &Directory,
    log: &LocalLog<Files>,
    Scope { from, to }: Scope,
) -> Result<check::Scope, Failure> {
    let end = log.tail().next_offset;
    inside(Scope { from, to }, end)?;
    let (first, behind) = (from.map_or_else(|| directory.beginning(log), Ok)?, to.unwrap_or(end));
    refuse_nothing(first, behind)?;
    Ok(check::Scope { from: first, to: behind, fresh: false })
}

/// Refuses what is outside of a log that ends before `end`.
pub(super) fn inside(Scope { from, to }: Scope, end: Offset) -> Result<(), Failure> {
    let (first, behind) = (from.unwrap_or(0), to.unwrap_or(end));
    if first >= end || behind > end {
        let offset = if first >= end { first } else { behind };
        let text =
            format!("offset {offset} is outside of the log, whose last transaction is {}", end.saturating_sub(1));
        let hint = "`--from` is the first offset, `--to` the one behind the last";
        return Err(Problem::new("unknown-offset", text).hint(hint).into());
    }
    from.map_or(Ok(()), |first| refuse_nothing(first, behind))
}

fn refuse_nothing(first: Offset, behind: Offset) -> Result<(), Failure> {
    if first >= behind {
        let hint = "`--to` is the offset behind the last";
        return Err(Failure::usage(format!("there is nothing from {first} to {behind}"), hint));
    }
    Ok(())
}

/// Runs what is in scope again, on as many threads, its modules on `engine`.
pub(super) fn run(
    directory: &Directory,
    log: &LocalLog<Files>,
    (scope, jobs, engine): (check::Scope, usize, WasmEngine),
    progress: &Progress,
) -> Result<CheckReport, Failure> {
    let starts = directory.starts(log)?;
    let loader = engine.loader()?;
    let check = |stretch: check::Scope| {
        let start = directory.start_with(log, stretch.from, Arc::clone(&loader))?;
        let checked = check::check(log, start, stretch, &|more| progress.advance(more));
        checked.map_err(|error| failed(directory, &error))
    };
    let check = &check;
    std::thread::scope(|threads| {
        let stretches = check::stretches(&starts, scope, jobs).into_iter();
        let workers: Vec<_> = stretches.map(|scope| spawn(threads, move || check(scope))).collect();
        let mut all = CheckReport::default();
        for worker in workers {
            all.merge(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(all)
    })
}

/// Starts a thread with the stack that modules need.
pub(super) fn spawn<'scope, T: Send + 'scope>(
    threads: &'scope Threads<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> ScopedJoinHandle<'scope, T> {
    let spawned = Builder::new().stack_size(STACK_SIZE).spawn_scoped(threads, work);
    spawned.expect("invariant: a thread can be started")
}

pub(super) fn failed(directory: &Directory, error: &CheckError) -> Failure {
    if error.is_trimmed() { reports::trimmed(error).into() } else { directory.corrupt(error) }
}

/// A line for each divergence, one for each transaction that cannot be compared, and how many there are of all.
fn text(checked: &ReplayChecked, started: Instant) -> String {
    let mut lines: Vec<_> = checked.divergences.iter().map(|found| found.text.clone()).collect();
    lines.extend(checked.incomparables.iter().take(MAX_LINES).map(incomparable_line));
    let left_out = checked.incomparable.saturating_sub(MAX_LINES as u64);
    if left_out > 0 {
        lines.push(format!("{left_out} more cannot be compared: see all of them with `-o json`"));
    }
    let rate = checked.checked as f64 / started.elapsed().as_secs_f64() / 1e3;
    let incomparable = match checked.incomparable {
        0 => String::new(),
        count => format!(", {count} incomparable"),
    };
    lines.push(format!(
        "{} transactions re-executed by {}, {} module versions, {} divergences{incomparable}        {rate:.1} k/s",
        checked.checked, checked.engine, checked.versions, checked.divergent
    ));
    lines.join("\n")
}

fn incomparable_line(found: &IncomparableFound) -> String {
    let why = match (&*found.reason, &found.problem) {
        ("ephemeral", _) => "it saw rows that are in no log".to_owned(),
        (reason, Some(problem)) => format!("{reason}: {}: {}", problem.code, problem.message),
        (reason, None) => reason.to_owned(),
    };
    format!("offset {} ({}): not comparable: {why}", found.offset, found.function)
}
