//! `logs`: lines that functions logged, on a node, in a data directory or a backup.
//!
//! A node keeps the newest lines in memory; no line is in the log. What a node keeps no more, and all that a directory or a backup has, is
//! made again: its transactions run again, and log what they logged.

use super::replay;
use crate::args::{Format, LineLevel, Logs, Scope};
use crate::directory::Directory;
use crate::failure::{Failure, exit};
use crate::node::{Node, body};
use crate::output::{Output, Table};
use crate::remote::Files;
use crate::report::{Report, cell};
use interstice::check;
use interstice::lines::{Logged, lines};
use interstice::moment::{Moment, end_of};
use interstice::opened::Start;
use interstice_engine::execution::LogLine;
use interstice_engine::rerun::Likeness;
use interstice_log::local::LocalLog;
use interstice_log::log::CommitLog;
use interstice_protocol::http::{LineFound, LineSelection, Lines, Status, route};
use interstice_server::lines::Entry;
use interstice_server::reports;
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use interstice_types::time::Timestamp;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::ops::ControlFlow;

/// How long a node is asked to wait for the next line, in milliseconds.
const WAIT: u64 = 10_000;
/// The columns of lines as CSV.
const COLUMNS: [&str; 10] =
    ["offset", "time", "level", "module", "function", "text", "outcome", "code", "undone", "source"];

pub(crate) fn run(node: &Node, options: &Logs, output: &Output) -> Result<Report, Failure> {
    if options.follow {
        output.refuse(&[Format::Json, Format::Csv], "logs -f")?;
    }
    let mut told = Told { wanted: Wanted::of(options)?, kept: VecDeque::new(), last: options.count, output };
    let Some(data) = &options.data else { return of_node(node, options, told) };
    let directory = Directory::open(data)?;
    let (log, damage) = directory.readable()?;
    let scope = replay::range(&directory, &log, Scope { from: options.from, to: options.to })?;
    let scope = not_before(&directory, &log, (scope, told.wanted.since))?;
    output.note("lines are in no log: the transactions run again, and log them again");
    again(&directory, &log, scope, &mut told)?;
    Ok(told.finish().beside(damage, output))
}

/// What a node keeps, behind what it keeps no more if that is asked for; then what is still to come.
fn of_node(node: &Node, options: &Logs, mut told: Told<'_>) -> Result<Report, Failure> {
    let scope = Scope { from: options.from, to: options.to };
    if scope.from.is_some() || scope.to.is_some() {
        replay::inside(scope, body::<Status>(&node.get(route::STATUS)?)?.durable)?;
    }
    let Lines { lines: kept, kept_from, next } = kept(node)?;
    match scope.from {
        Some(from) if from < kept_from => {
            let to = scope.to.map_or(kept_from, |to| to.min(kept_from));
            let last = to - 1;
            told.output.note(&format!(
                "the node keeps the lines of offset {from} to {last} no more: the transactions run again, and log them again"
            ));
            let directory = Directory::at(node, None)?;
            again(&directory, &directory.log()?, check::Scope { from, to, fresh: false }, &mut told)?;
            told.wanted.from = Some(kept_from);
        }
        None if kept_from > 1 && !options.follow => told.output.note(&format!(
            "lines before offset {kept_from} are not kept: `interstice logs --from OFFSET` makes them again"
        )),
        _ => {}
    }
    kept.into_iter().for_each(|line| told.take(line));
    if !options.follow {
        return Ok(told.finish());
    }
    told.flow();
    let mut from = next;
    loop {
        let page = page(node, LineSelection { from, wait: WAIT })?;
        // A node that was started again counts anew.
        from = page.next;
        page.lines.into_iter().for_each(|line| told.take(line));
    }
}

/// All that a node keeps.
fn kept(node: &Node) -> Result<Lines, Failure> {
    let mut all = page(node, LineSelection::default())?;
    while !all.lines.is_empty() {
        let more = page(node, LineSelection { from: all.next, wait: 0 })?;
        if more.lines.is_empty() {
            break;
        }
        let is_next = more.next - more.lines.len() as u64 == all.next;
        // Where lines fell out meanwhile, what there is now is all.
        all = if is_next {
            all.lines.extend(more.lines);
            Lines { next: more.next, ..all }
        } else {
            page(node, LineSelection::default())?
        };
    }
    Ok(all)
}

fn page(node: &Node, selection: LineSelection) -> Result<Lines, Failure> {
    let query = serde_urlencoded::to_string(selection).expect("invariant: names with values");
    body(&node.get(&format!("{}?{query}", route::LINES))?)
}

/// Leaves out what was before the time that is asked for.
fn not_before(
    directory: &Directory,
    log: &LocalLog<Files>,
    (scope, since): (check::Scope, Option<Timestamp>),
) -> Result<check::Scope, Failure> {
    let Some(since) = since else { return Ok(scope) };
    let Start { engine, position, .. } = directory.start(log, scope.from)?;
    let before = Moment::At(Timestamp(since.0.saturating_sub(1)));
    // Where nothing was before that, nothing is left out; what cannot be read is said when it is run again.
    let from = end_of(log, (engine.next_offset(), position), before).unwrap_or(scope.from);
    Ok(check::Scope { from: from.max(scope.from), ..scope })
}

/// Runs what is in scope again for its lines.
fn again(
    directory: &Directory,
    log: &LocalLog<Files>,
    scope: check::Scope,
    told: &mut Told<'_>,
) -> Result<(), Failure> {
    if scope.from >= scope.to.min(log.tail().next_offset) {
        return Ok(());
    }
    let start = directory.start(log, scope.from)?;
    let progress = told.output.progress("transactions run again", scope.to - scope.from);
    let result = lines(log, start, scope, &|more| progress.advance(more), |logged| {
        warn(&logged, told.output);
        let Logged { offset, time, outcome, code, lines, .. } = logged;
        let entry = Entry { offset: Some(offset), time, outcome, code, lines };
        reports::entry_lines(&entry, "rerun").for_each(|line| told.take(line));
        ControlFlow::Continue(())
    });
    progress.end();
    result.map_err(|error| replay::failed(directory, &error))
}

/// What is not to be taken for what was logged.
fn warn(Logged { offset, likeness, .. }: &Logged, output: &Output) {
    match likeness {
        Likeness::Same => {}
        Likeness::Otherwise => output.note(&format!(
            "warning: offset {offset} came out otherwise than recorded: its lines are what it logs now; \
             `interstice replay check` says what differs"
        )),
        Likeness::Unavailable(problem) => output.note(&format!(
            "warning: offset {offset} cannot run here, and its lines are missing: {}: {}",
            problem.code, problem.message
        )),
    }
}

/// Which lines are wanted.
struct Wanted {
    module: Option<String>,
    function: Option<(String, String)>,
    level: LineLevel,
    from: Option<Offset>,
    to: Option<Offset>,
    since: Option<Timestamp>,
}

impl Wanted {
    fn of(options: &Logs) -> Result<Self, Failure> {
        let Logs { module, function, level, from, to, since, .. } = options;
        let function = function.as_deref().map(super::invoke::split).transpose()?;
        let time = |text: &String| {
            Timestamp::parse(text).ok_or_else(|| {
                let problem = Problem::new("invalid-selection", format!("`{text}` is no time"));
                Failure::new(exit::USAGE, problem.hint("write RFC 3339, as in `2026-11-20T10:00:00Z`"))
            })
        };
        Ok(Self {
            module: module.clone(),
            function: function.map(|(module, function)| (module.to_owned(), function.to_owned())),
            level: *level,
            from: *from,
            to: *to,
            since: since.as_ref().map(time).transpose()?,
        })
    }

    fn wants(&self, line: &LineFound) -> bool {
        let offset = line.offset.as_ref().and_then(|offset| offset.parse::<Offset>().ok());
        // Of what has no offset nothing is known where a stretch of them is asked for.
        let is_inside = match (offset, self.from, self.to) {
            (None, from, to) => from.is_none() && to.is_none(),
            (Some(offset), from, to) => from.is_none_or(|from| offset >= from) && to.is_none_or(|to| offset < to),
        };
        let level = LogLine::LEVELS.iter().position(|level| *level == line.level).unwrap_or(0);
        let is_of = |(module, function): &(String, String)| (module, function) == (&line.module, &line.function);
        is_inside
            && level <= self.level as usize
            && self.module.as_ref().is_none_or(|module| *module == line.module)
            && self.function.as_ref().is_none_or(is_of)
            && self.since.is_none_or(|since| Timestamp::parse(&line.time).is_none_or(|time| time >= since))
    }
}

/// Lines that were told, or wait until it is known which are the last.
struct Told<'o> {
    wanted: Wanted,
    kept: VecDeque<Value>,
    /// So many at most, the last; `None` for all.
    last: Option<usize>,
    output: &'o Output,
}

impl Told<'_> {
    fn take(&mut self, line: LineFound) {
        if !self.wanted.wants(&line) {
            return;
        }
        let line = serde_json::to_value(line).expect("invariant: a line has a JSON form");
        let streams = matches!(self.output.format(), Format::Text | Format::Jsonl);
        if streams && self.last.is_none() {
            return self.output.item(&line, || text(&line));
        }
        self.kept.push_back(line);
        if self.last.is_some_and(|last| self.kept.len() > last) {
            self.kept.pop_front();
        }
    }

    /// Tells what waits; from now on each is told at once.
    fn flow(&mut self) {
        self.last = None;
        for line in std::mem::take(&mut self.kept) {
            self.output.item(&line, || text(&line));
        }
    }

    fn finish(mut self) -> Report {
        match self.output.format() {
            Format::Text | Format::Jsonl => self.flow(),
            Format::Csv => {
                let mut table = Table::new(COLUMNS);
                self.kept.iter().for_each(|line| table.row(COLUMNS.map(|name| &line[name])));
            }
            Format::Json | Format::Yaml => {
                let lines: Vec<_> = self.kept.into();
                return Report::new(json!({ "schema": "interstice.logs/v1", "lines": lines }), "");
            }
        }
        Report::nothing()
    }
}

/// `    12  2026-11-20T10:02:11.482113Z  WARN   chat.send  a text with nothing in it`
fn text(line: &Value) -> String {
    let part = |name: &str| cell(&line[name]);
    let offset = if line["offset"].is_null() { "-".to_owned() } else { part("offset") };
    let (level, code) = (part("level").to_uppercase(), &line["code"]);
    let why = if code.is_null() { part("outcome") } else { cell(code) };
    let undone = if line["undone"] == true { format!("  (undone: {why})") } else { String::new() };
    let name = format!("{}.{}", part("module"), part("function"));
    format!("{offset:>6}  {}  {level:<5}  {name}  {}{undone}", part("time"), part("text"))
}
