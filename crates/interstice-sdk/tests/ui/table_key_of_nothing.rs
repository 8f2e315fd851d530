//! Table key of nothing.

use interstice_sdk::prelude::*;

#[table(primary_key())]
pub struct Row {
    pub id: u64,
}

fn main() {}
