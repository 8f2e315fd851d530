//! Default of a number for text.

use interstice_sdk::prelude::*;

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
    #[default(0)]
    pub name: String,
}

fn main() {}
