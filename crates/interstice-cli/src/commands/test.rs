//! `test`: a project's tests, by native code and by the compiled modules, which must agree.

use super::build;
use crate::failure::Failure;
use crate::output::Output;
use crate::project::Project;
use crate::report::Report;
use interstice_types::problem::Problem;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The SDK's feature that runs compiled modules beside the native ones.
const FEATURE: &str = "interstice-sdk/test-wasm";
/// Tells the tests where the artefacts are.
const DIRECTORY: &str = "INTERSTICE_TEST_WASM";

pub(crate) fn run(path: &Path, words: &[String], output: &Output) -> Result<Report, Failure> {
    let projects = Project::open_with_needs(&[path.to_owned()])?;
    let project = projects.last().expect("invariant: a project is behind what it needs");
    let directory = project.directory_for_builds().join("tested");
    std::fs::create_dir_all(&directory).map_err(|error| Failure::file(&directory, &error))?;
    let mut modules = Vec::new();
    for project in &projects {
        let built = project.build(None, output)?;
        build::announce(&built, output);
        let file = directory.join(format!("{}.wasm", built.schema.module));
        std::fs::write(&file, &built.wasm).map_err(|error| Failure::file(&file, &error))?;
        modules.push(built.schema.module);
    }
    cargo_test(project, &directory, words)?;
    let document = json!({ "schema": "interstice.test/v1", "ok": true, "modules": modules });
    Ok(Report::new(document, format!("ok: natively and in WebAssembly the same ({})", modules.join(", "))))
}

/// Runs the tests. What they print goes to stderr: stdout is for the report.
fn cargo_test(project: &Project, directory: &PathBuf, words: &[String]) -> Result<(), Failure> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg("test").arg("--manifest-path").arg(project.manifest()).args(["--features", FEATURE]).args(words);
    let status = command.env(DIRECTORY, directory).stdout(Stdio::from(std::io::stderr())).status();
    let status = status.map_err(|error| Problem::new("no-cargo", format!("cargo does not start: {error}")))?;
    if status.success() {
        return Ok(());
    }
    let problem = Problem::new("tests-failed", format!("tests of module `{}` failed", project.module_name()))
        .hint("what is above says which; `cargo test` runs them natively alone");
    Err(problem.into())
}
