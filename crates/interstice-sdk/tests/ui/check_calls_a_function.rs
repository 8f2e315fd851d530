//! Check calls a function.

use interstice_sdk::prelude::*;

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
    #[check(name.starts_with("a"))]
    pub name: String,
}

fn main() {}
