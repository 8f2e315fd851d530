//! The guide: each page is found, each example is run, and each code and number in it is one of the source.

use interstice_engine::limits::{Limits, charge};
use interstice_store::write::{MAX_ROW_SIZE, MAX_TRANSACTION_CHANGES, MAX_TRANSACTION_SIZE};
use interstice_types::schema::validate;
use interstice_types::ty::MAX_TYPE_DEPTH;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages by file name, but for the one that lists them.
fn pages() -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join("docs/guide")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "README.md").map(|name| (name.clone(), read(format!("docs/guide/{name}")))).collect()
}

#[test]
fn every_page_stands_in_the_list_and_in_the_readme() {
    let (list, readme) = (read("docs/guide/README.md"), read("README.md"));
    for (name, _) in pages() {
        assert!(list.contains(&format!("({name})")), "{name} is not in docs/guide/README.md");
        assert!(readme.contains(&format!("(docs/guide/{name})")), "{name} is not in README.md");
    }
}

#[test]
fn every_page_with_code_is_run() {
    let run = read("crates/interstice-sdk/src/guide.rs");
    for (name, text) in pages() {
        assert!(!text.contains("```rust,ignore") && !text.contains("```rust\n"), "{name}: say `rust,test_harness`");
        let is_run = run.contains(&format!("\"{name}\""));
        assert_eq!(text.contains("```rust"), is_run, "{name} in src/guide.rs");
    }
}

/// The text in backticks of the first cells of a page's tables of codes.
fn codes(page: &str) -> BTreeSet<String> {
    let tables = page.split("## Codes").nth(1).unwrap().split("## Exit codes").next().unwrap();
    let rows = tables.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    rows.flat_map(|cell| cell.split(", ")).map(|code| code.trim_matches('`').to_owned()).collect()
}

fn sources(folder: &Path, texts: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            sources(&path, texts);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            texts.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_code_on_the_page_of_errors_is_one_of_the_source() {
    let codes = codes(&read("docs/guide/errors.md"));
    assert!(codes.len() > 40, "only {codes:?} were found");
    let mut source = String::new();
    sources(&root().join("crates"), &mut source);
    let strange: Vec<_> = codes.iter().filter(|code| !source.contains(&format!("\"{code}\""))).collect();
    assert!(strange.is_empty(), "no source says {strange:?}");
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

fn in_mib(bytes: usize) -> String {
    format!("{} MiB", bytes >> 20)
}

#[test]
fn the_page_of_limits_has_the_numbers_of_the_source() {
    let (page, limits) = (read("docs/guide/limits.md"), Limits::default());
    let rows = [
        ("fuel", with_commas(limits.fuel)),
        ("fuel", format!("{} and a 16th of the bytes", charge::HOST_CALL)),
        ("one row", in_mib(MAX_ROW_SIZE)),
        ("rows that it writes", in_mib(MAX_TRANSACTION_SIZE)),
        ("changes", with_commas(MAX_TRANSACTION_CHANGES as u64)),
        ("calls of modules", limits.call_depth.to_string()),
        ("scans", limits.open_scans.to_string()),
        ("lines that it logs", format!("{}; {} KiB", limits.log_lines, limits.log_line_size >> 10)),
        ("events that cause each other", limits.event_depth.to_string()),
        ("schedules of a module", with_commas(limits.schedules)),
        ("tables, functions", with_commas(validate::MAX_ITEMS as u64)),
        ("columns of a table", validate::MAX_COLUMNS.to_string()),
        ("indexes, references", validate::MAX_INDEXES.to_string()),
        (
            "checks of a table",
            format!("{}; {}", validate::MAX_CHECKS, with_commas(validate::MAX_EXPRESSION_SIZE as u64)),
        ),
        ("characters of a name", validate::MAX_NAME_SIZE.to_string()),
        ("types inside of types", MAX_TYPE_DEPTH.to_string()),
        ("the artefact", in_mib(limits.artefact_size)),
    ];
    for (row, number) in rows {
        let line = page.lines().find(|line| line.starts_with(&format!("| {row}"))).unwrap_or_else(|| panic!("{row}"));
        assert!(line.contains(&number), "`{row}` is not {number}: {line}");
    }
    assert!(page.contains(&format!("costs {} fuel", charge::SCANNED_ROW)));
}
