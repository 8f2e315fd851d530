//! How long files and functions may be.
//!
//! A function is found by its `fn` at the start of a line, after its qualifiers, and ends with the brace that closes its
//! body: braces are counted in masked code. What stands under `#[cfg(test)]` or `#[test]` is not measured.

use super::Finding;
use std::ops::Range;

/// Lines that a file may have.
pub(super) const FILE_LINES_MAX: usize = 800;
/// Lines past which a file is asked why.
pub(super) const FILE_LINES_NOTED: usize = 500;
/// Lines that a function may have, its signature and its closing brace included.
pub(super) const FUNCTION_LINES_MAX: usize = 70;

/// What may stand before `fn`.
const QUALIFIERS: &[&str] = &["default", "async", "const", "unsafe", "extern"];

/// Finds a file and functions that are too long; `code` is the masked `text`.
pub(super) fn check(text: &str, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let count = text.lines().count();
    if count > FILE_LINES_MAX {
        findings.push(Finding { line: 1, message: format!("{count} lines in a file, at most {FILE_LINES_MAX}") });
    }
    let tests = tests(code);
    for (index, start) in line_starts(code).enumerate() {
        if !starts_function(&code[start..]) || tests.iter().any(|range| range.contains(&start)) {
            continue;
        }
        let count = item(&code[start..]).lines().count();
        if count > FUNCTION_LINES_MAX {
            let message = format!("{count} lines in a function, at most {FUNCTION_LINES_MAX}");
            findings.push(Finding { line: index + 1, message });
        }
    }
    findings
}

/// What to say about a source file that is long and not yet too long.
pub(super) fn note(path: &str, text: &str) -> Option<String> {
    let count = text.lines().count();
    let noted = super::is_source(path) && count > FILE_LINES_NOTED && count <= FILE_LINES_MAX;
    noted.then(|| format!("{count} lines in a file: past {FILE_LINES_NOTED}, can it be two?"))
}

fn line_starts(code: &str) -> impl Iterator<Item = usize> {
    code.split_inclusive('\n').scan(0, |next, line| {
        let start = *next;
        *next += line.len();
        Some(start)
    })
}

fn starts_function(code: &str) -> bool {
    let line = code.lines().next().unwrap_or_default().trim_start();
    let line = line.strip_prefix("pub").map_or(line, |rest| {
        let scope = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        scope.map_or(rest, |(_, rest)| rest)
    });
    line.split_whitespace().find(|word| !QUALIFIERS.contains(word)) == Some("fn")
}

/// Where tests stand: the items after a test attribute.
fn tests(code: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for attribute in ["#[cfg(test)]", "#[test]"] {
        for (start, _) in code.match_indices(attribute) {
            let after = start + attribute.len();
            ranges.push(start..after + item(&code[after..]).len());
        }
    }
    ranges
}

/// The item at the start of `code`: to the brace that closes its first brace, or to its `;` if that comes first.
fn item(code: &str) -> &str {
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for (index, byte) in code.bytes().enumerate() {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b'{' => braces += 1,
            b'}' => braces = braces.saturating_sub(1),
            _ => {}
        }
        if (byte == b'}' && braces == 0) || (byte == b';' && braces == 0 && brackets == 0) {
            return &code[..=index];
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::super::mask;
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(text, &mask::code(text)).into_iter().map(|finding| finding.line).collect()
    }

    fn function(head: &str, count: usize) -> String {
        format!("{head} {{\n{}}}\n", "    call(\"}\"); // }\n".repeat(count - 2))
    }

    #[test]
    fn a_function_is_found_at_one_line_too_many() {
        assert_eq!(lines(&function("fn f()", FUNCTION_LINES_MAX)), []);
        assert_eq!(lines(&function("fn f()", FUNCTION_LINES_MAX + 1)), [1]);
        assert_eq!(lines(&format!("//! x\n\n{}", function("fn f()", FUNCTION_LINES_MAX + 1))), [3]);
    }

    #[test]
    fn a_function_is_found_behind_its_qualifiers() {
        for head in [
            "pub fn f()",
            "pub(crate) fn f()",
            "    pub(in crate::a) const unsafe fn f()",
            "pub async fn f(x: [u8; 4])",
            "pub unsafe extern \"C\" fn f()",
        ] {
            assert_eq!(lines(&function(head, FUNCTION_LINES_MAX + 1)), [1], "{head}");
        }
    }

    #[test]
    fn what_is_no_function_is_not_measured() {
        for head in ["impl Fn for fn_like", "mod m", "pub struct F", "let fn_name ="] {
            assert_eq!(lines(&function(head, FUNCTION_LINES_MAX + 1)), [], "{head}");
        }
        let declared = format!("trait T {{\n    fn f(x: [u8; 4]);\n{}}}\n", "    const A: u8;\n".repeat(100));
        assert_eq!(lines(&declared), []);
    }

    #[test]
    fn tests_are_not_measured_and_what_follows_them_is() {
        let long = function("fn f()", FUNCTION_LINES_MAX + 1);
        assert_eq!(lines(&format!("#[cfg(test)]\nmod tests {{\n{long}}}\n")), []);
        assert_eq!(lines(&format!("#[test]\n{long}")), []);
        assert_eq!(lines(&format!("#[cfg(test)]\nmod tests;\n{long}")), [3]);
        assert_eq!(lines(&format!("#[cfg(test)]\nmod tests {{}}\n{long}")), [3]);
    }

    #[test]
    fn a_file_is_found_at_one_line_too_many() {
        assert_eq!(lines(&"x\n".repeat(FILE_LINES_MAX)), []);
        assert_eq!(lines(&"x\n".repeat(FILE_LINES_MAX + 1)), [1]);
    }

    #[test]
    fn a_long_source_file_is_noted() {
        let noted = |path, count: usize| note(path, &"x\n".repeat(count)).is_some();
        assert!(!noted("crates/a/src/a.rs", FILE_LINES_NOTED));
        assert!(noted("crates/a/src/a.rs", FILE_LINES_NOTED + 1));
        assert!(!noted("crates/a/src/a.rs", FILE_LINES_MAX + 1));
        assert!(!noted("crates/a/tests/a.rs", FILE_LINES_NOTED + 1));
    }
}
