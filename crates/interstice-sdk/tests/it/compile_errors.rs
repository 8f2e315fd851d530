//! What the compiler says of mistakes in a module: each message names what is wrong, and how to mend it, at the token.
//!
//! `TRYBUILD=overwrite cargo test -p interstice-sdk --release compile_errors` writes down what it says now.

#[test]
fn mistakes_are_told_where_they_stand() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
