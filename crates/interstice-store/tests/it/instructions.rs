//! Instructions of one transfer on the store, counted by callgrind: the same on every run, whatever else the machine does.
//!
//! `instructions.txt` beside this file holds the committed count. A rise above 3 % fails; after a fall, commit the new count. The same
//! test binary runs under callgrind twice, with different numbers of transfers: the difference is what transfers cost.

use crate::TABLE;
use crate::callgrind::assert_instructions;
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

fn process(count: u64) -> Command {
    let mut process = Command::new(std::env::current_exe().unwrap());
    process
        .args(["--exact", "instructions::measured_process", "--test-threads=1"])
        .env(TRANSFERS, count.to_string())
        // Hash maps of the test runner draw their keys from there; nothing that is measured does.
        .env("RUST_TEST_THREADS", "1");
    process
}

#[test]
fn a_transfer_takes_no_more_instructions_than_are_committed() {
    assert_instructions(include_str!("instructions.txt"), (FEW, MANY), process);
}
