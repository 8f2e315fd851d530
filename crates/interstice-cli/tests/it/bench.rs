//! `bench`: what it prints, and what a transfer costs on the whole way through the module.
//!
//! Instructions are counted by callgrind, which does not mind what else the machine does. `instructions.txt` beside this file
//! holds the committed count. A rise above 3 % fails; after a fall, commit the new count.

use crate::callgrind::assert_instructions;
use crate::support::{build, interstice, run};

const FEW: u64 = 1_000;
const MANY: u64 = 6_000;

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
fn the_log_is_measured_beside_the_disk_and_each_byte_of_a_transfer_is_explained() {
    let module = build("examples/bank");
    let data = tempfile::tempdir().unwrap().path().join("bench");
    let args = ["bench", "log", "--duration", "0.02", "-o", "json", "--module", module.to_str().unwrap(), "--data"];
    let report = run(&[&args[..], &[data.to_str().unwrap()]].concat()).ok().json();
    let lines = report["lines"].as_array().unwrap();
    let is = |what: &str| lines.iter().find(|line| line["measure"] == what).unwrap()["is"].as_f64().unwrap();
    assert!(lines.iter().all(|line| line["is"].as_f64().unwrap() > 0.0), "{lines:?}");
    assert!(is("rows in the snapshot") >= 1_000_000.0);
    let transfer = &report["transfer"];
    let parts = transfer["parts"].as_array().unwrap().iter().map(|part| part["bytes"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(transfer["record_bytes"], parts);
    assert!(parts < 200, "a transfer takes {parts} bytes");
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

#[test]
fn a_transfer_through_the_module_takes_no_more_instructions_than_are_committed() {
    let module = build("examples/bank");
    let process = |transfers: u64| {
        let (transfers, module) = (transfers.to_string(), module.to_str().unwrap());
        let layer = ["bench", "transfer", "--layer", "wasm", "--transfers", &transfers, "--module", module];
        let mut process = interstice(&layer);
        // One compiler thread: how work is shared out costs instructions too.
        process.env("RAYON_NUM_THREADS", "1");
        process
    };
    assert_instructions(include_str!("instructions.txt"), (FEW, MANY), process);
}
