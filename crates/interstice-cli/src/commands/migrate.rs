//! `migrate new` and `migrate status`: the types of tables as they were, and what publishing did to them.

use super::sql;
use crate::directory::Place;
use crate::failure::Failure;
use crate::node::Node;
use crate::output::Output;
use crate::project::Project;
use crate::report::Report;
use crate::schemas;
use interstice_engine::publish::{migrations_between, stub};
use interstice_types::schema::diff::{Class, TableDifference, former_table};
use interstice_types::schema::{Schema, TableSchema};
use serde_json::json;
use std::path::Path;

pub(crate) fn new(node: &Node, data: Option<&Path>, path: &Path, output: &Output) -> Result<Report, Failure> {
    let project = Project::open(path)?;
    let now = project.build(None, output)?.schema;
    let published = match data {
        Some(data) => schemas::of_directory(&crate::directory::Directory::open(data)?, &now.module)?,
        None => node.schema(&now.module)?,
    };
    let directory = project.directory().join("schema");
    let (version, is_new) = version_in(&directory, &published);
    let file = directory.join(format!("v{version}.json"));
    if is_new {
        std::fs::create_dir_all(&directory).map_err(|error| Failure::file(&directory, &error))?;
        let text = serde_json::to_string_pretty(&published).expect("invariant: a schema has a JSON form") + "\n";
        std::fs::write(&file, text).map_err(|error| Failure::file(&file, &error))?;
    }
    let stubs: Vec<_> = now.tables.iter().filter_map(|table| missing(&published, table, &now, version)).collect();
    let head = format!("{} {}", if is_new { "wrote" } else { "is there already:" }, file.display());
    let text = match stubs.as_slice() {
        [] => format!("{head}\nno migration is to be written"),
        stubs => format!("{head}\n\n{}", stubs.join("\n")),
    };
    let document = json!({
        "schema": "interstice.migrate-new/v1", "module": now.module, "version": version, "file": file, "stubs": stubs,
    });
    Ok(Report::new(document, text))
}

/// The number of the file that has this schema, or the next one that is free.
fn version_in(directory: &Path, published: &Schema) -> (u32, bool) {
    let mut version = 1;
    while let Ok(text) = std::fs::read_to_string(directory.join(format!("v{version}.json"))) {
        if serde_json::from_str::<Schema>(&text).is_ok_and(|saved| saved.tables == published.tables) {
            return (version, false);
        }
        version += 1;
    }
    (version, true)
}

/// The beginning of the migration that a table needs and has not.
fn missing(published: &Schema, table: &TableSchema, now: &Schema, version: u32) -> Option<String> {
    let former = former_table(published, table)?;
    let class = TableDifference::between(former, table).class()?;
    let open = class >= Class::Declared && migrations_between(former, table, now).is_empty();
    open.then(|| stub::named(former, table, version))
}

pub(crate) fn status(node: &Node, data: Option<&Path>, module: Option<&str>) -> Result<Report, Failure> {
    let of_module =
        module.map(|module| format!(" where module = '{}'", module.replace('\'', "''"))).unwrap_or_default();
    let columns = "offset, time, module, name, from_version, to_version, rows, steps";
    sql::run(
        &Place::new(node, data, None)?,
        &format!("select {columns} from interstice.migration{of_module} order by offset"),
    )
}
