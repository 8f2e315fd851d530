//! Reference to no table.

use interstice_sdk::prelude::*;

pub struct Account {
    pub id: u64,
}

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
    #[references(Account)]
    pub owner: u64,
}

fn main() {}
