//! Table with two keys.

use interstice_sdk::prelude::*;

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
    #[primary_key]
    pub name: String,
}

fn main() {}
