//! The one place that writes: results to stdout, everything else to stderr.

use crate::args::Format;
use crate::failure::{Failure, exit};
use crate::report::Report;
use crate::telling::{LogFormat, OWN_TARGET};
use anstream::eprintln;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use interstice_types::problem::Problem;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Writes in the format that was asked for.
#[derive(Debug)]
pub(crate) struct Output {
    format: Format,
    /// How stderr is written.
    said: LogFormat,
    quiet: bool,
}

impl Output {
    /// In `format`, with stderr as `said`; `quiet` leaves notes out.
    pub(crate) fn new(format: Format, said: LogFormat, quiet: bool) -> Self {
        Self { format, said, quiet }
    }

    /// The format that was asked for.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Writes the result; gives the exit code.
    pub(crate) fn finish(&self, report: &Report) -> u8 {
        let document = &report.document;
        match self.format {
            _ if document.is_null() => {}
            Format::Text if report.text.is_empty() => {}
            Format::Text => line(&report.text),
            Format::Json => line(document),
            Format::Yaml => text(&yaml(document)),
            Format::Jsonl => report.lines().into_iter().for_each(line),
            Format::Csv => write_rows(&report.rows()),
        }
        report.exit
    }

    /// Writes one item of a stream, now. Items are not alike: there is no CSV of them ([`Output::refuse`]).
    pub(crate) fn item(&self, document: &Value, words: impl FnOnce() -> String) {
        match self.format {
            Format::Text => line(words()),
            Format::Json | Format::Jsonl | Format::Csv => line(document),
            Format::Yaml => text(&format!("---\n{}", yaml(document))),
        }
    }

    /// Refuses to do `command` in formats that do not fit what it gives.
    pub(crate) fn refuse(&self, formats: &[Format], command: &str) -> Result<(), Failure> {
        if formats.contains(&self.format) {
            let hint = format!("interstice {command} … -o jsonl");
            return Err(Failure::usage("a stream has no such form", hint));
        }
        Ok(())
    }

    /// A step that was done: what, which, and details in columns.
    pub(crate) fn step(&self, what: &str, which: &str, details: &str) {
        match self.said {
            _ if self.quiet => {}
            LogFormat::Text => eprintln!("{}", format!("  {what:<10} {which:<30} {details}").trim_end()),
            LogFormat::Json => tracing::info!(target: OWN_TARGET, which, details, "{what}"),
        }
    }

    /// A line for people.
    pub(crate) fn note(&self, text: &str) {
        match self.said {
            _ if self.quiet => {}
            LogFormat::Text => eprintln!("{text}"),
            LogFormat::Json => tracing::info!(target: OWN_TARGET, "{}", text.trim()),
        }
    }

    /// A count of `what` that goes on to `total`, for people who wait: it is there after a moment, on a terminal, and gone at the end.
    pub(crate) fn progress(&self, what: &'static str, total: u64) -> Progress {
        // Beside documents on stderr there is no picture.
        let is_quiet = self.quiet || self.said == LogFormat::Json;
        let bar = if is_quiet { ProgressBar::hidden() } else { ProgressBar::no_length() };
        let style = ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len} {msg}, {per_sec}, {eta} left");
        bar.set_style(style.expect("invariant: the template is one"));
        bar.set_draw_target(ProgressDrawTarget::hidden());
        bar.set_length(total);
        bar.set_message(what);
        Progress { bar, done: AtomicU64::new(0), begun: Instant::now(), is_quiet, shown: AtomicBool::new(false) }
    }

    /// Writes why there is no result; gives the exit code.
    pub(crate) fn fail(&self, failure: &Failure) -> u8 {
        match (self.format, self.said) {
            (Format::Text, LogFormat::Text) => eprintln!("{}", failure.problem),
            (Format::Text | Format::Json | Format::Jsonl | Format::Yaml | Format::Csv, _) => {
                eprintln!("{}", json!({ "schema": "interstice.error/v1", "error": *failure.problem }));
            }
        }
        failure.exit
    }
}

/// How far something has come.
pub(crate) struct Progress {
    bar: ProgressBar,
    done: AtomicU64,
    begun: Instant,
    is_quiet: bool,
    shown: AtomicBool,
}

/// What is done sooner needs no bar.
const PROGRESS_DELAY: Duration = Duration::from_millis(300);

impl Progress {
    /// So many more are done.
    pub(crate) fn advance(&self, by: u64) {
        self.show(self.done.fetch_add(by, Ordering::Relaxed) + by);
    }

    fn show(&self, done: u64) {
        self.bar.set_position(done);
        let due = !self.is_quiet && self.begun.elapsed() >= PROGRESS_DELAY;
        if due && !self.shown.swap(true, Ordering::Relaxed) {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// All of it is done.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// A table of CSV that is written row by row.
pub(crate) struct Table(csv::Writer<anstream::Stdout>);

impl Table {
    /// With these columns.
    pub(crate) fn new<'n>(columns: impl IntoIterator<Item = &'n str>) -> Self {
        let mut table = Self(csv::Writer::from_writer(anstream::stdout()));
        table.write(columns.into_iter().map(Cow::Borrowed));
        table
    }

    /// Writes a row: text as it is, nothing for `null`, everything else as JSON.
    pub(crate) fn row<'v>(&mut self, values: impl IntoIterator<Item = &'v Value>) {
        self.write(values.into_iter().map(|value| match value {
            Value::Null => Cow::Borrowed(""),
            Value::String(text) => Cow::Borrowed(text.as_str()),
            other => Cow::Owned(other.to_string()),
        }));
    }

    fn write<'c>(&mut self, cells: impl Iterator<Item = Cow<'c, str>>) {
        let written = self.0.write_record(cells.map(|cell| cell.into_owned()));
        written_or_end(written.map_err(io::Error::from).and_then(|()| self.0.flush()));
    }
}

fn write_rows((columns, rows): &(Vec<&str>, Vec<Vec<&Value>>)) {
    let mut table = Table::new(columns.iter().copied());
    rows.iter().for_each(|row| table.row(row.iter().copied()));
}

fn line(what: impl Display) {
    written_or_end(writeln!(anstream::stdout(), "{what}"));
}

fn text(what: &str) {
    written_or_end(write!(anstream::stdout(), "{what}"));
}

/// Whoever reads the output may have seen enough of it (`… | head`): then there is nothing left to do.
fn written_or_end(written: io::Result<()>) {
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            eprintln!("{}", Problem::new("file", format!("stdout: {error}")));
            std::process::exit(exit::FAILED.into());
        }
    }
}

fn yaml(document: &Value) -> String {
    let text = serde_saphyr::to_string(document).expect("invariant: JSON is YAML");
    if text.ends_with('\n') { text } else { text + "\n" }
}
