//! Check without a column.

use interstice_sdk::prelude::*;

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
    #[check(1 < 2)]
    pub balance: i64,
}

fn main() {}
