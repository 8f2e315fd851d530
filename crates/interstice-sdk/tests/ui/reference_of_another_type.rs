//! Reference of another type.

use interstice_sdk::prelude::*;

#[table]
pub struct Account {
    #[primary_key]
    pub id: u64,
    pub name: String,
    pub balance: i64,
}

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
    #[references(Account)]
    pub owner: String,
}

fn main() {}
