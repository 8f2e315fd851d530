//! Table without a key.

use interstice_sdk::prelude::*;

#[table]
pub struct Row {
    pub id: u64,
}

fn main() {}
