//! The one place that writes: results to stdout, everything else to stderr.

use crate::args::Format;
use crate::failure::Failure;
use crate::report::Report;
use anstream::{eprintln, print, println};
use serde_json::{Value, json};

/// Writes in the format that was asked for.
#[derive(Debug)]
pub(crate) struct Output {
    format: Format,
    quiet: bool,
}

impl Output {
    /// In `format`; `quiet` leaves notes out.
    pub(crate) fn new(format: Format, quiet: bool) -> Self {
        Self { format, quiet }
    }

    /// The format that was asked for.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Writes the result; gives the exit code.
    pub(crate) fn finish(&self, report: &Report) -> u8 {
        match self.format {
            _ if report.document.is_null() => {}
            Format::Text if report.text.is_empty() => {}
            Format::Text => println!("{}", report.text),
            Format::Json => println!("{}", report.document),
            Format::Yaml => print!("{}", yaml(&report.document)),
            Format::Jsonl => match report.items.map(|key| &report.document[key]) {
                Some(Value::Array(items)) => items.iter().for_each(|item| println!("{item}")),
                _ => println!("{}", report.document),
            },
        }
        report.exit
    }

    /// Writes one item of a stream, now.
    pub(crate) fn item(&self, document: &Value, text: impl FnOnce() -> String) {
        match self.format {
            Format::Text => println!("{}", text()),
            Format::Json | Format::Jsonl => println!("{document}"),
            Format::Yaml => print!("---\n{}", yaml(document)),
        }
    }

    /// A step that was done: what, which, and details in columns.
    pub(crate) fn step(&self, what: &str, which: &str, details: &str) {
        if !self.quiet {
            eprintln!("{}", format!("  {what:<10} {which:<30} {details}").trim_end());
        }
    }

    /// A line for people.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// Writes why there is no result; gives the exit code.
    pub(crate) fn fail(&self, failure: &Failure) -> u8 {
        match self.format {
            Format::Text => eprintln!("{}", failure.problem),
            Format::Json | Format::Jsonl | Format::Yaml => {
                eprintln!("{}", json!({ "schema": "interstice.error/v1", "error": *failure.problem }));
            }
        }
        failure.exit
    }
}

fn yaml(document: &Value) -> String {
    let text = serde_saphyr::to_string(document).expect("invariant: JSON is YAML");
    if text.ends_with('\n') { text } else { text + "\n" }
}
