//! Table key names a column twice.

use interstice_sdk::prelude::*;

#[table(primary_key(id, id))]
pub struct Row {
    pub id: u64,
}

fn main() {}
