//! The pages of the guide, for the tests of documentation: what they show is compiled, and run.
//!
//! The examples of a page are not merged into one program, for a database of a test publishes all tables and functions of its process:
//! they say `test_harness`, and in this crate's own documentation `standalone_crate`.

macro_rules! pages {
    ($($name:ident $file:literal;)*) => {$(
        #[doc = include_str!(concat!("../../../docs/guide/", $file))]
        struct $name;
    )*};
}

pages! {
    Tables "tables.md";
    Reducers "reducers.md";
    Queries "queries.md";
    Events "events.md";
    Schedules "schedules.md";
    Connections "connections.md";
    Testing "testing.md";
    Errors "errors.md";
    Modules "modules.md";
    Migrations "migrations.md";
    Limits "limits.md";
    Tracing "tracing.md";
}
