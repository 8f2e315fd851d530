//! `bisect`: the first transaction at which the answer to a statement becomes another one.

use super::history::transaction_line;
use super::replay::range;
use crate::args::Scope;
use crate::directory::Directory;
use crate::failure::{Failure, exit};
use crate::output::Output;
use crate::report::{FOUND, Report, cell, columns};
use interstice::bisect::{Answer, BisectError, Turn, bisect};
use interstice_server::reports;
use interstice_types::problem::Problem;
use interstice_types::{codec, json};
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
    let (before, behind) = (answer(turn.before.as_ref()), answer(turn.behind.as_ref()));
    let text = [
        transaction_line(&turn.transaction).trim_start().to_owned(),
        format!("before\n{}", table(turn.before.as_ref())),
        format!("behind\n{}", table(turn.behind.as_ref())),
    ];
    let document = json!({
        "schema": "interstice.bisect/v1", "found": true, "offset": turn.offset.to_string(),
        "transaction": turn.transaction, "before": before, "behind": behind,
    });
    Report::new(document, text.join("\n\n")).exit(FOUND)
}

/// Rows as lists; a problem where the statement could not be asked.
fn answer(answer: Result<&Answer, &Problem>) -> Value {
    match answer {
        Ok(answer) => json!({ "columns": *answer.fields, "rows": rows(answer) }),
        Err(problem) => json!({ "error": problem }),
    }
}

fn rows(answer: &Answer) -> Vec<Vec<Value>> {
    let row = |row: &[u8]| -> Vec<Value> {
        let types = answer.fields.iter().map(|field| &field.ty);
        let values = codec::decode_all(types, row).expect("invariant: a projected row has the columns' types");
        answer.fields.iter().zip(&values).map(|(field, value)| json::to_json(&field.ty, value)).collect()
    };
    answer.rows.iter().map(|bytes| row(bytes)).collect()
}

fn table(answer: Result<&Answer, &Problem>) -> String {
    match answer {
        Ok(answer) => {
            let mut lines = vec![answer.fields.iter().map(|field| field.name.clone()).collect()];
            lines.extend(rows(answer).iter().map(|row| row.iter().map(cell).collect::<Vec<_>>()));
            columns(&lines)
        }
        Err(problem) => format!("{}: {}", problem.code, problem.message),
    }
}
