//! The engine's problems: one function for each, so that codes and words stand in one place.

use interstice_store::table::ApplyError;
use interstice_store::write::WriteError;
use interstice_types::codec;
use interstice_types::json;
use interstice_types::problem::Problem;
use interstice_types::schema::{FunctionSchema, Schema};
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
        interstice_types::schema::FunctionKind::Query => format!("use `interstice query {module}.{}`", function.name),
        interstice_types::schema::FunctionKind::Reducer => format!("use `interstice call {module}.{}`", function.name),
        _ => "it runs by itself: other modules, events or a publish call it".to_owned(),
    };
    Problem::new("wrong-kind", format!("`{module}.{}` cannot be called this way", function.name)).hint(hint)
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
        WriteError::Apply(_) | WriteError::InvalidRow { .. } => "invalid-row",
        WriteError::Check(_) => "check-failed",
        WriteError::RowTooLarge { .. } => "row-too-large",
        WriteError::TransactionTooLarge => "transaction-too-large",
        WriteError::SequenceExhausted { .. } => "sequence-exhausted",
    };
    Problem::new(code, error.to_string())
}

/// A function's typed error: its code is the variant's name, its line the variant's message, its data the whole.
pub fn typed_error(function: &FunctionSchema, bytes: &[u8]) -> Problem {
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
