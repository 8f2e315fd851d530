//! The engine's problems: one function for each, so that codes and words stand in one place.

use crate::module::CallError;
use crate::publish::stub;
use interstice_store::alter::Unfit;
use interstice_store::references::BrokenReference;
use interstice_store::table::{ApplyError, Table};
use interstice_store::write::WriteError;
use interstice_types::codec;
use interstice_types::json;
use interstice_types::problem::Problem;
use interstice_types::schema::diff::{Class, TableDifference};
use interstice_types::schema::{FunctionKind, FunctionSchema, Schema, TableSchema};
use interstice_types::ty::{Shape, Type, Variant};
use interstice_types::value::Value;

/// Where a function is, for people.
pub fn place(module: &str, function: &str) -> String {
    format!("module `{module}`, function `{function}`")
}

/// No such module.
pub fn unknown_module<'n>(module: &str, known: impl IntoIterator<Item = &'n str>) -> Problem {
    Problem::new("unknown-module", format!("module `{module}` does not exist"))
        .did_you_mean(module, known)
        .hint("list what is published with `interstice modules list`")
}

/// No such function.
pub fn unknown_function(schema: &Schema, function: &str) -> Problem {
    let names = schema.functions.iter().map(|function| function.name.as_str());
    Problem::new("unknown-function", format!("`{}.{function}` does not exist", schema.module))
        .did_you_mean(function, names)
        .hint(format!("list its functions with `interstice schema show {}`", schema.module))
}

/// The function is there, but not for this.
pub fn wrong_kind(module: &str, function: &FunctionSchema) -> Problem {
    let hint = match function.kind {
        FunctionKind::Query => format!("use `interstice query {module}.{}`", function.name),
        FunctionKind::Reducer | FunctionKind::Owner => format!("use `interstice call {module}.{}`", function.name),
        _ => "it runs by itself: other modules, events, schedules, connections or a publish call it".to_owned(),
    };
    Problem::new("wrong-kind", format!("`{module}.{}` cannot be called this way", function.name)).hint(hint)
}

/// The function is not for this caller.
pub fn not_allowed(module: &str, function: &str) -> Problem {
    Problem::new("not-allowed", format!("`{module}.{function}` is for the owner of module `{module}` alone"))
        .at(place(module, function))
        .hint("the owner is who published it first: call it as they do, without `--as`, or with theirs")
}

/// The arguments are not the function's.
pub fn invalid_arguments(module: &str, function: &FunctionSchema, error: impl std::fmt::Display) -> Problem {
    let parameters: Vec<_> = function.args.iter().map(|arg| format!("{}: {}", arg.name, arg.ty)).collect();
    Problem::new("invalid-arguments", error.to_string()).at(place(module, &function.name)).hint(format!(
        "`{}` takes ({})",
        function.name,
        parameters.join(", ")
    ))
}

/// A write was refused.
pub fn write_refused(error: &WriteError) -> Problem {
    let code = match error {
        WriteError::Apply(ApplyError::DuplicateKey { .. }) => "duplicate-key",
        WriteError::Apply(ApplyError::NoSuchRow { .. }) => "no-such-row",
        WriteError::Reference(broken) => match **broken {
            BrokenReference::Missing { .. } => "no-such-referent",
            BrokenReference::InTheWay { .. } => "still-referenced",
        },
        WriteError::Apply(ApplyError::DoesNotConvert { .. }) => "does-not-convert",
        WriteError::Apply(_) | WriteError::InvalidRow { .. } => "invalid-row",
        WriteError::Check(_) => "check-failed",
        WriteError::RowTooLarge { .. } => "row-too-large",
        WriteError::TransactionTooLarge => "transaction-too-large",
        WriteError::SequenceExhausted { .. } => "sequence-exhausted",
    };
    Problem::new(code, error.to_string())
}

/// A publish would lose data.
pub(crate) fn destructive(module: &str, lost: &[&TableDifference]) -> Problem {
    let lines: Vec<_> = lost.iter().flat_map(|difference| lines_of(difference, Class::Destructive)).collect();
    Problem::new("destructive", format!("the new version has no place for data that is there: {}", lines.join("; ")))
        .at(format!("module `{module}`"))
        .hint("publish with `--break` to give it up, or declare a `#[migration]` that keeps it")
}

/// Nothing says what becomes of the rows of a table.
pub(crate) fn no_migration_path(
    module: &str,
    (old, new): (&TableSchema, &TableSchema),
    difference: &TableDifference,
) -> Problem {
    let lines: Vec<_> = lines_of(difference, Class::Declared).collect();
    let text = format!("nothing says what becomes of the rows of table `{}`: {}", old.name, lines.join("; "));
    Problem::new("no-migration-path", text).at(format!("module `{module}`")).hint(format!(
        "save the types as they were with `interstice migrate new`, and say it:\n\n{}",
        stub::of(old, new)
    ))
}

fn lines_of(difference: &TableDifference, class: Class) -> impl Iterator<Item = String> {
    let those = difference.differences.iter().filter(move |one| one.class == class);
    those.map(|one| format!("`{}.{}` {}", difference.table, one.item, one.detail))
}

/// A row does not come through a migration.
pub(crate) fn migration_failed(table: &Table, row: &[u8], problem: Problem) -> Problem {
    let text = format!("row {} of table `{}`: {}", table.key_text_of(row), table.schema().name, problem.message);
    failed(text, problem)
}

/// A table does not come through a migration.
pub(crate) fn table_migration_failed(table: &Table, problem: Problem) -> Problem {
    let text = format!("table `{}`: {}", table.schema().name, problem.message);
    failed(text, problem)
}

fn failed(text: String, problem: Problem) -> Problem {
    let mut failed =
        Problem::new("migration-failed", format!("{text} ({})", problem.code)).hint("nothing was published");
    failed.place.clone_from(&problem.place);
    failed.data.clone_from(&problem.data);
    failed
}

/// With all rows that did not come through, if there is more to say than the first.
pub(crate) fn with_failures(mut problem: Problem, failures: Vec<String>) -> Problem {
    if failures.len() > 1 {
        problem.data = Some(serde_json::json!({"failures": failures}));
    }
    problem
}

/// A value that a row has no place for.
pub(crate) fn unfit(unfit: &Unfit) -> Problem {
    Problem::new("does-not-convert", unfit.to_string())
}

/// A call of `function` ended with this.
pub(crate) fn call_failed(function: &FunctionSchema, error: CallError) -> Problem {
    match error {
        CallError::Returned(bytes) => typed_error(function, &bytes),
        CallError::Refused(problem) | CallError::Trapped(problem) => problem,
    }
}

/// A function's typed error: its code is the variant's name, its line the variant's message, its data the whole.
fn typed_error(function: &FunctionSchema, bytes: &[u8]) -> Problem {
    let Some(ty) = &function.error else {
        return Problem::new("rejected", "the function returned an error that it does not declare");
    };
    let Ok(values) = codec::decode_all([ty], bytes) else {
        return Problem::new("invalid-error", format!("the error of `{}` is not a {ty}", function.name));
    };
    let value = &values[0];
    let mut problem = match (ty, value) {
        (Type::Enum(ty), Value::Enum(tag, fields)) => variant_problem(&ty.variants[usize::from(*tag)], fields),
        (_, Value::String(text)) => Problem::new("rejected", text.clone()),
        _ => Problem::new("rejected", format!("`{}` returned an error", function.name)),
    };
    problem.data = Some(json::to_json(ty, value));
    problem
}

fn variant_problem(variant: &Variant, fields: &[Value]) -> Problem {
    let mut message = variant.message.clone().unwrap_or_else(|| variant.name.clone());
    for (field, value) in variant.fields.iter().zip(fields) {
        let text = match json::to_json(&field.ty, value) {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        message = message.replace(&format!("{{{}}}", field.name), &text);
    }
    debug_assert!(variant.shape != Shape::Unit || variant.fields.is_empty(), "a unit variant has no fields");
    let mut problem = Problem::new("rejected", message);
    problem.code = kebab(&variant.name).into();
    problem
}

/// `NoSuchAccount` as `no-such-account`.
fn kebab(name: &str) -> String {
    let mut out = String::new();
    for (position, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && position > 0 {
            out.push('-');
        }
        out.extend(letter.to_lowercase());
    }
    out.replace('_', "-")
}
