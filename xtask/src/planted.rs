//! The planted bugs of `crates/interstice-log/src/planted.rs`: each must stand in a table of tests that catch them. That none is
//! in a release is looked after by `crates/interstice-cli/tests/release.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where they are declared.
const DECLARED: &str = "crates/interstice-log/src/planted.rs";

/// A bug: its name in Rust, and the one by which it is chosen.
#[derive(Debug, PartialEq, Eq)]
struct Bug {
    ident: String,
    name: String,
}

/// Each is caught by a test, or the error says which is not.
pub(crate) fn all_are_caught(root: &Path) -> Result<(), String> {
    let tables: Vec<String> = fs::read_dir(root.join("crates"))
        .map_err(|error| format!("crates: {error}"))?
        .filter_map(|krate| fs::read_to_string(krate.ok()?.path().join("tests/it/planted.rs")).ok())
        .collect();
    let bugs = bugs(root)?;
    let missing = uncaught(&bugs, &tables.concat());
    println!("planted: {} bugs, {} tables", bugs.len(), tables.len());
    if missing.is_empty() { Ok(()) } else { Err(format!("no test catches: {}", missing.join(", "))) }
}

fn bugs(root: &Path) -> Result<Vec<Bug>, String> {
    let text = fs::read_to_string(root.join(DECLARED)).map_err(|error| format!("{DECLARED}: {error}"))?;
    let bugs = declared(&text);
    if bugs.is_empty() { Err(format!("{DECLARED} declares no bug")) } else { Ok(bugs) }
}

/// Lines of the form `Ident = "name",`.
fn declared(text: &str) -> Vec<Bug> {
    let bug = |line: &str| {
        let (ident, name) = line.trim().strip_suffix("\",")?.split_once(" = \"")?;
        ident.chars().all(char::is_alphanumeric).then(|| Bug { ident: ident.to_owned(), name: name.to_owned() })
    };
    text.lines().filter_map(bug).collect()
}

fn uncaught(bugs: &[Bug], tables: &str) -> Vec<String> {
    let is_word = |byte: char| byte.is_alphanumeric() || byte == '_';
    let mentioned: BTreeSet<&str> = tables
        .split("(Bug::")
        .chain(tables.split(" Bug::"))
        .map(|rest| rest.split(|c| !is_word(c)).next().unwrap_or(""))
        .collect();
    bugs.iter().filter(|bug| !mentioned.contains(bug.ident.as_str())).map(|bug| bug.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "    /// What it does.\n    OneBug = \"one-bug\",\n    Other = \"other\",\nlet x = \"no\",;\n";

    #[test]
    fn what_is_declared_is_found() {
        let names: Vec<_> = declared(TEXT).into_iter().map(|bug| (bug.ident, bug.name)).collect();
        let expected = [("OneBug", "one-bug"), ("Other", "other")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(names, expected);
    }

    #[test]
    fn a_bug_without_a_test_is_noticed() {
        let bugs = declared(TEXT);
        assert_eq!(uncaught(&bugs, "(Bug::OneBug, \"test\", \"\"),"), ["other"]);
        assert_eq!(uncaught(&bugs, "(Bug::OneBug, x), (\n        Bug::Other,"), [""; 0]);
        assert_eq!(uncaught(&bugs, "(Bug::OneBugMore, x), (Bug::Other"), ["one-bug"]);
    }
}
