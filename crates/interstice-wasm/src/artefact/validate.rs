//! All that is wrong with an artefact, found at once; of its code only `interstice_describe` runs, in an empty sandbox.
//!
//! 1. The size of the file, its form, what it uses of WebAssembly, imports, exports, sizes.
//! 2. Whether an instance can be reset, what runs before a call, globals that code sets.
//! 3. The schema: that it is there, its rules, floats where order or equality decides.
//! 4. If nothing so far keeps it from being run: whether the schema is what the module says of itself.

mod hazards;
mod say;

use super::boundary::{ExportFault, ImportFault, export_faults, import_faults, likely_cause};
use super::scan::{Scan, signature_text};
use super::{PAGE_SIZE, features, reset, schema_in};
use crate::runtime::{MAX_MEMORY_SIZE, MAX_TABLE_ELEMENTS, MAX_TABLES, Runtime};
use interstice_abi::host::SCHEMA_SECTION;
use interstice_engine::limits::Limits;
use interstice_types::problem::Problem;
use interstice_types::schema::{Schema, validate as rules};
use say::Said;
use std::fmt;

/// Findings of one code that are listed; one more says how many there are beside them.
pub const MAX_FINDINGS_EACH: usize = 100;
/// From so many hundredths of the largest artefact on it is worth saying.
const LARGE_PERCENT: usize = 80;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// It can be published, and somebody may wonder later.
    Warning,
    /// It cannot be published, or would not do what it says.
    Error,
}

impl Severity {
    /// `error`, `warning` or `note`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something to say of an artefact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, where, and what to do about it.
    pub problem: Problem,
}

/// As a problem is drawn, under its own severity.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.to_string().replacen("error", self.severity.name(), 1))
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Validation {
    /// What the artefact declares, if that can be read.
    pub schema: Option<Schema>,
    /// In the order in which they were looked for.
    pub findings: Vec<Finding>,
}

impl Validation {
    /// Whether none is an error.
    pub fn is_ok(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity < Severity::Error)
    }
}

/// Looks at everything in `wasm`, which may be any bytes.
pub fn validate(wasm: &[u8], runtime: &Runtime) -> Validation {
    let mut said = Said::default();
    let scan = match Scan::of(wasm) {
        Ok(scan) => scan,
        Err(error) => {
            said.error(super::invalid_wasm(&error));
            size(wasm.len(), &mut said);
            return Validation { schema: None, findings: said.findings() };
        }
    };
    form(wasm, &scan, &mut said);
    size(wasm.len(), &mut said);
    imports(&scan, &mut said);
    exports(&scan, &mut said);
    sizes(&scan, &mut said);
    let can_run = !said.has_error();
    what_stays(&scan, &mut said);
    let schema = schema(&scan, &mut said);
    // Where the section is there and is none, what the module says has nothing to agree with.
    if can_run && (schema.is_some() || scan.schema.is_none()) {
        described(wasm, schema.as_ref(), runtime, &mut said);
    }
    Validation { schema, findings: said.findings() }
}

/// Whether it is valid, and uses only what it may.
fn form(wasm: &[u8], scan: &Scan<'_>, said: &mut Said) {
    let place = |byte: usize| {
        let function = scan.function_at(byte).map(|name| format!("{name}, ")).unwrap_or_default();
        format!("{function}byte {byte:#x}")
    };
    let (forbidden, invalid) = features::faults(wasm);
    for (feature, byte) in forbidden {
        let text = format!("the module uses {}, which no node allows", feature.name);
        said.error(Problem::new("forbidden-feature", text).at(place(byte)).hint(feature.hint));
    }
    if let Some(error) = invalid {
        said.error(super::invalid_wasm(error.message()).at(place(error.offset())));
    }
}

fn size(bytes: usize, said: &mut Said) {
    let most = Limits::default().artefact_size;
    let text = format!("the artefact has {bytes} bytes, at most {most} are allowed");
    let hint =
        "see what it is made of with `interstice inspect FILE.wasm`; leave out what is large, often tables of data";
    if bytes > most {
        said.error(Problem::new("too-large", text).hint(hint));
    } else if bytes > most / 100 * LARGE_PERCENT {
        said.warning(Problem::new("large-artefact", text).hint(hint));
    }
}

fn imports(scan: &Scan<'_>, said: &mut Said) {
    for (import, fault) in import_faults(scan) {
        let name = format!("{}.{}", import.module, import.name);
        said.error(match fault {
            ImportFault::Unknown => {
                let text = format!("the module imports `{name}`, which this host does not offer");
                Problem::new("unknown-import", text).hint(likely_cause(&import))
            }
            ImportFault::OtherType(call) => {
                let is = import.function.map_or_else(|| "not a function".to_owned(), |ty| scan.type_text(ty));
                let text = format!("`{name}` is imported as {is}, and is {}", signature_text(call));
                Problem::new("import-type", text).hint(likely_cause(&import))
            }
        });
    }
}

fn exports(scan: &Scan<'_>, said: &mut Said) {
    let hint = "build it with `interstice build`; the crate must have `interstice_sdk` as a dependency and use it";
    for (name, fault) in export_faults(scan) {
        said.error(match fault {
            ExportFault::Missing => Problem::new("missing-export", format!("`{name}` is not exported")).hint(hint),
            ExportFault::OtherShape(what) => {
                Problem::new("export-type", format!("the export `{name}` has another shape: {what}")).hint(hint)
            }
        });
    }
}

/// Memory and tables beside what an instance may have.
fn sizes(scan: &Scan<'_>, said: &mut Said) {
    let most = MAX_MEMORY_SIZE as u64;
    let too_large = |text: String| Problem::new("module-too-large", text);
    for memory in &scan.memories {
        let bytes = memory.initial.saturating_mul(PAGE_SIZE);
        let maximum = memory.maximum.map(|pages| pages.saturating_mul(PAGE_SIZE));
        let hint = format!("`-Clink-arg=--max-memory={most}`; `interstice build` gives 16 MiB");
        if bytes > most {
            let text = format!("memory has {bytes} bytes at first, at most {most} are allowed");
            said.error(too_large(text).hint(hint));
        } else if let Some(maximum) = maximum.filter(|maximum| *maximum > most) {
            let text = format!("memory may grow to {maximum} bytes, and does not beyond {most}");
            said.warning(Problem::new("memory-limit", text).hint(hint));
        }
    }
    if scan.tables.len() > MAX_TABLES {
        let text =
            format!("the module has {} tables of functions, at most {MAX_TABLES} are allowed", scan.tables.len());
        said.error(too_large(text).hint("build it with `interstice build`"));
    }
    for table in scan.tables.iter().filter(|table| table.initial > MAX_TABLE_ELEMENTS as u64) {
        let text = format!("a table of {} functions, at most {MAX_TABLE_ELEMENTS} are allowed", table.initial);
        said.error(too_large(text).hint("leave out the crate that brings so many functions"));
    }
}

/// What runs before a call, and what a call could leave behind.
fn what_stays(scan: &Scan<'_>, said: &mut Said) {
    if let Some(function) = scan.start {
        let text = format!("{} runs whenever an instance is made, before any call", scan.name_of(function));
        let hint = "leave the start function out: `interstice_init` is where constructors run";
        said.warning(Problem::new("start-function", text).hint(hint));
    }
    for (number, global) in hazards::set_globals(scan) {
        let text =
            format!("global {number} is set by {}, and a table knows nothing of it", scan.names_of(&global.writers));
        let hint = "a call never sees what another one left there; keep in a table what is to stay";
        said.warning(Problem::new("mutable-global", text).hint(hint));
    }
    for obstacle in reset::range(scan).err().unwrap_or_default() {
        let text = format!("each call gets an instance of its own, which costs time: {}", obstacle.what);
        said.warning(Problem::new("not-resettable", text).hint(obstacle.hint));
    }
    if !scan.has_names() {
        let text = "functions have no names: nobody can say which one is meant";
        said.note(Problem::new("no-names", text).hint("build without `strip`, as `interstice build` does"));
    }
}

/// The schema inside, by its rules.
fn schema(scan: &Scan<'_>, said: &mut Said) -> Option<Schema> {
    let schema = match schema_in(scan) {
        Ok(Some(schema)) => schema,
        Ok(None) => {
            said.error(super::missing_schema());
            return None;
        }
        Err(problem) => {
            said.error(problem.at(format!("section `{SCHEMA_SECTION}`")));
            return None;
        }
    };
    for violation in rules::validate(&schema) {
        let hint = "mend the declaration, then `interstice build`";
        said.error(Problem::new("invalid-schema", violation.message).at(violation.place).hint(hint));
    }
    hazards::floats(&schema, said);
    Some(schema)
}

/// Whether the module says of itself what its schema says.
fn described(wasm: &[u8], schema: Option<&Schema>, runtime: &Runtime, said: &mut Said) {
    let hint = "build it anew with `interstice build`: a node reads the section and runs the code";
    match runtime.describe(wasm) {
        Err(error) => {
            let place = error.problem.place.clone().unwrap_or_else(|| "`interstice_describe`".to_owned());
            let text = format!("the module does not say what it is: {}", error.problem.message);
            said.error(Problem::new("not-described", text).at(place).hint(hint));
        }
        Ok(described) => {
            for what in schema.iter().flat_map(|schema| hazards::disagreements(schema, &described)) {
                let text = format!("{what} in the section `{SCHEMA_SECTION}` than in what the module says of itself");
                said.error(Problem::new("schema-disagrees", text).hint(hint));
            }
        }
    }
}
