//! Get by another type.

use interstice_sdk::prelude::*;

#[table]
pub struct Account {
    #[primary_key]
    pub id: u64,
    pub name: String,
    pub balance: i64,
}

#[query]
fn name(accounts: Read<Account>) -> Option<String> {
    accounts.get("one").map(|account| account.name)
}

fn main() {}
