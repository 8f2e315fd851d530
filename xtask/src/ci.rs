//! Everything that must hold before a change lands, in order, stopping at the first failure.
//!
//! The quick steps come first. Linting, testing and documenting share features and profile, so that dependencies are
//! built once for each kind of build.

use crate::{planted, tidy};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// One thing that must hold.
struct Step {
    name: &'static str,
    check: Check,
}

enum Check {
    Tidy,
    /// Whether each planted bug is caught by a test.
    Caught,
    Cargo {
        args: &'static [&'static str],
        environment: &'static [(&'static str, &'static str)],
    },
}

/// Runs all steps; the error names the first that fails.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(default_target, PathBuf::from);
    let steps = steps(has_nextest());
    let started = Instant::now();
    for step in &steps {
        println!("\n== {}", step.name);
        let step_started = Instant::now();
        let result = match step.check {
            Check::Tidy => tidy::run(root),
            Check::Caught => planted::all_are_caught(root),
            Check::Cargo { args, environment } => cargo(root, &target, args, environment),
        };
        let total = started.elapsed().as_secs_f64();
        result.map_err(|error| format!("ci stopped at `{}` after {total:.1} s: {error}", step.name))?;
        println!("== {}: ok, {:.1} s", step.name, step_started.elapsed().as_secs_f64());
    }
    println!("\nci: all {} steps passed in {:.1} s", steps.len(), started.elapsed().as_secs_f64());
    Ok(())
}

fn steps(nextest: bool) -> Vec<Step> {
    let tests: &[&str] = if nextest {
        &["nextest", "run", "--workspace", "--release", "--all-features"]
    } else {
        &["test", "--workspace", "--release", "--all-features"]
    };
    let lint =
        &["clippy", "--workspace", "--all-targets", "--all-features", "--release", "--", "-D", "warnings"].as_slice();
    let documentation =
        &["doc", "--workspace", "--no-deps", "--document-private-items", "--all-features", "--release"].as_slice();
    let cargo = |args| Check::Cargo { args, environment: &[] };
    vec![
        Step { name: "format", check: cargo(&["fmt", "--all", "--check"]) },
        Step { name: "tidy", check: Check::Tidy },
        Step { name: "planted bugs, each caught", check: Check::Caught },
        Step { name: "lint", check: cargo(lint) },
        Step { name: "tests", check: cargo(tests) },
        Step { name: "documentation tests", check: cargo(&["test", "--doc", "--workspace", "--release"]) },
        // With default features, as the documentation tests.
        Step { name: "release", check: cargo(&["test", "--workspace", "--release", "--test", "release"]) },
        Step {
            name: "documentation",
            check: Check::Cargo { args: documentation, environment: &[("RUSTDOCFLAGS", "-D warnings")] },
        },
    ]
}

/// Outside of the clone: a build must not change what is being checked.
fn default_target() -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
    home.join(".cache/interstice-target")
}

fn has_nextest() -> bool {
    Command::new("cargo").args(["nextest", "--version"]).output().is_ok_and(|output| output.status.success())
}

fn cargo(root: &Path, target: &Path, args: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(args).env("CARGO_TARGET_DIR", target).envs(environment.iter().copied());
    let status = command.status().map_err(|error| format!("cargo does not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`cargo {}` failed", args.join(" "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_run_from_quick_to_slow() {
        let names: Vec<&str> = steps(true).iter().map(|step| step.name).collect();
        let quick = ["format", "tidy", "planted bugs, each caught"];
        let slow = ["lint", "tests", "documentation tests", "release", "documentation"];
        assert_eq!(names, [&quick[..], &slow].concat());
    }

    #[test]
    fn tests_run_without_nextest_too() {
        let runner = |nextest| match steps(nextest).into_iter().find(|step| step.name == "tests").unwrap().check {
            Check::Cargo { args, .. } => args[0],
            _ => "no command",
        };
        assert_eq!((runner(true), runner(false)), ("nextest", "test"));
    }
}
