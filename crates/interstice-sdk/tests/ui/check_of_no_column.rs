//! Check of no column.

use interstice_sdk::prelude::*;

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
    #[check(balanec >= 0)]
    pub balance: i64,
}

fn main() {}
