//! `schema show`, `schema diff` and `schema history`: what a module declares, and declared, wherever it is.

pub(crate) mod diff;
pub(crate) mod history;

use crate::failure::Failure;
use crate::node::Node;
use crate::output::Output;
use crate::report::Report;
use crate::schemas;
use interstice_protocol::http::{Envelope, SchemaOf};
use interstice_types::schema::{FunctionKind, FunctionSchema, Schema, TableSchema, words};
use std::path::Path;

pub(crate) fn show(node: &Node, data: Option<&Path>, what: &str, output: &Output) -> Result<Report, Failure> {
    let schema = schemas::find(node, data, what, output)?;
    let text = text(&schema);
    let document = serde_json::to_value(Envelope::new(SchemaOf { module: schema }));
    Ok(Report::new(document.expect("invariant: a schema has a JSON form"), text))
}

/// A schema for people.
pub(super) fn text(schema: &Schema) -> String {
    let mut lines = vec![format!("module {} {}", schema.module, schema.version)];
    schema.tables.iter().for_each(|table| table_lines(table, &mut lines));
    schema.functions.iter().for_each(|function| lines.push(function_line(function)));
    lines.join("\n")
}

fn table_lines(table: &TableSchema, lines: &mut Vec<String>) {
    let visibility = if table.public { "public table" } else { "table" };
    let key: Vec<_> = table.primary_key.iter().map(|column| table.column_name(*column)).collect();
    lines.push(format!("{visibility} {} ({})", table.name, key.join(", ")));
    for column in &table.columns {
        let sequence = if column.auto_inc { "  auto_inc" } else { "" };
        lines.push(format!("  {}  {}{sequence}", column.name, column.ty));
    }
    for index in &table.indexes {
        let kind = if index.unique { "unique" } else { "index" };
        let columns: Vec<_> = index.columns.iter().map(|column| table.column_name(*column)).collect();
        lines.push(format!("  {kind} {} ({})", index.name, columns.join(", ")));
    }
    for reference in &table.references {
        lines.push(format!("  reference {} to {}", reference.name, reference.table));
    }
}

fn function_line(function: &FunctionSchema) -> String {
    let kind = match &function.kind {
        FunctionKind::Query => "query".to_owned(),
        FunctionKind::Reducer => "reducer".to_owned(),
        FunctionKind::Owner => "reducer of the owner".to_owned(),
        FunctionKind::Internal => "internal reducer".to_owned(),
        FunctionKind::Init => "reducer on init".to_owned(),
        FunctionKind::Upgrade => "reducer on upgrade".to_owned(),
        FunctionKind::Connect => "reducer on connect".to_owned(),
        FunctionKind::Disconnect => "reducer on disconnect".to_owned(),
        FunctionKind::Migration { table, .. } => format!("migration of {table}"),
        FunctionKind::Schedule { times, .. } => format!("reducer {times}:"),
        FunctionKind::Event { on, table } => {
            let module = table.module.as_ref().map(|module| format!("{module}.")).unwrap_or_default();
            format!("reducer on {on:?} of {module}{}", table.table).to_lowercase()
        }
    };
    format!("{kind} {}", words::of_function(function))
}
