//! `bindings add`: what `import!` reads, from wherever the other module is.

use crate::failure::{Failure, exit};
use crate::node::Node;
use crate::output::Output;
use crate::project::Project;
use crate::report::Report;
use crate::schemas::find;
use interstice_protocol::http::{Envelope, SchemaOf};
use interstice_types::problem::Problem;
use interstice_types::schema::{Schema, words};
use serde_json::json;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// Writes `bindings/MODULE.json` into the project at `project`.
pub(crate) fn add(
    node: &Node,
    (what, data): (&str, Option<&Path>),
    project: &Path,
    output: &Output,
) -> Result<Report, Failure> {
    let project = Project::open(project)?;
    let schema = find(node, data, what, output)?.public();
    if project.module_name() == schema.module {
        let problem =
            Problem::new("own-module", format!("a module does not import itself: `{}` is this project", schema.module))
                .hint("say with `--path DIR` which project the bindings are for");
        return Err(Failure::new(exit::USAGE, problem));
    }
    let file = project.directory().join("bindings").join(format!("{}.json", schema.module));
    let before = read(&file)?;
    write(&file, &schema).map_err(|error| Failure::file(&file, &error))?;
    let changes = before.as_ref().map(|before| changes(before, &schema)).unwrap_or_default();
    let document = json!({
        "schema": "interstice.bindings/v1", "module": schema.module, "version": schema.version,
        "before": before.as_ref().map(|before| &before.version), "file": file.display().to_string(), "changes": changes,
    });
    Ok(Report::new(document, text(&file, &schema, before.as_ref(), &changes)))
}

/// The bindings that are there. What cannot be read as such is written anew, like what is not there.
fn read(file: &Path) -> Result<Option<Schema>, Failure> {
    match std::fs::read(file) {
        Ok(bytes) => {
            let enveloped = serde_json::from_slice::<Envelope<SchemaOf>>(&bytes).map(|envelope| envelope.body.module);
            Ok(enveloped.or_else(|_| serde_json::from_slice(&bytes)).ok())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file(file, &error)),
    }
}

/// Under another name first: whoever compiles meanwhile has the old bindings or the new ones.
fn write(file: &Path, schema: &Schema) -> io::Result<()> {
    let directory = file.parent().expect("invariant: bindings are in a directory");
    std::fs::create_dir_all(directory)?;
    let document = Envelope::new(SchemaOf { module: schema.clone() });
    let text = serde_json::to_string_pretty(&document).expect("invariant: a schema has a JSON form") + "\n";
    let unfinished = file.with_extension(format!("json.{}", std::process::id()));
    std::fs::write(&unfinished, text)?;
    std::fs::rename(&unfinished, file)
}

/// One line for each function and table that is new, gone, or another.
fn changes(old: &Schema, new: &Schema) -> Vec<String> {
    let names = |schema: &Schema| -> BTreeSet<String> {
        let functions = schema.functions.iter().map(|function| function.name.clone());
        functions.chain(schema.tables.iter().map(|table| table.name.clone())).collect()
    };
    let all: BTreeSet<_> = names(old).union(&names(new)).cloned().collect();
    all.iter().flat_map(|name| [function_change(old, new, name), table_change(old, new, name)]).flatten().collect()
}

fn function_change(old: &Schema, new: &Schema, name: &str) -> Option<String> {
    let function = |schema: &Schema| schema.function(name).map(|(_, function)| function.clone());
    match (function(old), function(new)) {
        (None, None) => None,
        (None, Some(new)) => Some(format!("+ {}", words::of_function(&new))),
        (Some(old), None) => Some(format!("- {}", words::of_function(&old))),
        (Some(old), Some(new)) => said(words::of_functions(&old, &new)),
    }
}

fn table_change(old: &Schema, new: &Schema, name: &str) -> Option<String> {
    match (old.table(name), new.table(name)) {
        (None, None) => None,
        (None, Some(new)) => Some(format!("+ {}", words::of_table(new))),
        (Some(old), None) => Some(format!("- {}", words::of_table(old))),
        (Some(old), Some(new)) => said(words::of_tables(old, new)),
    }
}

fn said([from, to]: [String; 2]) -> Option<String> {
    (from != to).then(|| format!("~ {from} became {to}"))
}

fn text(file: &Path, schema: &Schema, before: Option<&Schema>, changes: &[String]) -> String {
    let place = file.display();
    let head = match before {
        None => format!(
            "{place}: {} {}; use it with `interstice_sdk::import!(\"{}\");`",
            schema.module, schema.version, schema.module
        ),
        Some(before) if changes.is_empty() => {
            format!("{place}: {} {} as {} was", schema.module, schema.version, before.version)
        }
        Some(before) => format!("{place}: {} {}, was {}", schema.module, schema.version, before.version),
    };
    std::iter::once(head).chain(changes.iter().map(|change| format!("  {change}"))).collect::<Vec<_>>().join("\n")
}
