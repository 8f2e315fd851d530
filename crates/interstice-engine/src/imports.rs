//! What modules use of each other: a publish that would break that is refused, and says whom, what, and how it has changed.

use crate::catalog::Catalog;
use crate::problems;
use interstice_types::id::to_hex;
use interstice_types::problem::Problem;
use interstice_types::schema::{Import, Schema, signature, words};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// A function or a table that is imported in another shape than it has.
struct Broken<'i> {
    name: &'i str,
    /// As it is; `None` if it is not there.
    there: Option<String>,
}

/// Checks what `schema` imports, and what others import of it.
///
/// # Errors
/// `unknown-module`, `schema-changed`, `breaks-importers`.
pub(crate) fn check(catalog: &Catalog, schema: &Schema) -> Result<(), Problem> {
    check_own(catalog, schema)?;
    check_importers(catalog, schema)
}

/// What a module imports must be there, with the signatures that its bindings were made from.
fn check_own(catalog: &Catalog, schema: &Schema) -> Result<(), Problem> {
    let place = || format!("module `{}`", schema.module);
    let mut faults = Vec::new();
    let mut commands = Vec::new();
    for import in &schema.imports {
        let Some((_, entry)) = catalog.module(&import.module) else {
            let names = catalog.modules().iter().map(|entry| entry.schema.module.as_str());
            return Err(problems::unknown_module(&import.module, names)
                .at(format!("imported by module `{}`", schema.module))
                .hint("publish it first, as in `interstice publish PATH`"));
        };
        let broken = broken(import, &entry.schema);
        if broken.is_empty() {
            continue;
        }
        faults.extend(broken.iter().map(|broken| match &broken.there {
            Some(there) => format!("`{}.{}` is `{there}` now", import.module, broken.name),
            None => format!("`{}.{}` is not there", import.module, broken.name),
        }));
        commands.push(format!("`interstice bindings add {}`", import.module));
    }
    if faults.is_empty() {
        return Ok(());
    }
    let text =
        format!("module `{}` was built for another shape of what it imports: {}", schema.module, faults.join("; "));
    Err(Problem::new("schema-changed", text).at(place()).hint(format!(
        "in its project: {}, mend what does not compile any more, `interstice publish`",
        commands.join(", ")
    )))
}

/// No module in force may lose what it imports of this one.
fn check_importers(catalog: &Catalog, schema: &Schema) -> Result<(), Problem> {
    let Some((_, before)) = catalog.module(&schema.module) else { return Ok(()) };
    // Each thing that changes, with all who import it.
    let mut changes: BTreeMap<&str, ([Option<String>; 2], Vec<&str>)> = BTreeMap::new();
    for entry in catalog.modules() {
        for import in entry.schema.imports.iter().filter(|import| import.module == schema.module) {
            for broken in broken(import, schema) {
                let change = changes
                    .entry(broken.name)
                    .or_insert_with(|| (change(&before.schema, schema, broken.name), Vec::new()));
                change.1.push(&entry.schema.module);
            }
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    let said = changes.iter().map(|(name, ([from, to], importers))| {
        let from = from.as_deref().unwrap_or(name);
        let fate = to.as_ref().map_or_else(|| "goes".to_owned(), |to| format!("becomes `{to}`"));
        let importers: Vec<_> = importers.iter().map(|module| format!("`{module}`")).collect();
        format!("`{from}` {fate}, imported by {}", importers.join(", "))
    });
    let text =
        format!("this version of `{}` breaks what imports it: {}", schema.module, said.collect::<Vec<_>>().join("; "));
    let mut problem = Problem::new("breaks-importers", text).at(format!("module `{}`", schema.module)).hint(format!(
        "keep what is imported beside what is new and publish that; in each of those projects `interstice bindings add {}`, go over to \
         what is new, `interstice publish`; then take the old away",
        schema.module
    ));
    problem.data = Some(changes.iter().map(|(name, change)| told(name, change)).collect());
    Err(problem)
}

fn told(name: &str, ([from, to], importers): &([Option<String>; 2], Vec<&str>)) -> Json {
    json!({ "name": name, "from": from, "to": to, "importers": importers })
}

/// What `schema` does not have in the shape that is imported.
fn broken<'i>(import: &'i Import, schema: &Schema) -> Vec<Broken<'i>> {
    let functions = import.functions.iter().filter_map(|imported| {
        let there =
            schema.function(&imported.name).map(|(_, function)| function).filter(|function| function.is_callable());
        let same = there.is_some_and(|there| to_hex(&signature::of_function(there)) == imported.signature);
        (!same).then(|| Broken { name: &imported.name, there: there.map(words::of_function) })
    });
    let tables = import.tables.iter().filter_map(|imported| {
        let there = schema.table(&imported.name).filter(|table| table.public);
        let same = there.is_some_and(|there| to_hex(&signature::of_table(there)) == imported.signature);
        (!same).then(|| Broken { name: &imported.name, there: there.map(words::of_table) })
    });
    functions.chain(tables).collect()
}

/// The function or table `name` before and after, in words.
fn change(old: &Schema, new: &Schema, name: &str) -> [Option<String>; 2] {
    let functions = [old, new]
        .map(|schema| schema.function(name).map(|(_, function)| function).filter(|function| function.is_callable()));
    let tables = [old, new].map(|schema| schema.table(name).filter(|table| table.public));
    match (functions, tables) {
        ([Some(old), Some(new)], _) => words::of_functions(old, new).map(Some),
        (_, [Some(old), Some(new)]) => words::of_tables(old, new).map(Some),
        ([Some(old), None], _) => [Some(words::of_function(old)), None],
        (_, [Some(old), None]) => [Some(words::of_table(old)), None],
        _ => [None, None],
    }
}
