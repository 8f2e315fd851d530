//! Check of arithmetic.

use interstice_sdk::prelude::*;

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
    #[check(balance + 1 > 0)]
    pub balance: i64,
}

fn main() {}
