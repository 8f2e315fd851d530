//! Column marked twice.

use interstice_sdk::prelude::*;

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
    #[unique]
    #[unique]
    pub name: String,
}

fn main() {}
