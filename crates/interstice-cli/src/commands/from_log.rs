//! `test from-log`: transactions of a log as a test of the module's project.
//!
//! 1. The name is one that a test can have, and nothing is in the way.
//! 2. The stretch of the log is recorded; the recording comes out as it was recorded, or there is none.
//! 3. The project is built: its tables and functions have the types that they had then.
//! 4. Two files are written, the recording and the test.

use super::replay::{failed, range, spawn};
use crate::args::{FromLog, Scope};
use crate::commands::build;
use crate::directory::{Directory, loader};
use crate::failure::{Failure, exit};
use crate::node::Node;
use crate::output::Output;
use crate::project::Project;
use crate::report::Report;
use interstice::recording::{RecordError, RecordedStretch, record};
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use interstice_types::schema::diff::{SchemaDifference, Sign};
use interstice_types::schema::{ColumnSchema, Schema, TableSchema};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Transactions of which the test tells in a comment.
const MAX_TOLD: usize = 100;
/// Characters of such a line.
const MAX_LINE: usize = 110;

pub(crate) fn run(node: &Node, options: &FromLog, output: &Output) -> Result<Report, Failure> {
    let projects = Project::open_with_needs(std::slice::from_ref(&options.path))?;
    let project = projects.last().expect("invariant: a project is behind what it needs");
    let files = Files::new(project, options)?;
    let directory = Directory::at(node, options.data.as_deref())?;
    let (recorded, damage) = recorded(&directory, (options.from, options.to), &project.module_name())?;
    for project in &projects {
        let Some(then) = recorded.schemas.iter().find(|schema| schema.module == project.module_name()) else {
            continue;
        };
        let built = project.build(None, output)?;
        build::announce(&built, output);
        check_version(then, &built.schema, options)?;
    }
    let test = test_text(&recorded, &files.name, (options.from, options.to));
    files.write(&recorded.recording.text(), &test)?;
    Ok(report(&recorded, &files).beside(damage, output))
}

fn report(recorded: &RecordedStretch, files: &Files) -> Report {
    let (count, rows) = (recorded.lines.len(), recorded.recording.row_count());
    let left_out = match recorded.left_out {
        0 => String::new(),
        count => format!(", {count} of other modules left out"),
    };
    let (test, name) = (files.test.display(), &files.name);
    let text = format!(
        "{test}\n{count} transactions{left_out}, {rows} rows before them: run it with `cargo test --test {name}`"
    );
    let document = json!({
        "schema": "interstice.test-from-log/v1", "test": files.test, "recording": files.recording, "name": name,
        "transactions": count, "left_out": recorded.left_out, "rows": rows,
    });
    Report::new(document, text)
}

/// The stretch of the log, recorded; of a log that is damaged behind it, the damage.
fn recorded(
    directory: &Directory,
    (from, to): (Offset, Offset),
    module: &str,
) -> Result<(RecordedStretch, Option<Failure>), Failure> {
    let (log, damage) = directory.readable()?;
    let scope = match range(directory, &log, Scope { from: Some(from), to: Some(to) }) {
        Ok(scope) => scope,
        // What is asked for may be behind where the log is damaged.
        Err(failure) => return Err(damage.unwrap_or(failure)),
    };
    let start = directory.start_with(&log, scope.from, loader()?)?;
    let recorded = std::thread::scope(|threads| {
        let worker = spawn(threads, || record(&log, start, scope, module));
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let recorded = recorded.map_err(|error| match error {
        RecordError::Check(error) => failed(directory, &error),
        RecordError::Refused(problem) => (*problem).into(),
    })?;
    Ok((recorded, damage))
}

/// Refuses a project whose tables or functions have not the types that they had then. What it has beside them does not count.
fn check_version(then: &Schema, now: &Schema, options: &FromLog) -> Result<(), Failure> {
    let is_other = |table: &&TableSchema| now.table(&table.name).is_none_or(|other| !is_same_form(table, other));
    let tables = then.tables.iter().filter(is_other).map(|table| format!("table `{}`", table.name));
    let functions = SchemaDifference::between(then, now).functions.into_iter();
    let functions =
        functions.filter(|other| other.sign != Sign::Added && (other.sign == Sign::Removed || other.breaks));
    let others: Vec<_> = tables.chain(functions.map(|other| format!("function `{}`", other.function))).collect();
    if others.is_empty() {
        return Ok(());
    }
    let module = &then.module;
    let text =
        format!("the project is not the version of module `{module}` that ran then: {} differ", others.join(", "));
    let place = options.data.as_ref().map(|data| format!("{}:", data.display())).unwrap_or_default();
    let hint = format!(
        "a recording has the types that the project has; see what differs with `interstice schema diff {place}{module}@{} {}`",
        options.from,
        options.path.display()
    );
    Err(Problem::new("another-version", text).hint(hint).into())
}

/// Whether a recording of one table can be put into the other.
fn is_same_form(one: &TableSchema, other: &TableSchema) -> bool {
    let form = |column: &ColumnSchema| (column.name.clone(), column.ty.clone(), column.auto_inc);
    one.columns.iter().map(form).eq(other.columns.iter().map(form))
        && (&one.primary_key, one.durability) == (&other.primary_key, other.durability)
}

/// The files of a test.
struct Files {
    name: String,
    test: PathBuf,
    recording: PathBuf,
}

impl Files {
    /// Of a test that is not there yet.
    fn new(project: &Project, options: &FromLog) -> Result<Self, Failure> {
        let name = options.name.clone().unwrap_or_else(|| format!("from_log_{}_{}", options.from, options.to));
        let is_word = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !is_word || super::new::is_taken(&name) {
            let problem = Problem::new("invalid-name", format!("`{name}` is not a name for a test"))
                .hint("a function and a file are called so: take `a` to `z`, `0` to `9` and `_`, as in `--name two_transfers`");
            return Err(Failure::new(exit::USAGE, problem));
        }
        let directory = project.directory().join("tests");
        let (test, recording) = (directory.join(format!("{name}.rs")), directory.join(format!("{name}.json")));
        if let Some(there) = [&test, &recording].into_iter().find(|path| path.symlink_metadata().is_ok()) {
            let problem =
                Problem::new("already-there", format!("`{}` is there already, and is kept as it is", there.display()))
                    .hint(format!("give the test another name: `--name {name}_again`"));
            return Err(Failure::new(exit::USAGE, problem));
        }
        Ok(Self { name, test, recording })
    }

    /// Writes both, or none.
    fn write(&self, recording: &str, test: &str) -> Result<(), Failure> {
        let directory = self.test.parent().expect("invariant: a test is in a directory");
        std::fs::create_dir_all(directory).map_err(|error| Failure::file(directory, &error))?;
        write_new(&self.recording, recording)?;
        write_new(&self.test, test).inspect_err(|_| {
            // Without its test it would only be in the way of the next try.
            let _ = std::fs::remove_file(&self.recording);
        })
    }
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| Failure::file(path, &error))
}

/// The test, as `rustfmt` leaves it.
fn test_text(recorded: &RecordedStretch, name: &str, (from, to): (Offset, Offset)) -> String {
    let mut crates: Vec<_> = recorded.schemas.iter().map(|schema| format!("use {} as _;\n", schema.module)).collect();
    crates.push("use interstice_sdk::test::TestDatabase;\n".to_owned());
    crates.sort_by(|a, b| a.trim_end_matches(" as _;\n").cmp(b.trim_end_matches(" as _;\n")));
    let mut lines: Vec<_> =
        recorded.lines.iter().take(MAX_TOLD).map(|line| format!("// {}\n", shortened(line))).collect();
    match recorded.lines.len().saturating_sub(MAX_TOLD) {
        0 => {}
        more => lines.push(format!("// and {more} more\n")),
    }
    format!(
        "//! Offsets {from} to {} of a log, as they were recorded.\n//!\n//! What each transaction is to come to is in `{name}.json`. \
         Where that was wrong, correct it there.\n\n{}\n{}#[interstice_sdk::test]\nfn {name}(db: &mut TestDatabase) {{\n    \
         db.reproduce(include_str!(\"{name}.json\"));\n}}\n",
        to - 1,
        crates.concat(),
        lines.concat(),
    )
}

fn shortened(line: &str) -> String {
    if line.chars().count() <= MAX_LINE {
        return line.to_owned();
    }
    format!("{}…", line.chars().take(MAX_LINE).collect::<String>())
}
