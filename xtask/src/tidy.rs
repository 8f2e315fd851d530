//! The rules of the house that no compiler checks: layers, module documentation, words, sizes.

use std::fs;
use std::path::{Path, PathBuf};

/// Which crate may depend on which: the whole table of arrows.
const ARROWS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("log", &[]),
    ("sdk-macros", &[]),
    ("abi", &["types"]),
    ("protocol", &["types"]),
    ("store", &["types"]),
    ("engine", &["types", "store"]),
    ("wasm", &["types", "abi", "engine"]),
    ("interstice", &["types", "store", "log", "engine"]),
    ("client", &["types", "protocol"]),
    ("server", &["types", "protocol", "log", "engine", "wasm", "interstice"]),
    ("cli", &["types", "protocol", "log", "engine", "wasm", "interstice", "server", "client"]),
    ("sdk", &["types", "abi", "sdk-macros", "engine", "interstice", "wasm"]),
    ("sim", &["types", "store", "log", "engine", "interstice"]),
];

/// Words that mean too little or too much.
const BANNED_WORDS: &[&str] =
    &["plugin", "mutation", "journal", "checkpoint", "lsn", "gas", "manager", "util", "utils", "helper", "helpers"];

/// Longest file, in lines.
const MAX_FILE_LINES: usize = 800;
/// Longest function, in lines.
const MAX_FUNCTION_LINES: usize = 70;

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    line: usize,
    message: String,
}

/// Checks the tree below `root`; prints every finding.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let mut count = 0;
    let mut report = |path: &Path, findings: Vec<Finding>| {
        count += findings.len();
        let path = path.strip_prefix(root).unwrap_or(path);
        findings.iter().for_each(|finding| println!("{}:{}: {}", path.display(), finding.line, finding.message));
    };
    for path in files(root, "Cargo.toml") {
        if let Some(name) = crate_name(root, &path) {
            report(&path, layers(&name, &read(&path)?));
        }
    }
    for path in files(root, ".rs") {
        let text = read(&path)?;
        let tests = path.components().any(|part| part.as_os_str() == "tests");
        let mut findings = header(&text);
        findings.extend(marks(&text));
        if !tests && !path.starts_with(root.join("xtask")) {
            findings.extend(words(&text));
        }
        if !tests {
            findings.extend(sizes(&text));
        }
        if path.ends_with("mod.rs") {
            findings.push(Finding { line: 1, message: "name the file after the module, not `mod.rs`".to_owned() });
        }
        report(&path, findings);
    }
    if count == 0 { Ok(()) } else { Err(format!("{count} findings")) }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn files(root: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["crates", "examples", "xtask"].iter().map(|name| root.join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn crate_name(root: &Path, manifest: &Path) -> Option<String> {
    let folder = manifest.strip_prefix(root.join("crates")).ok()?.parent()?.to_string_lossy().into_owned();
    Some(folder.strip_prefix("interstice-").unwrap_or(&folder).to_owned())
}

fn layers(name: &str, manifest: &str) -> Vec<Finding> {
    let Some((_, allowed)) = ARROWS.iter().find(|(crate_name, _)| *crate_name == name) else {
        return vec![Finding { line: 1, message: format!("crate `{name}` is not in the table of arrows") }];
    };
    let mut findings = Vec::new();
    let mut section = "";
    for (number, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            section = line;
        }
        let dependency = line.split(['.', '=', ' ']).next().unwrap_or_default();
        let Some(target) =
            dependency.strip_prefix("interstice").map(|rest| rest.strip_prefix('-').unwrap_or("interstice"))
        else {
            continue;
        };
        let in_tests = section == "[dev-dependencies]";
        let test_only = name == "sim" && ["wasm", "sdk"].contains(&target);
        if section.contains("dependencies") && !in_tests && !allowed.contains(&target) {
            findings.push(Finding { line: number + 1, message: format!("`{name}` may not depend on `{target}`") });
        } else if in_tests && !allowed.contains(&target) && !test_only && target != name {
            findings.push(Finding {
                line: number + 1,
                message: format!("the tests of `{name}` may not depend on `{target}`"),
            });
        }
    }
    findings
}

fn header(text: &str) -> Vec<Finding> {
    if text.starts_with("//! ") {
        return Vec::new();
    }
    vec![Finding { line: 1, message: "the file does not begin with a `//!` line".to_owned() }]
}

fn marks(text: &str) -> Vec<Finding> {
    let unfinished = [concat!("to", "do!("), concat!("unimpl", "emented!("), concat!("allow(", "dead_code)")];
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(mark) = unfinished.iter().find(|mark| line.contains(**mark)) {
            findings.push(Finding { line: number + 1, message: format!("`{mark}` is not finished work") });
        }
        if line.trim_start().starts_with("pub use ") && line.contains("::*") {
            findings.push(Finding { line: number + 1, message: "name what is exported again".to_owned() });
        }
    }
    findings
}

fn words(text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        let found = lower.split(|c: char| !c.is_alphanumeric()).find(|word| BANNED_WORDS.contains(word));
        findings.extend(
            found.map(|word| Finding { line: number + 1, message: format!("the word `{word}` is not used here") }),
        );
    }
    findings
}

/// Counts lines; a function ends at the first line that closes it at its own indentation, as the formatter writes it.
fn sizes(text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() > MAX_FILE_LINES {
        findings.push(Finding { line: 1, message: format!("{} lines, at most {MAX_FILE_LINES}", lines.len()) });
    }
    for (number, line) in lines.iter().enumerate() {
        let indentation = line.len() - line.trim_start().len();
        let is_function = [
            "fn ",
            "pub fn ",
            "pub(crate) fn ",
            "pub(super) fn ",
            "async fn ",
            "pub async fn ",
            "const fn ",
            "pub const fn ",
        ]
        .iter()
        .any(|start| line.trim_start().starts_with(start));
        if !is_function || line.trim_end().ends_with([';', '}']) {
            continue;
        }
        let end = format!("{}}}", " ".repeat(indentation));
        let length = lines[number..].iter().position(|line| **line == end).map_or(0, |last| last + 1);
        if length > MAX_FUNCTION_LINES {
            findings.push(Finding {
                line: number + 1,
                message: format!("{length} lines of function, at most {MAX_FUNCTION_LINES}"),
            });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_arrow_is_found() {
        let manifest = "[dependencies]\ninterstice-types.workspace = true\ninterstice-log.workspace = true\n";
        assert_eq!(layers("store", manifest).len(), 1);
        assert_eq!(layers("interstice", manifest).len(), 0);
        assert_eq!(layers("nowhere", manifest).len(), 1);
        assert_eq!(layers("log", "[dev-dependencies]\ninterstice.workspace = true\n").len(), 1);
    }

    #[test]
    fn a_file_without_a_head_is_found() {
        assert_eq!(header("use std::fs;\n").len(), 1);
        assert_eq!(header("//! What it is.\n").len(), 0);
    }

    #[test]
    fn unfinished_work_is_found() {
        assert_eq!(marks(concat!("    to", "do!()\n")).len(), 1);
        assert_eq!(marks("pub use crate::thing::*;\n").len(), 1);
        assert_eq!(marks("pub use crate::thing::One;\n").len(), 0);
    }

    #[test]
    fn a_banned_word_is_found_whole_only() {
        assert_eq!(words("// the table manager\n").len(), 1);
        assert_eq!(words("let gasket = 1;\n").len(), 0);
    }

    #[test]
    fn a_long_function_is_found_at_one_line_too_many() {
        let function = |lines: usize| format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2));
        assert_eq!(sizes(&function(MAX_FUNCTION_LINES)).len(), 0);
        assert_eq!(sizes(&function(MAX_FUNCTION_LINES + 1)).len(), 1);
        assert_eq!(sizes(&"x\n".repeat(MAX_FILE_LINES + 1)).len(), 1);
    }
}
