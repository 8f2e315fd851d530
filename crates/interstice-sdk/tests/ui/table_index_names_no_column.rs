//! Table index names no column.

use interstice_sdk::prelude::*;

#[table(index(by_name(nam)))]
pub struct Row {
    #[primary_key]
    pub id: u64,
    pub name: String,
}

fn main() {}
