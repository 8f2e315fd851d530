//! What is in an artefact, told to people.

use super::reset::{self, Obstacle};
use super::scan::Scan;
use super::{PAGE_SIZE, ResetRange, invalid_wasm, schema_in};
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use wasmparser::ExternalKind;

/// What is in an artefact.
#[derive(Debug)]
pub struct Contents {
    /// In the order of the file.
    pub sections: Vec<SectionFound>,
    /// As in `interstice_1.insert`.
    pub imports: Vec<String>,
    /// Names, and what they stand for: `function`, `memory`, `global` and so on.
    pub exports: Vec<(String, &'static str)>,
    /// Bytes that each memory has at first, and at most if it says so.
    pub memories: Vec<(u64, Option<u64>)>,
    /// Entries that each table has at first, and at most if it says so.
    pub tables: Vec<(u64, Option<u64>)>,
    /// Of all globals.
    pub globals: Vec<GlobalFound>,
    /// Functions with code.
    pub functions: usize,
    /// Functions that are imported.
    pub imported_functions: usize,
    /// The function that runs when an instance is made.
    pub start: Option<String>,
    /// Whether functions have names, for those who look for one.
    pub has_names: bool,
    /// What it declares, if it carries that; or what is wrong with it.
    pub schema: Result<Option<Schema>, Problem>,
    /// The static data that a reset brings back, or why none is made.
    pub reset: Result<ResetRange, Vec<Obstacle>>,
}

/// A section of an artefact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionFound {
    /// As in `code` or `custom`.
    pub kind: &'static str,
    /// The name of a custom one.
    pub name: Option<String>,
    /// Bytes behind its head.
    pub bytes: usize,
}

/// A global of an artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GlobalFound {
    /// Whether code may set it.
    pub mutable: bool,
    /// What it begins with, if that is a constant of 32 bits.
    pub initial: Option<i32>,
    /// Functions that set it.
    pub writers: usize,
}

/// Looks into `wasm`, which may be wrong in any way beside its form.
///
/// # Errors
/// If it is not WebAssembly.
pub fn contents(wasm: &[u8]) -> Result<Contents, Problem> {
    let scan = Scan::of(wasm).map_err(|error| invalid_wasm(&error))?;
    let sections = scan.sections.iter().map(|section| SectionFound {
        kind: section.kind,
        name: section.name.map(str::to_owned),
        bytes: section.bytes,
    });
    let memories = scan.memories.iter().map(|memory| {
        let bytes = |pages: u64| pages.saturating_mul(PAGE_SIZE);
        (bytes(memory.initial), memory.maximum.map(bytes))
    });
    let globals = scan.globals.iter().map(|global| GlobalFound {
        mutable: global.mutable,
        initial: global.initial,
        writers: global.writers.count,
    });
    Ok(Contents {
        sections: sections.collect(),
        imports: scan.imports.iter().map(|import| format!("{}.{}", import.module, import.name)).collect(),
        exports: scan.exports.iter().map(|export| (export.name.to_owned(), kind_name(export.kind))).collect(),
        memories: memories.collect(),
        tables: scan.tables.iter().map(|table| (table.initial, table.maximum)).collect(),
        globals: globals.collect(),
        functions: scan.own_functions(),
        imported_functions: scan.imported_functions as usize,
        start: scan.start.map(|function| scan.name_of(function)),
        has_names: scan.has_names(),
        schema: schema_in(&scan),
        reset: reset::range(&scan),
    })
}

fn kind_name(kind: ExternalKind) -> &'static str {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => "function",
        ExternalKind::Table => "table",
        ExternalKind::Memory => "memory",
        ExternalKind::Global => "global",
        ExternalKind::Tag => "tag",
    }
}
