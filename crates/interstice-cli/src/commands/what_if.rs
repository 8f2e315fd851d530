//! `replay check --module`, `--drop`, `--set-args`: what would have been.

use super::log::document;
use super::replay::{MAX_LINES, failed, range, spawn};
use crate::args::{Otherwise as Said, Scope};
use crate::directory::{Directory, loader};
use crate::failure::{Failure, exit};
use crate::node::body;
use crate::output::{Output, Progress};
use crate::project;
use crate::remote::Files;
use crate::report::{FOUND, Report};
use interstice::check;
use interstice::what_if::{WhatIfError, WhatIfReport, what_if};
use interstice_engine::module::ModuleLoader;
use interstice_engine::what_if::{Otherwise, Replacement};
use interstice_log::local::LocalLog;
use interstice_protocol::http::{FunctionWhatIf, RowWhatIf, TableWhatIf, TransactionWhatIf, WhatIfFound};
use interstice_server::reports;
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Rows of one transaction, or of one table at the end, that the text tells of.
const MAX_ROWS: usize = 5;

impl Said {
    /// Whether anything is to be otherwise.
    pub(crate) fn is_said(&self) -> bool {
        self.module.is_some() || !self.drop.is_empty() || !self.set_args.is_empty()
    }
}

pub(crate) fn run(directory: &Directory, said: &Said, scope: Scope, output: &Output) -> Result<Report, Failure> {
    let (log, damage) = directory.readable()?;
    let scope = range(directory, &log, scope)?;
    let loader = loader()?;
    let otherwise = otherwise(said, scope, (&loader, output))?;
    let progress = output.progress("transactions re-executed", scope.to.saturating_sub(scope.from));
    let report = found(directory, &log, (scope, otherwise, loader), &progress)?;
    progress.end();
    let document = document(reports::what_if(&report));
    let found: WhatIfFound = body(&document)?;
    let exit = if found.ok { 0 } else { FOUND };
    Ok(Report::new(document, text(&found)).items("transactions").exit(exit).beside(damage, output))
}

/// What was said, looked at.
fn otherwise(
    said: &Said,
    scope: check::Scope,
    (loader, output): (&Arc<dyn ModuleLoader>, &Output),
) -> Result<Otherwise, Failure> {
    let module = said.module.as_ref().map(|path| {
        let artefact = project::artefact_at(path, None, output)?;
        let loaded = loader.load(&artefact).map_err(|error| error.problem)?;
        Ok::<_, Failure>(Replacement { artefact, loaded })
    });
    let args = said.set_args.iter().map(|text| arguments(text)).collect::<Result<BTreeMap<_, _>, _>>()?;
    let dropped: BTreeSet<_> = said.drop.iter().copied().collect();
    if let Some(outside) = dropped.iter().chain(args.keys()).find(|offset| !(scope.from..scope.to).contains(*offset)) {
        let text =
            format!("offset {outside} is not among those that are looked at, {} to {}", scope.from, scope.to - 1);
        return Err(Problem::new("unknown-offset", text).hint("`--from` and `--to` say which are looked at").into());
    }
    if let Some(both) = dropped.iter().find(|offset| args.contains_key(*offset)) {
        let hint = "say one of `--drop` and `--set-args`";
        return Err(Failure::usage(format!("offset {both} cannot be left out and have other arguments"), hint));
    }
    Ok(Otherwise { module: module.transpose()?, dropped, args })
}

/// `OFFSET=JSON`
fn arguments(text: &str) -> Result<(Offset, Json), Failure> {
    let parsed = text.split_once('=').and_then(|(offset, json)| {
        let json: Json = serde_json::from_str(json).ok()?;
        (json.is_array() || json.is_object()).then_some((offset.trim().parse().ok()?, json))
    });
    let hint = "write an offset and all arguments in JSON, as in `--set-args '12=[\"a\",5]'`";
    parsed.ok_or_else(|| Failure::usage(format!("`{text}` are no arguments of a call"), hint))
}

fn found(
    directory: &Directory,
    log: &LocalLog<Files>,
    (scope, otherwise, loader): (check::Scope, Otherwise, Arc<dyn ModuleLoader>),
    progress: &Progress,
) -> Result<WhatIfReport, Failure> {
    let start = directory.start_with(log, scope.from, loader)?;
    let run = move || what_if(log, start, (scope, otherwise), &|more| progress.advance(more));
    let found = std::thread::scope(|threads| {
        spawn(threads, run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    found.map_err(|error| not_found(directory, error))
}

/// Why it cannot be said what would have been.
pub(super) fn not_found(directory: &Directory, error: WhatIfError) -> Failure {
    match error {
        WhatIfError::Check(error) => failed(directory, &error),
        WhatIfError::Refused(problem) => (*problem).into(),
        WhatIfError::Settle(error) => Failure::new(exit::IO, Problem::new("io", error.to_string())),
    }
}

/// The first transactions, each function, each table at the end, and all of it in one line.
fn text(found: &WhatIfFound) -> String {
    let mut lines = Vec::new();
    for transaction in found.transactions.iter().take(MAX_LINES) {
        tell_transaction(transaction, &mut lines);
    }
    if found.transactions.len() > MAX_LINES {
        lines.push("there are more: see them with `-o json`".to_owned());
    }
    lines.extend(found.functions.iter().filter(|function| !is_same(function)).map(function_line));
    for table in &found.tables {
        lines.push(table_line(table));
        tell_rows(&table.rows, &mut lines);
    }
    lines.extend(found.uncompared.iter().map(|what| format!("not compared: {what}")));
    let first =
        found.transactions.first().map(|first| format!(" · first at {}", first.text.trim_start_matches("offset ")));
    lines.push(format!("{} same · {} differ{}", found.same, found.otherwise, first.unwrap_or_default()));
    lines.join("\n")
}

fn tell_transaction(transaction: &TransactionWhatIf, lines: &mut Vec<String>) {
    lines.push(transaction.text.clone());
    // The first one is in the line.
    tell_rows(transaction.rows.get(1..).unwrap_or_default(), lines);
}

fn tell_rows(rows: &[RowWhatIf], lines: &mut Vec<String>) {
    lines.extend(rows.iter().take(MAX_ROWS).map(|row| format!("    {}", row.text)));
    if rows.len() > MAX_ROWS {
        lines.push("    and more".to_owned());
    }
}

/// Whether there is nothing to tell of a function.
fn is_same(function: &FunctionWhatIf) -> bool {
    let same = FunctionWhatIf { function: function.function.clone(), same: function.same, ..FunctionWhatIf::default() };
    *function == same
}

fn function_line(function: &FunctionWhatIf) -> String {
    let counts = [
        (function.same, "same"),
        (function.differs, "differ"),
        (function.carried, "carried on"),
        (function.dropped, "left out"),
        (function.missing, "do not happen"),
        (function.extra, "happen now"),
        (function.incomparable, "not comparable"),
    ];
    let counts: Vec<_> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    format!("{}: {}", function.function, counts.join(" · "))
}

fn table_line(table: &TableWhatIf) -> String {
    format!(
        "at the end {}: {} rows differ · {} only recorded · {} only now",
        table.table, table.changed, table.only_recorded, table.only_replayed
    )
}
