//! Renamed from nothing.

use interstice_sdk::prelude::*;

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
    #[renamed(from = title)]
    pub name: String,
}

fn main() {}
