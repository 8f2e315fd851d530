//! Default of nothing.

use interstice_sdk::prelude::*;

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
    #[default]
    pub count: u32,
}

fn main() {}
