//! Artefacts: what they import and export, the schema inside, and whether their memory can be reset.
//!
//! A node reads what it needs ([`read`]). For people, [`validate`](mod@validate) says all that is wrong with one, and
//! [`contents`] what is in it.

mod boundary;
pub mod contents;
pub(crate) mod features;
mod reset;
mod scan;
pub(crate) mod telling;
pub mod validate;

pub use reset::Obstacle;

use interstice_abi::host::SCHEMA_SECTION;
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use scan::Scan;
use wasm_encoder::{CustomSection, RawSection, Section};
use wasmparser::{Parser, Payload};

/// Bytes of the magic number and the version in front of the first section.
const HEADER_SIZE: usize = 8;
/// Bytes of a WebAssembly page.
pub const PAGE_SIZE: u64 = 65_536;

/// What is known of an artefact without running it.
#[derive(Debug, Default)]
pub struct Artefact {
    /// What it declares, if it carries that.
    pub schema: Option<Schema>,
    /// The static data that a call may change, if a reset of it makes the instance as new.
    pub reset: Option<ResetRange>,
}

/// Where static data begins (the first stack pointer) and ends (`__heap_base`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetRange {
    /// First byte.
    pub start: u32,
    /// Byte behind the last.
    pub end: u32,
}

/// Reads an artefact. It must be valid WebAssembly already.
///
/// # Errors
/// A problem that names everything that is wrong with its imports, or the first thing that is wrong elsewhere.
pub fn read(wasm: &[u8]) -> Result<Artefact, Problem> {
    let scan = Scan::of(wasm).map_err(|error| invalid_wasm(&error))?;
    boundary::check_imports(&scan)?;
    boundary::check_exports(&scan)?;
    Ok(Artefact { schema: schema_in(&scan)?, reset: reset::range(&scan).ok() })
}

/// What the schema section holds, if there is one.
fn schema_in(scan: &Scan<'_>) -> Result<Option<Schema>, Problem> {
    let wrong = |error| {
        let text = format!("the section `{SCHEMA_SECTION}` is not a schema: {error}");
        Problem::new("invalid-schema", text).hint("build it anew with `interstice build`")
    };
    scan.schema.map(serde_json::from_slice).transpose().map_err(wrong)
}

/// The schema that an artefact carries, without compiling it.
///
/// # Errors
/// A problem, if the bytes are no artefact or carry none.
pub fn schema_of(wasm: &[u8]) -> Result<Schema, Problem> {
    read(wasm)?.schema.ok_or_else(missing_schema)
}

/// The artefact carries no schema.
pub(crate) fn missing_schema() -> Problem {
    Problem::new("missing-schema", "the artefact carries no schema").hint("build it with `interstice build`")
}

/// `wasm` with `schema` in its custom section, in place of the one that is there. What only a build needs is left out.
///
/// # Errors
/// If the bytes are not WebAssembly.
pub fn with_schema(wasm: &[u8], schema: &Schema) -> Result<Vec<u8>, Problem> {
    /// Sections that name tools and features of the build, and those for debuggers. The names of functions stay.
    const LEFT_OUT: [&str; 3] = [SCHEMA_SECTION, "producers", "target_features"];
    let is_left_out = |name: &str| LEFT_OUT.contains(&name) || name.starts_with(".debug");
    let mut out = wasm[..wasm.len().min(HEADER_SIZE)].to_vec();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|error| invalid_wasm(&error.to_string()))?;
        let left_out = matches!(&payload, Payload::CustomSection(section) if is_left_out(section.name()));
        if let (Some((id, range)), false) = (payload.as_section(), left_out) {
            // The head of a section may say that there is more of it than there is.
            let data = wasm.get(range).ok_or_else(|| invalid_wasm("it is cut"))?;
            RawSection { id, data }.append_to(&mut out);
        }
    }
    let data = schema.to_canonical_json();
    CustomSection { name: SCHEMA_SECTION.into(), data: data.as_slice().into() }.append_to(&mut out);
    Ok(out)
}

/// The bytes are not WebAssembly.
pub(crate) fn invalid_wasm(error: &str) -> Problem {
    Problem::new("invalid-wasm", format!("not a WebAssembly module: {error}")).hint("build it with `interstice build`")
}
