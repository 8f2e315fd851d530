//! An artefact: its sections, what it imports and exports, what it declares, whether it can be reset.

use super::Look;
use crate::commands::build::hash;
use crate::failure::Failure;
use crate::project::{artefact_in, contents_text};
use interstice_types::schema::Schema;
use interstice_wasm::artefact::contents::{Contents, GlobalFound, contents};
use serde_json::{Value, json};
use std::path::Path;

/// Lines of a list that people are shown; `-o json` has all.
const MAX_SHOWN: usize = 40;

pub(super) fn look(path: &Path) -> Result<Look, Failure> {
    let wasm = artefact_in(path)?;
    let mut look = Look::new("artefact");
    look.say("bytes", wasm.len());
    look.say("blake3", hash(&wasm));
    match contents(&wasm) {
        Err(problem) => look.faults.push(problem.message.clone()),
        Ok(contents) => tell(&contents, &mut look),
    }
    Ok(look)
}

fn tell(contents: &Contents, look: &mut Look) {
    match &contents.schema {
        Ok(Some(schema)) => declared(schema, look),
        Ok(None) => look.say("module", Value::Null),
        Err(problem) => look.faults.push(problem.message.clone()),
    }
    sizes(contents, look);
    reset(contents, look);
    names(contents, look);
}

fn declared(schema: &Schema, look: &mut Look) {
    look.line("module", format!("{} {}: {}", schema.module, schema.version, contents_text(schema)));
    let names = |names: Vec<&str>| json!(names);
    look.field(
        "module",
        json!({
            "name": schema.module, "version": schema.version,
            "tables": names(schema.tables.iter().map(|table| table.name.as_str()).collect()),
            "functions": names(schema.functions.iter().map(|function| function.name.as_str()).collect()),
            "imports": names(schema.imports.iter().map(|import| import.module.as_str()).collect()),
        }),
    );
}

fn sizes(contents: &Contents, look: &mut Look) {
    let range = |(least, most): &(u64, Option<u64>), unit: &str| match most {
        Some(most) if most == least => format!("{least} {unit}"),
        Some(most) => format!("{least} to {most} {unit}"),
        None => format!("{least} {unit} or more"),
    };
    let pair = |(least, most): &(u64, Option<u64>)| json!({ "minimum": least, "maximum": most });
    for memory in &contents.memories {
        look.line("memory", range(memory, "bytes"));
    }
    for table in &contents.tables {
        look.line("table", range(table, "functions"));
    }
    look.field("memories", contents.memories.iter().map(pair).collect::<Vec<_>>());
    look.field("tables", contents.tables.iter().map(pair).collect::<Vec<_>>());
    look.line("functions", format!("{} and {} imported", contents.functions, contents.imported_functions));
    look.field("functions", json!({ "own": contents.functions, "imported": contents.imported_functions }));
    let global = |global: &GlobalFound| json!({ "mutable": global.mutable, "initial": global.initial, "writers": global.writers });
    let mutable = contents.globals.iter().filter(|global| global.mutable).count();
    look.line("globals", format!("{}, {mutable} of them can be set", contents.globals.len()));
    look.field("globals", contents.globals.iter().map(global).collect::<Vec<_>>());
    look.field("names", contents.has_names);
    look.line("names", if contents.has_names { "functions have names" } else { "functions have none" });
    look.field("start", contents.start.clone());
}

fn reset(contents: &Contents, look: &mut Look) {
    let obstacles: Vec<_> = contents.reset.as_ref().err().into_iter().flatten().map(|it| it.what.as_str()).collect();
    let text = match &contents.reset {
        Ok(range) => format!("yes: bytes {}..{} are copied back behind each call", range.start, range.end),
        Err(_) => format!("no: {}", obstacles.join("; ")),
    };
    look.line("resettable", text);
    look.field("resettable", contents.reset.is_ok());
    look.field("obstacles", json!(obstacles));
}

fn names(contents: &Contents, look: &mut Look) {
    let section = |section: &interstice_wasm::artefact::contents::SectionFound| json!({ "section": section.kind, "name": section.name, "bytes": section.bytes });
    look.field("sections", contents.sections.iter().map(section).collect::<Vec<_>>());
    look.field("imports", json!(contents.imports));
    let export = |(name, kind): &(String, &'static str)| json!({ "name": name, "kind": kind });
    look.field("exports", contents.exports.iter().map(export).collect::<Vec<_>>());
    let sections = contents.sections.iter().take(MAX_SHOWN).map(|section| {
        let name =
            section.name.as_ref().map_or_else(|| section.kind.to_owned(), |name| format!("{} {name}", section.kind));
        vec![name, section.bytes.to_string()]
    });
    look.table(&["section", "bytes"], sections);
    look.table(&["import"], contents.imports.iter().take(MAX_SHOWN).map(|import| vec![import.clone()]));
    let exports = contents.exports.iter().take(MAX_SHOWN);
    look.table(&["export", "kind"], exports.map(|(name, kind)| vec![name.clone(), (*kind).to_owned()]));
}
