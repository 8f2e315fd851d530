//! Reducer on unknown.

use interstice_sdk::prelude::*;

#[table]
pub struct Account {
    #[primary_key]
    pub id: u64,
    pub name: String,
    pub balance: i64,
}

#[reducer(on = upsert(Account))]
fn tick(account: Account) {
    let _ = account;
}

fn main() {}
