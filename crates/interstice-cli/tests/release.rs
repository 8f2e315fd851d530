//! No planted bug is in a release: a test of its own, so that `cargo test --release --workspace --test release` builds the command
//! with default features, of the same libraries as the documentation tests. With all features every name must be found: then
//! looking for them says something.

/// Where the bugs are declared, as `Ident = "name",`.
const DECLARED: &str = include_str!("../../interstice-log/src/planted.rs");
/// What chooses one.
const VARIABLE: &str = "INTERSTICE_PLANTED";

fn names() -> Vec<&'static str> {
    let name = |line: &'static str| Some(line.trim().strip_suffix("\",")?.split_once(" = \"")?.1);
    DECLARED.lines().filter_map(name).chain([VARIABLE]).collect()
}

/// Those of `names` that are in `program`.
fn found<'n>(names: &[&'n str], program: &[u8]) -> Vec<&'n str> {
    let is_in = |name: &&&str| program.windows(name.len()).any(|window| window == name.as_bytes());
    names.iter().filter(is_in).copied().collect()
}

#[test]
fn a_program_has_the_planted_bugs_only_if_they_are_asked_for() {
    let names = names();
    assert!(names.len() > 16, "{names:?}");
    let found = found(&names, &std::fs::read(env!("CARGO_BIN_EXE_interstice")).expect("the command is built"));
    let expected = if cfg!(feature = "planted") { names } else { Vec::new() };
    assert_eq!(found, expected);
}
