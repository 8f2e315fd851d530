//! Lines for the debugger and what it answered: the same for a terminal and a script. What was said is kept, to be written into a file.

use super::telling;
use crate::directory::Directory;
use crate::failure::{Failure, exit};
use crate::remote::Files;
use interstice::debug::answer::Brief;
use interstice::debug::command::Line;
use interstice::debug::{DebugError, Debugger, GoesOn};
use interstice_log::local::LocalLog;
use interstice_server::reports;
use interstice_types::problem::Problem;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

/// Answers that are kept.
pub(super) const MAX_SAID: usize = 10_000;
/// Bytes of text and JSON that they have in all.
const MAX_SAID_SIZE: usize = 64 << 20;

/// A line, and what came of it.
#[derive(Debug, PartialEq)]
pub(super) struct Said {
    /// In its envelope.
    pub(super) document: Value,
    /// For people.
    pub(super) text: String,
    line: String,
    size: usize,
}

/// A debugger that is talked to.
pub(super) struct Dialogue<'d> {
    debugger: Debugger<LocalLog<Files>, Files>,
    directory: &'d Directory,
    said: VecDeque<Arc<Said>>,
    size: usize,
    left_out: u64,
}

impl<'d> Dialogue<'d> {
    /// With `debugger`, which looks at what is in `directory`.
    pub(super) fn new(debugger: Debugger<LocalLog<Files>, Files>, directory: &'d Directory) -> Self {
        Self { debugger, directory, said: VecDeque::new(), size: 0, left_out: 0 }
    }

    /// What it looks at.
    pub(super) fn debugger(&self) -> &Debugger<LocalLog<Files>, Files> {
        &self.debugger
    }

    /// Where it is looked at, for people.
    pub(super) fn place(&self) -> String {
        self.directory.place()
    }

    /// Does what a line says; `None` if that is to end.
    ///
    /// # Errors
    /// What is wrong with it, or with what it is asked of.
    pub(super) fn say(&mut self, line: &str, goes_on: GoesOn<'_>) -> Result<Option<Arc<Said>>, Failure> {
        let line = line.trim();
        let parsed = Line::parse(line, self.debugger.range().start);
        let (document, text) = match parsed.map_err(|problem| Failure::new(exit::USAGE, problem))? {
            Line::Quit => return Ok(None),
            Line::Export(file) => self.export(Path::new(&file))?,
            Line::Command(command) => {
                let answer = self.debugger.perform(&command, goes_on).map_err(|error| failed(self.directory, error))?;
                (telling::document(&answer), telling::text(&answer))
            }
        };
        Ok(Some(self.keep(line, document, text)))
    }

    /// The transactions around the one that it stands at.
    ///
    /// # Errors
    /// What is wrong with the history.
    pub(super) fn around(&mut self, before: u64, behind: u64) -> Result<Vec<Brief>, Failure> {
        self.debugger.around(before, behind, &|| true).map_err(|error| failed(self.directory, error))
    }

    fn keep(&mut self, line: &str, document: Map<String, Value>, text: String) -> Arc<Said> {
        let mut whole = json!({
            "schema": "interstice.debug/v1", "command": line, "offset": self.debugger.offset().to_string(),
        });
        whole.as_object_mut().expect("invariant: an envelope is an object").extend(document);
        let size = text.len() + whole.to_string().len();
        let said = Arc::new(Said { document: whole, text, line: line.to_owned(), size });
        if self.said.back() == Some(&said) {
            return said;
        }
        self.size += size;
        self.said.push_back(Arc::clone(&said));
        while self.said.len() > MAX_SAID || (self.size > MAX_SAID_SIZE && self.said.len() > 1) {
            self.size -= self.said.pop_front().expect("invariant: there are several").size;
            self.left_out += 1;
        }
        said
    }

    /// Writes what was said into a new file.
    fn export(&self, file: &Path) -> Result<(Map<String, Value>, String), Failure> {
        let contents = if file.extension().is_some_and(|ending| ending == "json") {
            let entries: Vec<_> = self.said.iter().map(|said| &said.document).collect();
            let document =
                json!({"schema": "interstice.debug-export/v1", "entries": entries, "left_out": self.left_out});
            format!("{}\n", serde_json::to_string_pretty(&document).expect("invariant: JSON is JSON"))
        } else {
            let left_out =
                (self.left_out > 0).then(|| format!("{} answers before these are left out\n\n", self.left_out));
            let entries = self.said.iter().map(|said| format!("> {}\n{}\n\n", said.line, said.text));
            left_out.into_iter().chain(entries).collect()
        };
        let made = OpenOptions::new().write(true).create_new(true).open(file);
        let written = made.and_then(|mut made| made.write_all(contents.as_bytes()));
        written.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                let problem = Problem::new("file", format!("`{}` is there already", file.display()));
                problem.hint("name a file that is not there yet").into()
            }
            _ => Failure::file(file, &error),
        })?;
        let (count, place) = (self.said.len(), file.display().to_string());
        let text = format!("{count} answers written to `{place}`");
        let document = json!({"answer": "export", "file": place, "entries": count});
        let Value::Object(document) = document else { panic!("invariant: an object is one") };
        Ok((document, text))
    }
}

/// Why there is no answer.
pub(super) fn failed(directory: &Directory, error: DebugError) -> Failure {
    match error {
        DebugError::Problem(problem) => problem.into(),
        DebugError::Interrupted => Problem::new("interrupted", "it was interrupted").into(),
        DebugError::Moment(error) => directory.no_moment(&error),
        error if error.is_trimmed() => reports::trimmed(&error).into(),
        error => directory.corrupt(&error),
    }
}
