//! `build`: a project into an artefact.

use crate::failure::Failure;
use crate::output::Output;
use crate::project::{Built, Project, contents_text, size_text};
use crate::report::Report;
use interstice_engine::module::artefact_hash;
use interstice_types::id::to_hex;
use serde_json::json;
use std::path::Path;

pub(crate) fn run(path: &Path, output: &Output) -> Result<Report, Failure> {
    let built = Project::open(path)?.build(None, output)?;
    announce(&built, output);
    let document = json!({
        "schema": "interstice.build/v1",
        "module": built.schema.module,
        "version": built.schema.version,
        "wasm": built.file,
        "bytes": built.wasm.len(),
        "blake3": hash(&built.wasm),
    });
    Ok(Report::new(document, built.file.display().to_string()))
}

/// Says what was built.
pub(crate) fn announce(built: &Built, output: &Output) {
    let schema = &built.schema;
    let details = format!(
        "{} wasm in {:.1} s, {}",
        size_text(built.wasm.len()),
        built.elapsed.as_secs_f64(),
        contents_text(schema)
    );
    output.step("built", &format!("{} {}", schema.module, schema.version), &details);
}

/// The artefact's name: BLAKE3 as hex.
pub(crate) fn hash(artefact: &[u8]) -> String {
    to_hex(&artefact_hash(artefact))
}
