//! Query writes.

use interstice_sdk::prelude::*;

#[table]
pub struct Account {
    #[primary_key]
    pub id: u64,
    pub name: String,
    pub balance: i64,
}

#[query]
fn open(accounts: Write<Account>) -> u64 {
    accounts.count()
}

fn main() {}
