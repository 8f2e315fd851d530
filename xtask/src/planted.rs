//! The planted bugs of `crates/interstice-log/src/planted.rs`: each must have a test that catches it, and none may be in a
//! release.
//!
//! 1. Read their names, and the tables of tests that catch them.
//! 2. Look for the names in the program with all features: there they must be, or looking for them says nothing.
//! 3. Look for them in the program as it is released.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where they are declared.
const DECLARED: &str = "crates/interstice-log/src/planted.rs";
/// What chooses one.
const VARIABLE: &str = "INTERSTICE_PLANTED";

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

/// The program at `path` holds all of the names, if it is to hold them, or none.
pub(crate) fn look(root: &Path, path: &Path, are_there: bool) -> Result<(), String> {
    let program = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let bugs = bugs(root)?;
    let names: Vec<&str> = bugs.iter().map(|bug| bug.name.as_str()).chain([VARIABLE]).collect();
    let found = found(&names, &program);
    println!("planted: {} of {} names are in {}", found.len(), names.len(), path.display());
    match (are_there, found.len()) {
        (true, count) if count < names.len() => Err("names are missing where all of them are built in".to_owned()),
        (false, 1..) => Err(format!("a release has planted bugs: {}", found.join(", "))),
        _ => Ok(()),
    }
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

/// Those of `names` that are in `program`.
fn found<'n>(names: &[&'n str], program: &[u8]) -> Vec<&'n str> {
    let mut starts = [false; 256];
    names.iter().for_each(|name| starts[usize::from(name.as_bytes()[0])] = true);
    let mut found = BTreeSet::new();
    for (at, byte) in program.iter().enumerate() {
        if starts[usize::from(*byte)] {
            found.extend(names.iter().filter(|name| program[at..].starts_with(name.as_bytes())));
        }
    }
    found.into_iter().collect()
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
    fn a_bug_without_a_test_and_a_name_in_a_program_are_noticed() {
        let bugs = declared(TEXT);
        assert_eq!(uncaught(&bugs, "(Bug::OneBug, \"test\", \"\"),"), ["other"]);
        assert_eq!(uncaught(&bugs, "(Bug::OneBug, x), (\n        Bug::Other,"), [""; 0]);
        assert_eq!(uncaught(&bugs, "(Bug::OneBugMore, x), (Bug::Other"), ["one-bug"]);
        assert_eq!(found(&["one-bug", "other"], b"\0an other\0"), ["other"]);
    }
}
