//! `schema show`: what a module declares, wherever it is.

use crate::directory::Directory;
use crate::failure::Failure;
use crate::node::Node;
use crate::output::Output;
use crate::project;
use crate::report::Report;
use interstice_engine::system;
use interstice_protocol::http::{Envelope, SchemaOf};
use interstice_types::schema::{FunctionKind, FunctionSchema, SYSTEM_MODULE, Schema, TableSchema, words};
use interstice_wasm::artefact;
use std::path::Path;

pub(crate) fn show(node: &Node, data: Option<&Path>, what: &str, output: &Output) -> Result<Report, Failure> {
    let schema = find(node, data, what, output)?;
    let text = text(&schema);
    let document = serde_json::to_value(Envelope::new(SchemaOf { module: schema }));
    Ok(Report::new(document.expect("invariant: a schema has a JSON form"), text))
}

/// The schema of a module in a data directory, of a project or an artefact, or of a module on a node.
pub(super) fn find(node: &Node, data: Option<&Path>, what: &str, output: &Output) -> Result<Schema, Failure> {
    match data {
        Some(data) => of_directory(&Directory::open(data)?, what),
        None if is_path(what) => Ok(artefact::schema_of(&project::artefact_at(Path::new(what), None, output)?)?),
        None => node.schema(what),
    }
}

/// Whether a project or an artefact is meant, and not the name of a module that happens to be the name of a directory.
fn is_path(what: &str) -> bool {
    what.contains(['/', '\\', '.']) || Path::new(what).join("Cargo.toml").is_file()
}

fn of_directory(directory: &Directory, module: &str) -> Result<Schema, Failure> {
    let engine = directory.recover()?;
    if module == SYSTEM_MODULE {
        let tables = system::own_tables(engine.store()).map(|table| TableSchema::clone(table.schema()));
        return Ok(system::schema(tables.collect()));
    }
    let (_, entry) = engine.catalog().find_module(module)?;
    Ok(Schema::clone(&entry.schema))
}

fn text(schema: &Schema) -> String {
    let mut lines = vec![format!("module {} {}", schema.module, schema.version)];
    schema.tables.iter().for_each(|table| table_lines(table, &mut lines));
    schema.functions.iter().for_each(|function| lines.push(function_line(function)));
    lines.join("\n")
}

fn table_lines(table: &TableSchema, lines: &mut Vec<String>) {
    let visibility = if table.public { "public table" } else { "table" };
    let key: Vec<_> =
        table.primary_key.iter().map(|column| table.columns[usize::from(*column)].name.as_str()).collect();
    lines.push(format!("{visibility} {} ({})", table.name, key.join(", ")));
    for column in &table.columns {
        let sequence = if column.auto_inc { "  auto_inc" } else { "" };
        lines.push(format!("  {}  {}{sequence}", column.name, column.ty));
    }
    for index in &table.indexes {
        let kind = if index.unique { "unique" } else { "index" };
        let columns: Vec<_> =
            index.columns.iter().map(|column| table.columns[usize::from(*column)].name.as_str()).collect();
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
        FunctionKind::Internal => "internal reducer".to_owned(),
        FunctionKind::Init => "reducer on init".to_owned(),
        FunctionKind::Migration { table, .. } => format!("migration of {table}"),
        FunctionKind::Schedule { times, .. } => format!("reducer {times}:"),
        FunctionKind::Event { on, table } => {
            let module = table.module.as_ref().map(|module| format!("{module}.")).unwrap_or_default();
            format!("reducer on {on:?} of {module}{}", table.table).to_lowercase()
        }
    };
    format!("{kind} {}", words::of_function(function))
}
