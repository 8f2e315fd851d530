//! Reducer of no table.

use interstice_sdk::prelude::*;

pub struct Account {
    pub id: u64,
}

#[reducer]
fn open(accounts: Write<Account>) {
    let _ = accounts;
}

fn main() {}
