//! A publish is about no table.
use interstice_sdk::prelude::*;

#[table]
pub struct Account {
    #[primary_key]
    pub id: u64,
}

#[reducer(on = upgrade(Account))]
fn renew() {}

fn main() {}
