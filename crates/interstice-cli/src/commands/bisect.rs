//! `bisect`: the first transaction at which the answer to a statement becomes another one.

use super::history::transaction_line;
use super::replay::range;
use super::sql::rows_text;
use crate::args::Scope;
use crate::directory::Directory;
use crate::failure::{Failure, exit};
use crate::output::Output;
use crate::report::{FOUND, Report};
use interstice::bisect::{Answer, BisectError, Turn, bisect};
use interstice_protocol::http::RowSet;
use interstice_server::reports;
use interstice_types::problem::Problem;
use serde_json::{Value, json};

pub(crate) fn run(directory: &Directory, statement: &str, scope: Scope, output: &Output) -> Result<Report, Failure> {
    let (log, damage) = directory.readable()?;
    let range = range(directory, &log, scope)?;
    let start = directory.start(&log, range.from)?;
    let turn = bisect(&log, start, statement, (range.from, range.to)).map_err(|error| match error {
        BisectError::Statement(problem) => Failure::new(exit::FAILED, problem),
        error if error.is_trimmed() => reports::trimmed(&error).into(),
        error => directory.corrupt(&error),
    })?;
    let report = turn.map_or_else(
        || {
            let document = json!({ "schema": "interstice.bisect/v1", "found": false });
            Report::new(document, format!("the answer is the same from {} to {}", range.from, range.to))
        },
        |turn| report(&turn),
    );
    Ok(report.beside(damage, output))
}

fn report(turn: &Turn) -> Report {
    let rows = |answer: &Answer| reports::row_set(turn.offset, &answer.fields, &answer.rows);
    let (before, behind) = (turn.before.as_ref().map(rows), turn.behind.as_ref().map(rows));
    let text = [
        transaction_line(&turn.transaction).trim_start().to_owned(),
        format!("before\n{}", table(&before)),
        format!("behind\n{}", table(&behind)),
    ];
    let document = json!({
        "schema": "interstice.bisect/v1", "found": true, "offset": turn.offset.to_string(),
        "transaction": turn.transaction, "before": told(&before), "behind": told(&behind),
    });
    Report::new(document, text.join("\n\n")).exit(FOUND)
}

/// Rows as lists; a problem where the statement could not be asked.
fn told(answer: &Result<RowSet, &Problem>) -> Value {
    match answer {
        Ok(rows) => json!({ "columns": rows.columns, "rows": rows.rows }),
        Err(problem) => json!({ "error": problem }),
    }
}

fn table(answer: &Result<RowSet, &Problem>) -> String {
    match answer {
        Ok(rows) => rows_text(rows),
        Err(problem) => format!("{}: {}", problem.code, problem.message),
    }
}
