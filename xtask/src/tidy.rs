//! The rules of the house that no compiler checks.
//!
//! 1. Collect every manifest of `crates/` and every Rust file of `crates/`, `examples/` and `xtask/`.
//! 2. Judge each as text: the rules are functions from text to findings.
//! 3. Print `path:line: message` for each finding; notes are printed and fail nothing.

mod layers;
mod mask;
mod sizes;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

/// The folders that hold our Rust files.
const FOLDERS: &[&str] = &["crates", "examples", "xtask"];

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// Counted from 1, as editors do.
    line: usize,
    message: String,
}

/// Checks the tree below `root`; prints every finding.
///
/// # Errors
///
/// When there is a finding, or a file cannot be read.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        collect(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut count = 0;
    for file in &files {
        let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let path = file.strip_prefix(root).expect("invariant: collected below the root").to_string_lossy();
        if let Some(note) = sizes::note(&path, &text) {
            println!("{path}:1: note: {note}");
        }
        let findings = judge(&path, &text);
        findings.iter().for_each(|finding| println!("{path}:{}: {}", finding.line, finding.message));
        count += findings.len();
    }
    println!("tidy: {} files, {count} findings", files.len());
    if count == 0 { Ok(()) } else { Err(format!("the rules of the house are broken in {count} places")) }
}

/// Every rule that concerns the file at `path`, sorted by line.
fn judge(path: &str, text: &str) -> Vec<Finding> {
    if let Some(folder) = manifest_folder(path) {
        return layers::check(folder, text);
    }
    if !is_rust(Path::new(path)) {
        return Vec::new();
    }
    let code = mask::code(text);
    let mut findings = Vec::from_iter(text::head(text));
    findings.extend(text::file_name(path));
    if !path.starts_with(MACROS) {
        findings.extend(text::unfinished(&code));
    }
    findings.extend(text::glob_exports(&code));
    if is_source(path) {
        findings.extend(sizes::check(text, &code));
        findings.extend(text::unsafe_code(path, &code));
        if !path.starts_with("xtask/") {
            findings.extend(text::words(text));
        }
    }
    findings.sort_by_key(|finding| finding.line);
    findings
}

/// Writes code in the name of authors, who need not use all of it.
const MACROS: &str = "crates/interstice-sdk-macros/";

/// The folder of a crate, if `path` is its manifest.
fn manifest_folder(path: &str) -> Option<&str> {
    let folder = path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
    (!folder.contains('/')).then_some(folder)
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "rs")
}

/// Whether the file is part of a program, rather than of its tests.
fn is_source(path: &str) -> bool {
    let mut folders = path.split('/');
    folders.any(|folder| folder == "src") && !folders.any(|part| part == "tests" || part == "tests.rs")
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    if !folder.exists() {
        return Ok(());
    }
    let failed = |error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                collect(&path, files)?;
            }
        } else if path.ends_with("Cargo.toml") || is_rust(&path) {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        judge(path, text).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn every_rule_reaches_a_source_file() {
        let function = format!("fn long() {{\n{}}}\n", "    call();\n".repeat(sizes::FUNCTION_LINES_MAX));
        let planted = format!("use a;\n// a manager\npub use b::*;\nfn f() {{ todo!() }}\n{function}");
        assert_eq!(lines("crates/interstice-store/src/a.rs", &planted), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_test_file_is_excused_from_words_and_sizes_only() {
        let planted = format!("// a manager\npub use b::*;\nfn f() {{ todo!() }}\n{}", "\n".repeat(1000));
        assert_eq!(lines("crates/interstice-store/tests/it/a.rs", &planted), [1, 2, 3]);
    }

    #[test]
    fn a_file_that_keeps_the_rules_has_no_finding() {
        assert_eq!(judge("crates/interstice-store/src/a.rs", "//! Tables.\n\nfn f() {}\n"), []);
        assert_eq!(
            judge("crates/interstice-store/Cargo.toml", "[dependencies]\ninterstice-types.workspace = true\n"),
            []
        );
    }

    #[test]
    fn only_the_manifest_of_a_crate_is_judged_by_layers() {
        let wrong = "[dependencies]\ninterstice-engine.workspace = true\n";
        assert_eq!(lines("crates/interstice-store/Cargo.toml", wrong), [2]);
        assert_eq!(lines("crates/interstice-sdk/tests/guest/Cargo.toml", wrong), []);
        assert_eq!(lines("examples/chat/Cargo.toml", wrong), []);
    }

    #[test]
    fn tests_are_told_from_sources() {
        assert!(is_source("crates/interstice/src/lib.rs"));
        assert!(is_source("examples/chat/src/lib.rs"));
        assert!(!is_source("crates/interstice/tests/it/main.rs"));
        assert!(!is_source("crates/interstice/src/open/tests.rs"));
        assert!(!is_source("crates/interstice/benches/open.rs"));
    }
}
