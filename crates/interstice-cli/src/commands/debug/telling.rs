//! Answers of the debugger, for programs as JSON and for people as text.

use crate::report::{cell, columns};
use interstice::debug::answer::{Answer, Brief, Changed, ChangedColumn, Moved, Stopped};
use interstice::debug::breakpoint::Breakpoint;
use interstice::debug::calls::{Calls, RerunVerdict};
use interstice::debug::command::COMMANDS;
use interstice_engine::execution::LogLine;
use interstice_server::reports;
use serde_json::{Map, Value, json};

/// Letters of one value in a line; all of it is in the JSON.
const WIDEST: usize = 160;

/// What an answer says, without its envelope.
pub(super) fn document(answer: &Answer) -> Map<String, Value> {
    let document = match answer {
        Answer::Moved(Moved { at, stopped }) => {
            let hits = if let Stopped::Breakpoints(hits) = stopped { list(hits) } else { json!([]) };
            json!({"answer": "moved", "transaction": at, "stopped": stopped.name(), "breakpoints": hits})
        }
        Answer::Breakpoint(number, breakpoint) => {
            json!({"answer": "breakpoint", "number": number, "breakpoint": breakpoint.to_string()})
        }
        Answer::Breakpoints(set) => json!({"answer": "breakpoints", "breakpoints": list(set)}),
        Answer::Cause(told) => json!({"answer": "cause", "transaction": told}),
        Answer::Changes(changes) => json!({"answer": "changes", "changes": changes}),
        Answer::Calls(calls) => with("calls", json!(calls)),
        Answer::Logs(lines, verdict) => {
            let lines: Vec<_> = lines
                .iter()
                .map(|line| json!({"module": line.module, "level": LogLine::level_name(line.level), "text": line.text}))
                .collect();
            let mut document = with("logs", json!(verdict));
            document["lines"] = json!(lines);
            document
        }
        Answer::Tables(tables) => {
            let tables: Vec<_> = tables.iter().map(|(table, rows)| json!({"table": table, "rows": rows})).collect();
            json!({"answer": "tables", "tables": tables})
        }
        Answer::Rows(rows) => {
            let set = reports::row_set(rows.offset, &rows.fields, &rows.rows);
            json!({"answer": "rows", "columns": set.columns, "rows": set.rows, "more": rows.more})
        }
        Answer::Help => {
            let commands: Vec<_> = COMMANDS.iter().map(|(usage, what)| json!({"usage": usage, "what": what})).collect();
            json!({"answer": "help", "commands": commands})
        }
    };
    let Value::Object(document) = document else { panic!("invariant: an answer is an object") };
    document
}

fn with(name: &str, mut document: Value) -> Value {
    document["answer"] = json!(name);
    document
}

fn list(set: &[(u32, Breakpoint)]) -> Value {
    let one =
        |(number, breakpoint): &(u32, Breakpoint)| json!({"number": number, "breakpoint": breakpoint.to_string()});
    set.iter().map(one).collect()
}

/// What an answer says, in lines.
pub(super) fn text(answer: &Answer) -> String {
    match answer {
        Answer::Moved(moved) => moved_text(moved),
        Answer::Breakpoint(number, breakpoint) => format!("breakpoint {number}: {breakpoint}"),
        Answer::Breakpoints(set) if set.is_empty() => "no breakpoint is set".to_owned(),
        Answer::Breakpoints(set) => lines(set.iter().map(|(number, breakpoint)| format!("{number}  {breakpoint}"))),
        Answer::Cause(told) => cause_text(told),
        Answer::Changes(changes) if changes.is_empty() => "nothing was changed".to_owned(),
        Answer::Changes(changes) => lines(changes.iter().map(changed_text)),
        Answer::Calls(calls) => calls_text(calls),
        Answer::Logs(logged, verdict) => logs_text(logged, verdict),
        Answer::Tables(tables) => {
            let rows = tables.iter().map(|(table, rows)| vec![table.clone(), rows.to_string()]);
            columns(&std::iter::once(vec!["table".to_owned(), "rows".to_owned()]).chain(rows).collect::<Vec<_>>())
        }
        Answer::Rows(rows) => {
            let set = reports::row_set(rows.offset, &rows.fields, &rows.rows);
            let mut table = vec![set.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>()];
            table.extend(set.rows.iter().map(|row| row.iter().map(short).collect::<Vec<_>>()));
            let more = if rows.more > 0 { format!("\n{} more", rows.more) } else { String::new() };
            columns(&table) + &more
        }
        Answer::Help => columns(&COMMANDS.map(|(usage, what)| vec![usage.to_owned(), what.to_owned()])),
    }
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}

/// A value in a line, cut where it is very long.
fn short(value: &Value) -> String {
    let text = cell(value);
    match text.char_indices().nth(WIDEST) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

fn moved_text(Moved { at, stopped }: &Moved) -> String {
    let why = match stopped {
        Stopped::Arrived => String::new(),
        Stopped::Breakpoints(hits) => {
            "\n".to_owned()
                + &lines(hits.iter().map(|(number, breakpoint)| format!("breakpoint {number}: {breakpoint}")))
        }
        Stopped::First => "\nthere is nothing before it".to_owned(),
        Stopped::Last => "\nthere is nothing behind it".to_owned(),
        Stopped::Interrupted => "\ninterrupted".to_owned(),
    };
    format!("{}{why}", brief_text(at))
}

/// `5  2026-11-20T10:02:14.100871Z  call  inventory.take(sku="tea", count=4)  ok  1 rows`
pub(super) fn brief_text(at: &Brief) -> String {
    let call = short(&json!(at.call));
    format!("{}  {}  {}  {call}  {}  {} rows", at.offset, at.time, at.cause, at.outcome, at.rows)
}

/// In this order; what else there is comes behind.
const PARTS: [&str; 14] = [
    "offset",
    "time",
    "cause",
    "function",
    "args",
    "module",
    "event",
    "schedule",
    "connection",
    "control",
    "caller",
    "outcome",
    "value",
    "problem",
];

fn cause_text(told: &Value) -> String {
    let Some(told) = told.as_object() else { return String::new() };
    let others = told.keys().map(String::as_str).filter(|name| !PARTS.contains(name));
    let parts = PARTS.into_iter().chain(others).filter_map(|name| Some((name, told.get(name)?)));
    let rows: Vec<_> =
        parts.filter(|(_, value)| !value.is_null()).map(|(name, value)| vec![name.to_owned(), short(value)]).collect();
    columns(&rows)
}

/// `~ inventory.stock [2,"tea"]  count 15 → 11`
fn changed_text(changed: &Changed) -> String {
    let sign = match changed.change {
        "insert" => "+",
        "update" => "~",
        "delete" => "-",
        other => other,
    };
    let key = changed.key.as_ref().map(|key| format!(" {}", short(key))).unwrap_or_default();
    let parts: Vec<_> = changed.columns.iter().map(column_text).collect();
    format!("{sign} {}{key}  {}", changed.table, parts.join(", ")).trim_end().to_owned()
}

fn column_text(ChangedColumn { name, old, new }: &ChangedColumn) -> String {
    match (old, new) {
        (Some(old), Some(new)) => format!("{name} {} → {}", short(old), short(new)),
        (old, new) => format!("{name}={}", old.as_ref().or(new.as_ref()).map(short).unwrap_or_default()),
    }
}

/// How it came out when it ran again.
fn verdict_text(verdict: &RerunVerdict) -> String {
    let text = verdict.text.as_deref().unwrap_or_default();
    match verdict.verdict {
        "same" => "run again, as recorded".to_owned(),
        "divergent" => format!("NOT AS RECORDED: {text}"),
        _ => format!("not comparable: {text}"),
    }
}

fn calls_text(calls: &Calls) -> String {
    let mut all = vec![verdict_text(&calls.verdict)];
    if let Some(problem) = calls.problem.as_ref().filter(|_| calls.steps.is_empty()) {
        all.push(format!("it does not run here: {problem}"));
    } else if calls.steps.is_empty() {
        all.push("no module had a part in it".to_owned());
    }
    all.extend(calls.steps.iter().map(step_text));
    if calls.more > 0 {
        all.push(format!("{} more steps: see them with `calls N`", calls.more));
    }
    all.join("\n")
}

/// What a host call was given, in this order.
const GIVEN: [&str; 14] = [
    "index", "keys", "key", "filter", "reverse", "limit", "scan", "row", "function", "args", "due", "schedule",
    "level", "text",
];

fn step_text(step: &Value) -> String {
    let part = |name: &str| step.get(name).map(short);
    let indent = "  ".repeat(step["depth"].as_u64().unwrap_or(0) as usize);
    let fuel = part("fuel").unwrap_or_default();
    match step["step"].as_str() {
        Some("enter") => {
            let (function, args) = (part("function").unwrap_or_default(), part("args").unwrap_or_default());
            format!("{indent}{function} {args}")
        }
        Some("leave") => {
            let value = step.get("value").filter(|value| !value.is_null());
            let value = value.map(|value| format!(" {}", short(value))).unwrap_or_default();
            format!("{indent}{}{value}  fuel {fuel}", part("ending").unwrap_or_default())
        }
        _ => {
            let given = GIVEN.iter().filter_map(|name| Some(format!("{name} {}", short(step.get(*name)?))));
            let given = part("table").into_iter().chain(given).collect::<Vec<_>>().join(", ");
            let result = part("result").map(|result| format!(" → {result}")).unwrap_or_default();
            let head = format!("{indent}{} {}", part("number").unwrap_or_default(), part("call").unwrap_or_default());
            format!("{head} {given}{result}  fuel {fuel}")
        }
    }
}

fn logs_text(logged: &[LogLine], verdict: &RerunVerdict) -> String {
    let mut all = vec![verdict_text(verdict)];
    if logged.is_empty() {
        all.push("nothing was logged".to_owned());
    }
    all.extend(logged.iter().map(|line| format!("{} {}: {}", LogLine::level_name(line.level), line.module, line.text)));
    all.join("\n")
}
