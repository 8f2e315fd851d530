//! `inspect`: what a file is, and what is in it. What is damaged is said as far as it can be read, with what is wrong.
//!
//! 1. The first bytes say what a file is; where they are damaged its name does.
//! 2. Each kind has a look of its own, which gives fields, lines for people, and what is wrong.

mod artefact;
mod directory;
mod document;
mod log;
mod snapshot;

use crate::failure::{Failure, exit};
use crate::report::{FOUND, Report, columns};
use interstice_log::mark::MARK_NAME;
use interstice_types::problem::Problem;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes at the beginning of a file that say what it is.
const MAGIC_SIZE: u64 = 8;

/// What was seen of a file.
struct Look {
    kind: &'static str,
    /// Beside `schema`, `kind`, `ok` and `faults`.
    fields: Map<String, Value>,
    /// Names and values, for people.
    lines: Vec<[String; 2]>,
    /// What is below that.
    rest: Vec<String>,
    /// What is wrong.
    faults: Vec<String>,
}

impl Look {
    fn new(kind: &'static str) -> Self {
        Self { kind, fields: Map::new(), lines: Vec::new(), rest: Vec::new(), faults: Vec::new() }
    }

    /// A field, also for people.
    fn say(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        let text = match &value {
            Value::Null => "none".to_owned(),
            value => crate::report::cell(value),
        };
        self.line(&name.replace('_', " "), text);
        self.field(name, value);
    }

    fn field(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    fn line(&mut self, name: &str, text: impl Into<String>) {
        self.lines.push([name.to_owned(), text.into()]);
    }

    /// A table below the rest.
    fn table(&mut self, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        let head = head.iter().map(|name| (*name).to_owned()).collect();
        let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
        if rows.len() > 1 {
            self.rest.push(columns(&rows));
        }
    }

    fn report(self) -> Report {
        let Self { kind, mut fields, lines, rest, faults } = self;
        let exit = if faults.is_empty() { 0 } else { FOUND };
        let lines: Vec<_> = [["kind".to_owned(), kind.to_owned()]].into_iter().chain(lines).map(Vec::from).collect();
        let wrong = (!faults.is_empty()).then(|| format!("damaged: {}", faults.join("\ndamaged: ")));
        let text: Vec<_> = std::iter::once(columns(&lines)).chain(rest).chain(wrong).collect();
        fields.insert("schema".to_owned(), "interstice.inspect/v1".into());
        fields.insert("kind".to_owned(), kind.into());
        fields.insert("ok".to_owned(), faults.is_empty().into());
        fields.insert("faults".to_owned(), json!(faults));
        Report::new(Value::Object(fields), text.join("\n\n")).exit(exit)
    }
}

pub(crate) fn run(path: &Path) -> Result<Report, Failure> {
    if path.is_dir() {
        return directory::look(path)?.ok_or_else(|| unknown(path)).map(Look::report);
    }
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let mut magic = Vec::new();
    File::open(path).map_err(failed)?.take(MAGIC_SIZE).read_to_end(&mut magic).map_err(failed)?;
    let look = match Kind::of(&magic, path) {
        Some(Kind::Artefact) => artefact::look(path)?,
        Some(Kind::Segment) => log::segment(path)?,
        Some(Kind::Mark) => log::mark(path)?,
        Some(Kind::Snapshot) => snapshot::look(path)?,
        Some(Kind::Document) => document::look(path)?.ok_or_else(|| unknown(path))?,
        None => return Err(unknown(path)),
    };
    Ok(look.report())
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Artefact,
    Segment,
    Mark,
    Snapshot,
    /// JSON: which one its fields say.
    Document,
}

impl Kind {
    /// By its first bytes, else by its name.
    fn of(magic: &[u8], path: &Path) -> Option<Self> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let ending = Path::new(name).extension().and_then(|ending| ending.to_str());
        let first = magic.iter().find(|byte| !byte.is_ascii_whitespace());
        match magic {
            b"ISTSEG01" => Some(Self::Segment),
            b"ISTMARK1" => Some(Self::Mark),
            b"ISSNAP01" => Some(Self::Snapshot),
            [b'\0', b'a', b's', b'm', ..] => Some(Self::Artefact),
            _ if name == MARK_NAME => Some(Self::Mark),
            _ if first == Some(&b'{') => Some(Self::Document),
            _ => match ending {
                Some("wasm") => Some(Self::Artefact),
                Some("log") if offset_in(name).is_some() => Some(Self::Segment),
                Some("snapshot") if offset_in(name).is_some() => Some(Self::Snapshot),
                Some("json") => Some(Self::Document),
                _ => None,
            },
        }
    }
}

/// The offset that the name of a segment or a snapshot begins with.
fn offset_in(name: &str) -> Option<u64> {
    let digits = name.get(..20).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

fn unknown(path: &Path) -> Failure {
    let text = format!("`{}` is nothing that this command knows", path.display());
    let hint = "it looks into artefacts (.wasm), segments of a log (.log), snapshots (.snapshot), `durable.mark`, `node.json`, manifests \
                of backups, schemas (.json), data directories, and directories of backups";
    Failure::new(exit::FAILED, Problem::new("unknown-file", text).hint(hint))
}

/// Refuses what a newer version wrote: it is not damaged.
fn newer(path: &Path, version: u32) -> Failure {
    let text = format!("`{}` has format {version}", path.display());
    let problem = Problem::new("newer-format", text).hint("install the version that wrote it, or a newer one");
    Failure::new(exit::NEWER_FORMAT, problem)
}

/// The directory of a file, and its name there.
fn place(path: &Path) -> Result<(interstice_log::storage::directory::DirectoryStorage, String), Failure> {
    let (directory, name) = crate::directory::place_of(path)?;
    Ok((interstice_log::storage::directory::DirectoryStorage::at(&directory), name))
}
