//! `bench`: what it prints, and what a transfer costs on the whole way through the module.
//!
//! Instructions are counted by callgrind, which does not mind what else the machine does. `instructions.txt` beside this file
//! holds the committed count. A rise above 3 % fails; after a fall, commit the new count.

use crate::support::{build, interstice, run};
use std::process::Command;

const FEW: u64 = 1_000;
const MANY: u64 = 6_000;
/// Rise that is let pass.
const TOLERANCE: f64 = 0.03;

#[test]
fn all_layers_are_measured_in_one_run_and_nothing_is_left() {
    let module = build("examples/bank");
    let data = tempfile::tempdir().unwrap().path().join("bench");
    let args =
        ["bench", "transfer", "--duration", "0.01", "-o", "json", "--module", module.to_str().unwrap(), "--data"];
    let report = run(&[&args[..], &[data.to_str().unwrap()]].concat()).ok().json();
    assert_eq!(report["schema"], "interstice.bench/v1");
    let lines = report["lines"].as_array().unwrap();
    for layer in
        ["plain structs in a BTreeMap", "store only", "in-process wasm, no log", "recovery of logged transfers"]
    {
        assert!(lines.iter().any(|line| line["layer"] == layer), "{layer}: {lines:?}");
    }
    for window in [1, 64, 512, 2_048] {
        for what in ["echo", "not durable", "durable"] {
            let layer = format!("WebSocket {what}, {window} in flight");
            assert!(lines.iter().any(|line| line["layer"] == *layer), "{layer}: {lines:?}");
        }
    }
    assert!(lines.iter().all(|line| line["per_second"].as_f64().unwrap() > 0.0), "{lines:?}");
    assert!(report["raw_sync_us"]["p50"].as_f64().unwrap() > 0.0);
    assert!(report["ratios"].as_array().unwrap().iter().all(|ratio| ratio["is"].as_f64().unwrap() > 0.0));
    assert!(!data.exists(), "what was measured is removed");
}

#[test]
fn a_directory_that_is_there_is_not_touched() {
    let there = tempfile::tempdir().unwrap();
    let module = build("examples/bank");
    run(&["bench", "--module", module.to_str().unwrap(), "--data", there.path().to_str().unwrap()]).refused(2, "usage");
    assert!(there.path().exists());
}

#[test]
fn another_module_is_not_the_bank() {
    let module = build("examples/hello");
    let args = ["bench", "--layer", "wasm", "--transfers", "1", "--module", module.to_str().unwrap()];
    run(&args).refused(1, "not-the-bank");
}

fn counted(module: &str, transfers: u64) -> u64 {
    let transfers = transfers.to_string();
    let measured = interstice(&["bench", "transfer", "--layer", "wasm", "--transfers", &transfers, "--module", module]);
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(measured.get_program())
        .args(measured.get_args())
        // One compiler thread: how work is shared out costs instructions too.
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let collected = text.lines().find_map(|line| line.split("Collected : ").nth(1)?.trim().parse().ok());
    collected.unwrap_or_else(|| panic!("callgrind says nothing: {text}"))
}

#[test]
fn a_transfer_through_the_module_takes_no_more_instructions_than_are_committed() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("SKIPPED: valgrind is not installed");
        return;
    }
    let module = build("examples/bank");
    let module = module.to_str().unwrap();
    let committed: f64 = include_str!("instructions.txt").trim().parse().unwrap();
    let found = (counted(module, MANY) - counted(module, FEW)) as f64 / (MANY - FEW) as f64;
    println!("{found:.0} instructions a transfer, {committed:.0} are committed");
    assert!(found <= committed * (1.0 + TOLERANCE), "{found:.0} instructions a transfer, {committed:.0} are committed");
    assert!(
        found >= committed * (1.0 - TOLERANCE),
        "{found:.0} instructions a transfer: commit that to `instructions.txt`"
    );
}
