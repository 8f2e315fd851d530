//! Check of another type.

use interstice_sdk::prelude::*;

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
    #[check(balance >= "zero")]
    pub balance: i64,
}

fn main() {}
