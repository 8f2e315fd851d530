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

/// Those of `names` that are in `program`, in their order.
fn found<'n>(names: &[&'n str], program: &[u8]) -> Vec<&'n str> {
    let mut starts = [false; 256];
    names.iter().for_each(|name| starts[usize::from(name.as_bytes()[0])] = true);
    let mut found = vec![false; names.len()];
    for (at, _) in program.iter().enumerate().filter(|(_, byte)| starts[usize::from(**byte)]) {
        for (name, is_found) in names.iter().zip(&mut found) {
            *is_found |= program[at..].starts_with(name.as_bytes());
        }
    }
    names.iter().zip(found).filter_map(|(name, is_found)| is_found.then_some(*name)).collect()
}

#[test]
fn a_program_has_the_planted_bugs_only_if_they_are_asked_for() {
    let names = names();
    assert!(names.len() > 16, "{names:?}");
    let found = found(&names, &std::fs::read(env!("CARGO_BIN_EXE_interstice")).expect("the command is built"));
    let expected = if cfg!(feature = "planted") { names } else { Vec::new() };
    assert_eq!(found, expected);
}
