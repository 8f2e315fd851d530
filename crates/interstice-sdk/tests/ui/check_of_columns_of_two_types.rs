//! Check of columns of two types.

use interstice_sdk::prelude::*;

#[table]
#[check(name == balance)]
pub struct Row {
    #[primary_key]
    pub id: u64,
    pub name: String,
    pub balance: i64,
}

fn main() {}
