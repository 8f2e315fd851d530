//! Rust text with everything that is not code blanked out, so that a rule about code is a search in text.
//!
//! Comments, strings and character literals become spaces; lines keep their number and their length in bytes. It knows as
//! much of Rust's lexer as that takes: nested comments, raw strings, escapes, and a lifetime told from a character.

/// The code of `text`.
pub(super) fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut masked = Vec::with_capacity(bytes.len());
    while masked.len() < bytes.len() {
        let rest = &bytes[masked.len()..];
        let length = blank_length(rest).min(rest.len());
        if length == 0 {
            masked.push(rest[0]);
        } else {
            masked.extend(rest[..length].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
        }
    }
    String::from_utf8_lossy(&masked).into_owned()
}

/// Counts the bytes of what is not code at the start of `rest`; 0 if it is code.
fn blank_length(rest: &[u8]) -> usize {
    match rest {
        [b'/', b'/', ..] => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => comment_length(rest),
        [b'"', ..] => quoted_length(rest, b'"'),
        [b'r', b'"' | b'#', ..] => raw_length(rest),
        [b'\'', b'\\', ..] => quoted_length(rest, b'\''),
        [b'\'', first, ..] => {
            let width = first.leading_ones().max(1) as usize;
            if rest.get(1 + width) == Some(&b'\'') { width + 2 } else { 0 }
        }
        _ => 0,
    }
}

fn comment_length(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// 0 for a raw identifier such as `r#type`.
fn raw_length(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    let start = hashes + 2;
    if rest.get(start - 1) != Some(&b'"') {
        return 0;
    }
    let end = [b"\"".as_slice(), &rest[1..=hashes]].concat();
    let length = rest[start..].windows(end.len()).position(|window| window == end);
    length.map_or(rest.len(), |length| start + length + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        let masked = code(text);
        assert_eq!(masked.len(), text.len(), "a mask keeps the length of {text:?}");
        assert_eq!(masked.lines().count(), text.lines().count(), "a mask keeps the lines of {text:?}");
        masked.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_are_no_code() {
        assert_eq!(words("a // b { \n c"), "a c");
        assert_eq!(words("a /* b /* { */ \n d */ c"), "a c");
        assert_eq!(words("a /* never closed"), "a");
        assert_eq!(words("a / b"), "a / b");
    }

    #[test]
    fn strings_are_no_code() {
        assert_eq!(words(r#"a "b {" c"#), "a c");
        assert_eq!(words(r#"a "b \" { \\" c"#), "a c");
        assert_eq!(words("a r\"b \\\" c"), "a c");
        assert_eq!(words("a r##\"b \"# {\n\"## c"), "a c");
        assert_eq!(words("a b\"{\" c"), "a b c");
        assert_eq!(words("a \"never closed"), "a");
        assert_eq!(words("a \"never closed \\"), "a");
        assert_eq!(words("a r#\"never closed\""), "a");
    }

    #[test]
    fn characters_are_no_code_and_lifetimes_are() {
        assert_eq!(words(r"a '{' b '\'' c '\\' d '\u{1F600}' e"), "a b c d e");
        assert_eq!(words("a 'é' b '→' c"), "a b c");
        assert_eq!(words("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
        assert_eq!(words("'outer: loop {}"), "'outer: loop {}");
    }

    #[test]
    fn a_raw_identifier_is_code() {
        assert_eq!(words("let r#type = for_r # x;"), "let r#type = for_r # x;");
    }
}
