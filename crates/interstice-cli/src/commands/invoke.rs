//! `call` and `query`: arguments from words, one function, its answer.

use super::trace;
use crate::args::{Format, Invocation};
use crate::directory::{Directory, Place};
use crate::failure::{Failure, exit};
use crate::node::{Node, body};
use crate::output::Output;
use crate::report::{Report, cell};
use interstice_engine::problems;
use interstice_protocol::http::{Answer, Called, ChangeCounts, Envelope, route};
use interstice_server::reports;
use interstice_types::id::{Identity, Offset};
use interstice_types::problem::Problem;
use interstice_types::schema::{FunctionKind, FunctionSchema, Schema};
use interstice_types::ty::Type;
use serde_json::Value;
use std::io::BufRead;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) fn call(node: &Node, invocation: &Invocation, traced: bool, output: &Output) -> Result<Report, Failure> {
    let (module, name) = split(&invocation.function)?;
    let schema = node.schema(module)?;
    let path = format!("{}/{module}/{name}", route::CALL);
    if invocation.args.as_deref() == Some("-") {
        if traced {
            let hint = "trace the calls afterwards: `interstice trace export --from OFFSET`";
            return Err(Failure::usage("`--trace` tells of one call, and stdin has many", hint));
        }
        return bulk(node, &path, output);
    }
    let args = arguments(&schema, name, invocation)?;
    let before = if traced { Some(trace::durable(node)?) } else { None };
    let started = Instant::now();
    let mut document = node.post(&path, &args)?;
    let called: Called = body(&document)?;
    let mut text = called_text(&called, started.elapsed());
    if let Some(before) = before {
        // Whatever becomes of its telling, the call was made.
        match told_of(node, (&invocation.function, called.offset, before), output) {
            Ok(Some(told)) => {
                text = format!("{text}\n{}", told.text);
                document["trace"] = told.document;
            }
            Ok(None) => output.note("the call changed nothing that is in the log, so there is no trace of it"),
            Err(failure) => output.note(&format!("there is no trace of the call: {}", failure.problem)),
        }
    }
    Ok(Report::new(document, text))
}

/// What a call did that was answered with `offset`; `None` if that is a transaction of somebody else's, for it made none itself. There were
/// `before` transactions when it was made.
fn told_of(
    node: &Node,
    (function, offset, before): (&str, Offset, Offset),
    output: &Output,
) -> Result<Option<trace::Told>, Failure> {
    if offset < before {
        return Ok(None);
    }
    let told = trace::of_one(&Directory::at(node, None)?, offset, output)?;
    Ok(Some(told).filter(|told| told.document["function"] == function))
}

/// One call for each line of stdin; the exit code is the worst.
fn bulk(node: &Node, path: &str, output: &Output) -> Result<Report, Failure> {
    output.refuse(&[Format::Csv], "call")?;
    let mut worst = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| Failure::usage(format!("stdin: {error}"), "give text in UTF-8"))?;
        if line.trim().is_empty() {
            continue;
        }
        let started = Instant::now();
        let result = parse_json(&line, "stdin").and_then(|args| node.post(path, &args));
        match result {
            Ok(document) => {
                let called: Called = body(&document)?;
                output.item(&document, || called_text(&called, started.elapsed()));
            }
            Err(failure) if failure.exit == exit::UNREACHABLE => return Err(failure),
            Err(failure) => {
                let document = serde_json::json!({ "schema": "interstice.error/v1", "error": *failure.problem });
                output.item(&document, || failure.problem.to_string());
                worst = worst.max(failure.exit);
            }
        }
    }
    Ok(Report::nothing().exit(worst))
}

/// `ok  offset 3  0.14 ms  message +1`
fn called_text(called: &Called, elapsed: Duration) -> String {
    let mut parts = vec!["ok".to_owned(), format!("offset {}", called.offset)];
    parts.push(format!("{:.2} ms", elapsed.as_secs_f64() * 1e3));
    parts.extend((!called.value.is_null()).then(|| cell(&called.value)));
    parts.extend(called.changes.iter().map(|(table, counts)| counts_text(table, *counts)));
    parts.join("  ")
}

fn counts_text(table: &str, counts: ChangeCounts) -> String {
    let signs = [("+", counts.insert), ("~", counts.update), ("-", counts.delete)];
    let signs = signs.iter().filter(|(_, count)| *count > 0).map(|(sign, count)| format!("{sign}{count}"));
    format!("{table} {}", signs.collect::<Vec<_>>().join(" "))
}

pub(crate) fn query(place: &Place<'_>, invocation: &Invocation) -> Result<Report, Failure> {
    let (module, name) = split(&invocation.function)?;
    let document = match place.state()? {
        None => {
            let at = place.at.map(|moment| format!("?at={}", moment.words())).unwrap_or_default();
            let args = arguments(&place.node.schema(module)?, name, invocation)?;
            place.node.post(&format!("{}/{module}/{name}{at}", route::QUERY), &args)?
        }
        Some(engine) => {
            let snapshot = engine.snapshot();
            let found = snapshot.catalog.find(&FunctionKind::Query, module, name)?;
            let args = arguments(&found.module.schema, name, invocation)?;
            let caller = Identity::of_name(place.node.act_as().unwrap_or(interstice_protocol::http::DEFAULT_NAME));
            let answer = reports::query(&snapshot, (module, name), &args, caller)?;
            serde_json::to_value(Envelope::new(answer)).expect("invariant: an answer has a JSON form")
        }
    };
    let answer: Answer = body(&document)?;
    Ok(Report::new(document, answer_text(&answer.value)))
}

/// A list has one element a line; everything else is itself.
pub(super) fn answer_text(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join("\n"),
        other => cell(other),
    }
}

/// `module.function`.
pub(crate) fn split(name: &str) -> Result<(&str, &str), Failure> {
    name.split_once('.').filter(|(module, function)| !module.is_empty() && !function.is_empty()).ok_or_else(|| {
        Failure::usage(format!("`{name}` does not name a function"), "write `module.function`, as in `chat.send`")
    })
}

fn function_of<'s>(schema: &'s Schema, name: &str) -> Result<&'s FunctionSchema, Failure> {
    let found = schema.function(name).map(|(_, function)| function);
    found.ok_or_else(|| problems::unknown_function(schema, name).into())
}

/// The arguments as JSON: from `--args`, or from words.
pub(crate) fn arguments(schema: &Schema, name: &str, invocation: &Invocation) -> Result<Value, Failure> {
    let function = function_of(schema, name)?;
    let Some(args) = &invocation.args else {
        let types = function.args.iter().map(|arg| Some(&arg.ty)).chain(std::iter::repeat(None));
        return Ok(invocation.values.iter().zip(types).map(|(word, ty)| argument(word, ty)).collect());
    };
    match args.strip_prefix('@') {
        None => parse_json(args, "--args"),
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|error| Failure::file(Path::new(file), &error))?;
            parse_json(&text, file)
        }
    }
}

fn parse_json(text: &str, place: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| {
        let problem = Problem::new("invalid-json", format!("not JSON: {error}")).at(place.to_owned());
        Failure::new(exit::USAGE, problem.hint("write `--args '[\"text\", 1]'`"))
    })
}

/// A word as an argument of type `ty`: JSON, or text where text is wanted.
fn argument(word: &str, ty: Option<&Type>) -> Value {
    let parsed = serde_json::from_str(word).ok();
    let text = || Value::String(word.to_owned());
    match (ty, parsed) {
        (Some(Type::Option(_)), Some(Value::Null)) => Value::Null,
        (Some(Type::Option(inner)), _) => argument(word, Some(inner)),
        (Some(ty), Some(parsed @ Value::String(_))) if wants_text(ty) => parsed,
        (Some(Type::Enum(_)), Some(parsed @ Value::Object(_))) => parsed,
        (Some(ty), _) if wants_text(ty) => text(),
        (_, parsed) => parsed.unwrap_or_else(text),
    }
}

fn wants_text(ty: &Type) -> bool {
    matches!(ty, Type::String | Type::Bytes | Type::Timestamp | Type::Uuid | Type::Identity | Type::Enum(_))
}
