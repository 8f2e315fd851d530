//! `validate`: all that is wrong with an artefact, without a node; of its code only `interstice_describe` runs, in an empty sandbox.

use super::build::hash;
use crate::failure::Failure;
use crate::output::Output;
use crate::project::{Project, artefact_in, size_text};
use crate::report::{FOUND, Report};
use interstice_wasm::artefact::validate::{Finding, Severity, Validation, validate};
use interstice_wasm::runtime::Runtime;
use serde_json::{Value, json};
use std::path::Path;

pub(crate) fn run(path: &Path, output: &Output) -> Result<Report, Failure> {
    let wasm = if path.is_dir() { Project::open(path)?.build_unchecked(output)? } else { artefact_in(path)? };
    let found = validate(&wasm, &Runtime::new()?);
    let schema = found.schema.as_ref();
    let document = json!({
        "schema": "interstice.validate/v1",
        "ok": found.is_ok(),
        "module": schema.map(|schema| &schema.module),
        "version": schema.map(|schema| &schema.version),
        "blake3": hash(&wasm),
        "bytes": wasm.len(),
        "findings": found.findings.iter().map(finding).collect::<Vec<_>>(),
    });
    let exit = if found.is_ok() { 0 } else { FOUND };
    Ok(Report::new(document, text(&wasm, &found)).items("findings").exit(exit))
}

fn finding(finding: &Finding) -> Value {
    let problem = &finding.problem;
    json!({
        "severity": finding.severity.name(), "code": problem.code, "message": problem.message, "where": problem.place,
        "hint": problem.hint,
    })
}

/// As in `chat 0.1.0  41 KiB  9c1f20ab: 1 error, 2 warnings`, behind what was found.
fn text(wasm: &[u8], found: &Validation) -> String {
    let named = found.schema.as_ref().map(|schema| format!("{} {}", schema.module, schema.version));
    let named = named.unwrap_or_else(|| "no module".to_owned());
    let count = |severity: Severity| {
        let count = found.findings.iter().filter(|finding| finding.severity == severity).count();
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {}{plural}", severity.name()))
    };
    let counts: Vec<_> = [Severity::Error, Severity::Warning, Severity::Note].into_iter().filter_map(count).collect();
    let verdict = if counts.is_empty() { "nothing to say".to_owned() } else { counts.join(", ") };
    let last = format!("{named}  {}  {}: {verdict}", size_text(wasm.len()), &hash(wasm)[..8]);
    found.findings.iter().map(ToString::to_string).chain([last]).collect::<Vec<_>>().join("\n")
}
