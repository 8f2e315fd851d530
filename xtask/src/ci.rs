//! Everything that must hold before a change lands, in order, stopping at the first failure.

use crate::tidy;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Runs all steps.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let started = Instant::now();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(default_target, PathBuf::from);
    cargo(root, &target, "format", &["fmt", "--all", "--check"], &[])?;
    step("tidy", || tidy::run(root))?;
    let lint = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    cargo(root, &target, "lint", &lint, &[])?;
    cargo(root, &target, "tests", &test_command(), &[])?;
    cargo(root, &target, "documentation tests", &["test", "--doc", "--workspace", "--release"], &[])?;
    let doc = ["doc", "--workspace", "--no-deps", "--document-private-items"];
    cargo(root, &target, "documentation", &doc, &[("RUSTDOCFLAGS", "-D warnings")])?;
    println!("\nall checks passed in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn default_target() -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
    home.join(".cache/interstice-target")
}

fn test_command() -> Vec<&'static str> {
    let nextest =
        Command::new("cargo").args(["nextest", "--version"]).output().is_ok_and(|output| output.status.success());
    let runner: &[&str] = if nextest { &["nextest", "run"] } else { &["test"] };
    let rest = ["--workspace", "--release", "--all-features", "--all-targets"];
    [runner, &rest[..]].concat()
}

fn cargo(root: &Path, target: &Path, name: &str, args: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    step(name, || {
        let mut command = Command::new("cargo");
        command.current_dir(root).args(args).env("CARGO_TARGET_DIR", target).envs(environment.iter().copied());
        let status = command.status().map_err(|error| format!("cargo does not start: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("`cargo {}` failed", args.join(" "))) }
    })
}

fn step(name: &str, run: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    println!("\n== {name}");
    let started = Instant::now();
    run()?;
    println!("== {name}: ok, {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}
