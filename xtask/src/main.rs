//! The project's own commands: `cargo xtask ci` runs everything that must hold, `cargo xtask tidy` the rules of the house,
//! `cargo xtask planted` whether each planted bug has its test.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command's output")]

mod ci;
mod planted;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    // Asked at run time: checkouts that share a target directory may share this binary.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("xtask"), PathBuf::from);
    let root = manifest.parent().unwrap_or(Path::new("."));
    let command = std::env::args().nth(1);
    let result = match command.as_deref() {
        Some("ci") => ci::run(root),
        Some("tidy") => tidy::run(root),
        Some("planted") => planted::all_are_caught(root),
        _ => Err("usage: cargo xtask ci | tidy | planted".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
