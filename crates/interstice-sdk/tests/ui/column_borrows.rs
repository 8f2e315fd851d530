//! Column borrows.

use interstice_sdk::prelude::*;

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
    pub name: &'static str,
}

fn main() {}
