//! The project's own commands: `cargo xtask ci` runs everything that must hold, `cargo xtask tidy` the rules of the house.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command's output")]

mod ci;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("invariant: xtask is a folder of the workspace");
    let command = std::env::args().nth(1);
    let result = match command.as_deref() {
        Some("ci") => ci::run(root),
        Some("tidy") => tidy::run(root),
        _ => Err("usage: cargo xtask ci | tidy".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
