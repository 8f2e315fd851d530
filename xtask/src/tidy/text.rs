//! Rules that one file breaks by what is written in it: its head, its name, its words, unfinished work.

use super::Finding;

/// Words that mean too little, or that have another name here.
const BANNED_WORDS: &[&str] =
    &["plugin", "mutation", "journal", "checkpoint", "lsn", "gas", "manager", "util", "helper", "common"];

/// Names that others gave, which we can only repeat.
const FOREIGN_NAMES: &[&str] = &["futures_util", "futures-util"];

/// Where `unsafe` may stand: the one call that maps compiled code, and what guests need.
const UNSAFE_PLACES: &[&str] =
    &["crates/interstice-wasm/src/cache.rs", "crates/interstice-sdk/src/", "crates/interstice-sdk-macros/src/"];

/// Finds a file that does not say what it is.
pub(super) fn head(text: &str) -> Option<Finding> {
    let says =
        text.lines().next().and_then(|line| line.strip_prefix("//!")).is_some_and(|rest| !rest.trim().is_empty());
    let message = "the file does not begin with a `//!` line that says what it is".to_owned();
    (!says).then_some(Finding { line: 1, message })
}

/// Finds a file named `mod.rs`.
pub(super) fn file_name(path: &str) -> Option<Finding> {
    let message = "name the file after its module: `foo.rs` beside `foo/`, not `mod.rs`".to_owned();
    (path.rsplit('/').next() == Some("mod.rs")).then_some(Finding { line: 1, message })
}

/// Finds what says that the work is not done, in masked `code`.
pub(super) fn unfinished(code: &str) -> Vec<Finding> {
    let mark = |line: &str| {
        if line.contains("todo!") {
            Some("`todo!` is not finished work")
        } else if line.contains("unimplemented!") {
            Some("`unimplemented!` is not finished work")
        } else if line
            .split("allow(")
            .skip(1)
            .any(|list| list.split(')').next().unwrap_or_default().contains("dead_code"))
        {
            Some("code that nothing uses is deleted, not allowed")
        } else {
            None
        }
    };
    let lines = code.lines().enumerate();
    lines.filter_map(|(index, line)| Some(Finding { line: index + 1, message: mark(line)?.to_owned() })).collect()
}

/// Finds `unsafe` outside of its places, in masked `code`.
pub(super) fn unsafe_code(path: &str, code: &str) -> Vec<Finding> {
    if UNSAFE_PLACES.iter().any(|place| path.starts_with(place)) {
        return Vec::new();
    }
    let word = |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
    let lines = code.lines().enumerate().filter(|(_, line)| word(line));
    let message = "`unsafe` has its few places (xtask/src/tidy/text.rs)";
    lines.map(|(index, _)| Finding { line: index + 1, message: message.to_owned() }).collect()
}

/// Finds `pub use … ::*`, also inside of braces and over several lines, in masked `code`.
pub(super) fn glob_exports(code: &str) -> Vec<Finding> {
    let glob = |(start, _): (usize, &str)| {
        let statement = code[start..].split(';').next().unwrap_or_default();
        let offset = statement.find('*')?;
        let line = code[..start + offset].lines().count().max(1);
        Some(Finding { line, message: "name what is exported: `pub use …::*` hides it".to_owned() })
    };
    code.match_indices("pub use ").filter_map(glob).collect()
}

/// Finds the words that are not used here: in names (`table_manager`, `TableManager`), in comments and in messages.
pub(super) fn words(text: &str) -> Vec<Finding> {
    let banned = |line: &str| {
        let line = FOREIGN_NAMES.iter().fold(line.to_owned(), |line, name| line.replace(name, ""));
        split(&line).into_iter().find(|word| {
            let singular = word.strip_suffix('s').unwrap_or(word);
            BANNED_WORDS.contains(&word.as_str()) || BANNED_WORDS.contains(&singular)
        })
    };
    let finding = |(index, line): (usize, &str)| {
        let message = format!("the word `{}` is not used here (STYLE.md, words)", banned(line)?);
        Some(Finding { line: index + 1, message })
    };
    text.lines().enumerate().filter_map(finding).collect()
}

/// The words of a line in lower case; `snake_case` and `CamelCase` are several.
fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for letter in line.chars() {
        if !letter.is_alphanumeric() || (after_lower && letter.is_uppercase()) {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            words.last_mut().expect("invariant: starts with one").extend(letter.to_lowercase());
        }
        after_lower = letter.is_lowercase();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::mask;
    use super::*;

    fn lines(findings: Vec<Finding>) -> Vec<usize> {
        findings.into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn unsafe_code_is_found_outside_of_its_places() {
        let find = |path, text: &str| lines(unsafe_code(path, &mask::code(text)));
        let call = "//! unsafe\n#![deny(unsafe_code)]\nfn f() { unsafe { g() } }\n// unsafe\nunsafe fn g() {}\n";
        assert_eq!(find("crates/interstice-wasm/src/instance.rs", call), [3, 5]);
        assert_eq!(find("crates/interstice-wasm/src/cache.rs", call), []);
        assert_eq!(find("crates/interstice-sdk/src/guest.rs", call), []);
        assert_eq!(find("crates/interstice-sdkother/src/guest.rs", call), [3, 5]);
    }

    #[test]
    fn a_file_without_a_head_is_found() {
        for text in ["", "use std::fs;\n", "// A comment.\n", "\n//! Late.\n", "//!\n", "#![no_std]\n//! Late.\n"] {
            assert!(head(text).is_some(), "{text:?}");
        }
        assert_eq!(head("//! What it is.\n"), None);
    }

    #[test]
    fn a_file_named_mod_is_found() {
        assert!(file_name("crates/interstice/src/open/mod.rs").is_some());
        assert_eq!(file_name("crates/interstice/src/open/mode.rs"), None);
    }

    #[test]
    fn unfinished_work_is_found_in_code_only() {
        let find = |text: &str| lines(unfinished(&mask::code(text)));
        assert_eq!(find("fn f() {\n    todo!()\n}\n"), [2]);
        assert_eq!(find("fn f() { unimplemented!(\"later\") }\n"), [1]);
        assert_eq!(find("#[allow(dead_code)]\nfn f() {}\n"), [1]);
        assert_eq!(find("\n#![allow(unused, dead_code)]\n"), [2]);
        assert_eq!(find("// todo! allow(dead_code)\nlet x = \"unimplemented!\";\n"), []);
        assert_eq!(find("#[allow(unused)] fn dead_code() {}\n"), []);
    }

    #[test]
    fn a_glob_export_is_found_wherever_its_star_is() {
        let find = |text: &str| lines(glob_exports(&mask::code(text)));
        assert_eq!(find("pub use crate::thing::*;\n"), [1]);
        assert_eq!(find("//! x\n\npub use a::{\n    b,\n    c::*,\n};\n"), [5]);
        assert_eq!(find("pub use a::{b, *};\n"), [1]);
        assert_eq!(find("pub use a::{b, c};\nuse super::*;\nlet x = a * b;\n"), []);
        assert_eq!(find("// pub use a::*;\n"), []);
    }

    #[test]
    fn every_banned_word_is_found() {
        for word in BANNED_WORDS {
            assert_eq!(lines(words(&format!("//! Fine.\n// the {word} of it\n"))), [2], "{word}");
            assert_eq!(lines(words(&format!("let {}S = 1;\n", word.to_uppercase()))), [1], "{word}");
        }
    }

    #[test]
    fn a_banned_word_is_found_inside_of_a_name() {
        for text in ["struct TableManager;", "fn table_manager()", "mod utils;", "Managers", "LSN", "\"the journal\""] {
            assert_eq!(words(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn a_banned_word_is_found_whole_only() {
        for text in ["let gasket = 1;", "the commonest", "utility", "futures_util::StreamExt", "permutation", "falsn't"]
        {
            assert_eq!(words(text), [], "{text}");
        }
    }
}
