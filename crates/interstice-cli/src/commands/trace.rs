//! `trace`: what transactions did, step by step, on a node, in a data directory or a backup.
//!
//! A node does not trace: it is a recording already. What it did in a stretch of history is run again here, with code that tells what it
//! does (`docs/decisions/0012-…`).

mod chrome;
mod json;
mod speedscope;
mod stacks;
mod text;

use super::replay;
use crate::args::{Destination, Scope, TraceFormat};
use crate::directory::Directory;
use crate::failure::{Failure, exit};
use crate::node::{Node, body};
use crate::output::Output;
use crate::report::Report;
use interstice::check;
use interstice::trace::{Traced, trace};
use interstice_engine::rerun::Likeness;
use interstice_protocol::http::{Status, route};
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use interstice_wasm::runtime::Runtime;
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Transactions of one trace.
const MAX_TRANSACTIONS: u64 = 10_000;
/// Steps of one trace: more than any viewer opens.
const MAX_SPANS: usize = 1 << 21;
/// Between two looks for new transactions.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// What transactions did.
struct Recording {
    from: Offset,
    /// The one behind the last.
    to: Offset,
    transactions: Vec<Traced>,
}

impl Recording {
    /// Fuel of all of it.
    fn fuel(&self) -> u64 {
        self.transactions.iter().map(|traced| traced.fuel).sum()
    }

    fn span_count(&self) -> usize {
        self.transactions.iter().map(|traced| traced.spans.len()).sum()
    }

    /// `module.function` and the fuel that was burnt before each transaction.
    fn timed(&self) -> impl Iterator<Item = (u64, &Traced)> {
        self.transactions.iter().scan(0, |clock, traced| {
            let begin = *clock;
            *clock += traced.fuel;
            Some((begin, traced))
        })
    }

    fn title(&self) -> String {
        format!("offsets {} to {}, unit: fuel", self.from, self.to.saturating_sub(1))
    }
}

/// What one transaction did.
pub(super) struct Told {
    /// For people.
    pub(super) text: String,
    /// What `trace export` says of it.
    pub(super) document: Value,
}

/// What the transaction at `offset` did.
pub(super) fn of_one(directory: &Directory, offset: Offset, output: &Output) -> Result<Told, Failure> {
    let recording = recorded(directory, Scope { from: Some(offset), to: Some(offset + 1) })?;
    warn(&recording, output);
    let mut document = json::document(&recording);
    Ok(Told { text: text::render(&recording), document: document["transactions"][0].take() })
}

/// What happened in a stretch of history.
pub(crate) fn export(
    directory: &Directory,
    scope: Scope,
    destination: &Destination,
    output: &Output,
) -> Result<Report, Failure> {
    let format = format_of(destination)?;
    refuse_used(destination)?;
    let recording = recorded(directory, scope)?;
    warn(&recording, output);
    let document = json::document(&recording);
    let text = match format {
        TraceFormat::Text => text::render(&recording),
        TraceFormat::Chrome | TraceFormat::Perfetto => chrome::render(&recording),
        TraceFormat::Folded => stacks::folded(&recording),
        TraceFormat::Flame => stacks::flame(&recording)?,
        TraceFormat::Speedscope => speedscope::render(&recording),
    };
    let Some(file) = &destination.out else { return Ok(Report::new(document, text).items("transactions")) };
    write(file, &text, destination.yes).map_err(|error| Failure::file(file, &error))?;
    let head = format!(
        "wrote {}  transactions {}, steps {}, fuel {}",
        file.display(),
        recording.transactions.len(),
        recording.span_count(),
        recording.fuel()
    );
    Ok(Report::new(document, head).items("transactions"))
}

/// What happens from now on, until it is enough.
pub(crate) fn record(
    node: &Node,
    (count, time): (u64, &Duration),
    destination: &Destination,
    output: &Output,
) -> Result<Report, Failure> {
    // What makes no sense is said before anybody waits.
    format_of(destination)?;
    refuse_used(destination)?;
    if count == 0 || count > MAX_TRANSACTIONS {
        let text = format!("`-n {count}`: a trace has at least one transaction and at most {MAX_TRANSACTIONS}");
        return Err(Failure::usage(text, format!("write `-n {MAX_TRANSACTIONS}`")));
    }
    let (from, begun) = (durable(node)?, Instant::now());
    let shown = humantime::format_duration(*time);
    output.note(&format!("recording from offset {from} on: {count} transactions, or {shown}"));
    let mut to = from;
    while to - from < count && begun.elapsed() < *time {
        std::thread::sleep(POLL_INTERVAL.min(time.saturating_sub(begun.elapsed())));
        to = durable(node)?;
    }
    if to == from {
        let problem = Problem::new("nothing-recorded", format!("no transaction was made in {shown}"));
        let hint = "call something meanwhile, wait longer with `--for 1m`, or take what was before with `trace export`";
        return Err(problem.hint(hint).into());
    }
    let scope = Scope { from: Some(from), to: Some(to.min(from + count)) };
    export(&Directory::at(node, None)?, scope, destination, output)
}

/// How many transactions there are on a node.
pub(super) fn durable(node: &Node) -> Result<Offset, Failure> {
    Ok(body::<Status>(&node.get(route::STATUS)?)?.durable)
}

/// The form that was asked for, or that the file's ending says.
fn format_of(destination: &Destination) -> Result<TraceFormat, Failure> {
    if let Some(format) = destination.format {
        return Ok(format);
    }
    let Some(file) = &destination.out else { return Ok(TraceFormat::Text) };
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let endings = [
        (".speedscope.json", TraceFormat::Speedscope),
        (".json", TraceFormat::Chrome),
        (".folded", TraceFormat::Folded),
        (".svg", TraceFormat::Flame),
        (".txt", TraceFormat::Text),
    ];
    let found = endings.iter().find(|(ending, _)| name.ends_with(ending));
    found.map(|(_, format)| *format).ok_or_else(|| {
        let text = format!("the ending of `{}` says no format", file.display());
        Failure::usage(text, "add `--format chrome`, perfetto, folded, flame, speedscope or text")
    })
}

fn refuse_used(destination: &Destination) -> Result<(), Failure> {
    match &destination.out {
        Some(file) if !destination.yes && file.exists() => {
            let problem = Problem::new("file-exists", format!("`{}` is there already", file.display()));
            Err(Failure::new(exit::DESTRUCTIVE, problem.hint("name another file, or add `--yes` to write over it")))
        }
        _ => Ok(()),
    }
}

/// Where the file came to be meanwhile it is not written over.
fn write(file: &Path, text: &str, over: bool) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(over).truncate(over).create_new(!over);
    options.open(file)?.write_all(text.as_bytes())
}

/// Runs what is in scope again.
fn recorded(directory: &Directory, scope: Scope) -> Result<Recording, Failure> {
    let log = directory.log()?;
    let scope = replay::range(directory, &log, scope)?;
    let check::Scope { from, to, .. } = scope;
    if to - from > MAX_TRANSACTIONS {
        let text = format!("{} transactions are too many for a trace, which has at most {MAX_TRANSACTIONS}", to - from);
        return Err(too_large(text, (to - MAX_TRANSACTIONS, to)));
    }
    let start = directory.start_with(&log, from, Arc::new(Runtime::for_tracing()?))?;
    let (mut transactions, mut spans, mut full) = (Vec::new(), 0, None);
    let traced = trace(&log, start, scope, |traced| {
        spans += traced.spans.len();
        if spans > MAX_SPANS && !transactions.is_empty() {
            full = Some(traced.offset);
            return ControlFlow::Break(());
        }
        transactions.push(traced);
        ControlFlow::Continue(())
    });
    traced.map_err(|error| replay::failed(directory, &error))?;
    match full {
        None => Ok(Recording { from, to, transactions }),
        Some(offset) => {
            let text = format!("before offset {offset} there are more than the {MAX_SPANS} steps that a trace has");
            Err(too_large(text, (from, offset)))
        }
    }
}

fn too_large(text: String, (from, to): (Offset, Offset)) -> Failure {
    Problem::new("trace-too-large", text).hint(format!("take a part of it: `--from {from} --to {to}`")).into()
}

/// What is not to be taken for what happened.
fn warn(recording: &Recording, output: &Output) {
    for traced in &recording.transactions {
        let Traced { offset, function, .. } = traced;
        match &traced.likeness {
            Likeness::Same => {}
            Likeness::Otherwise => output.note(&format!(
                "warning: offset {offset} ({function}) came out otherwise than recorded: this is what it does now; \
                 `interstice replay check` says what differs"
            )),
            Likeness::Unavailable(problem) => output.note(&format!(
                "warning: offset {offset} ({function}) cannot run here: {}: {}",
                problem.code, problem.message
            )),
        }
        if traced.left_out > 0 {
            let text =
                "calls of functions inside of modules are too many to be told; their fuel counts for their callers";
            output.note(&format!("note: offset {offset} ({function}): {} {text}", traced.left_out));
        }
    }
}
