//! Default of another type.

use interstice_sdk::prelude::*;

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
    #[default("none")]
    pub count: u32,
}

fn main() {}
