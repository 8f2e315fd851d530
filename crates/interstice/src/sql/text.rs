//! Places in a statement's text, and problems that point at them.

use interstice_types::problem::Problem;
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Location, Span};

/// Draws the line of `text` with the columns of `span` underlined.
pub(super) fn caret(text: &str, span: Span) -> String {
    let Location { line, column } = span.start;
    let shown = text.lines().nth((line.max(1) - 1) as usize).unwrap_or_default();
    // The end is the first column behind, and may be on another line.
    let behind = if span.end.line == line { span.end.column } else { shown.chars().count() as u64 + 1 };
    let width = behind.saturating_sub(column).max(1) as usize;
    let (number, margin) = (line.to_string(), " ".repeat(line.to_string().len()));
    let indent = " ".repeat((column.max(1) - 1) as usize);
    format!("line {line}, column {column}\n{margin} |\n{number} | {shown}\n{margin} | {indent}{}", "^".repeat(width))
}

/// `problem` at `span` of `text`.
pub(super) fn at(problem: Problem, text: &str, span: Span) -> Problem {
    if span == Span::empty() { problem } else { problem.at(caret(text, span)) }
}

/// What the parser says, with the place that it names.
pub(super) fn syntax(text: &str, error: &ParserError) -> Problem {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message.clone(),
        ParserError::RecursionLimitExceeded => "the statement is nested too deeply".to_owned(),
    };
    let (message, place) = message.split_once(" at Line: ").unwrap_or((&message, ""));
    let problem = Problem::new("invalid-sql", lower_first(message))
        .hint("as in `SELECT * FROM module.table WHERE column = 'value' LIMIT 10`");
    match place.split_once(", Column: ").map(|(line, column)| (line.parse(), column.trim().parse())) {
        Some((Ok(line), Ok(column))) => {
            let start = Location { line, column };
            at(problem, text, Span::new(start, Location { line, column: column + 1 }))
        }
        _ => problem,
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Something that SQL has and this does not.
pub(super) fn unsupported(text: &str, what: &str, span: Span) -> Problem {
    let problem = Problem::new("unsupported-sql", format!("{what} is not supported"));
    let form = "SELECT columns FROM module.table [WHERE …] [ORDER BY …] [LIMIT n] [OFFSET n]";
    at(problem.hint(form), text, span)
}
