//! The command as a person uses it: every test runs the built binary.

mod examples;
mod kill;
mod refusals;
mod reset;
mod session;
mod support;
