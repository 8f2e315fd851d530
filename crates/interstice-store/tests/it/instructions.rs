//! Instructions of one transfer on the store, counted by callgrind: the same on every run, whatever else the machine does.
//!
//! `instructions.txt` beside this file holds the committed count. A rise above 3 % fails; after a fall, commit the new count. The same
//! test binary runs under callgrind twice, with different numbers of transfers: the difference is what transfers cost.

use crate::TABLE;
use interstice_store::store::Store;
use interstice_types::schema::TableSchema;
use std::process::Command;
use std::sync::Arc;

/// How many transfers the measured process makes.
const TRANSFERS: &str = "INTERSTICE_MEASURED_TRANSFERS";
/// Accounts there are.
const ACCOUNTS: u64 = 4_096;
const FEW: u64 = 1_000;
const MANY: u64 = 6_000;
/// Rise that is let pass.
const TOLERANCE: f64 = 0.03;

fn account(id: u64, balance: i64) -> Vec<u8> {
    [&id.to_le_bytes()[..], &balance.to_le_bytes(), &[0; 8], &15_u32.to_le_bytes(), b"customer 000001"].concat()
}

/// Two rows are looked up, changed and written back; a transaction of its own each time.
fn transfers(count: u64) -> u128 {
    let json = r#"{"name": "account", "primary_key": [0], "columns": [{"name": "id", "type": "u64"},
        {"name": "balance", "type": "i64"}, {"name": "transfers", "type": "u64"}, {"name": "owner", "type": "string"}]}"#;
    let schema: TableSchema = serde_json::from_str(json).unwrap();
    let mut tx = Store::new().begin();
    tx.create_table("bank".into(), Arc::new(schema)).unwrap();
    for id in 0..ACCOUNTS {
        tx.insert(TABLE, &account(id, 1_000)).unwrap();
    }
    let (mut store, _) = tx.commit();
    let mut row = Vec::new();
    for number in 0..count {
        let mut tx = store.begin();
        for (id, amount) in [(number * 2_654_435_761 % ACCOUNTS, -1), ((number * 40_503 + 1) % ACCOUNTS, 1)] {
            let table = tx.store().table(TABLE).unwrap();
            let key = table.lookup_key(&id.to_le_bytes(), &mut Vec::new()).unwrap();
            row.clear();
            row.extend_from_slice(table.get(&key).unwrap());
            let balance = i64::from_le_bytes(row[8..16].try_into().unwrap()) + amount;
            row[8..16].copy_from_slice(&balance.to_le_bytes());
            tx.update(TABLE, &row).unwrap();
        }
        store = tx.commit().0;
    }
    store.digest()
}

/// The process that is measured; without the variable there is nothing to do.
#[test]
#[expect(clippy::disallowed_methods, reason = "the process that counts tells the one that is counted how much to do")]
fn measured_process() {
    if let Some(count) = std::env::var(TRANSFERS).ok().and_then(|text| text.parse().ok()) {
        assert_ne!(transfers(count), 0);
    }
}

fn counted(count: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "instructions::measured_process", "--test-threads=1"])
        .env(TRANSFERS, count.to_string())
        // Hash maps of the test runner draw their keys from there; nothing that is measured does.
        .env("RUST_TEST_THREADS", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let collected = text.lines().find_map(|line| line.split("Collected : ").nth(1)?.trim().parse().ok());
    collected.unwrap_or_else(|| panic!("callgrind says nothing: {text}"))
}

#[test]
fn a_transfer_takes_no_more_instructions_than_are_committed() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("SKIPPED: valgrind is not installed");
        return;
    }
    let committed: f64 = include_str!("instructions.txt").trim().parse().unwrap();
    let found = (counted(MANY) - counted(FEW)) as f64 / (MANY - FEW) as f64;
    println!("{found:.0} instructions a transfer, {committed:.0} are committed");
    assert!(found <= committed * (1.0 + TOLERANCE), "{found:.0} instructions a transfer, {committed:.0} are committed");
    assert!(
        found >= committed * (1.0 - TOLERANCE),
        "{found:.0} instructions a transfer: commit that to `instructions.txt`"
    );
}
