//! Table key names no column.

use interstice_sdk::prelude::*;

#[table(primary_key(id, nmae))]
pub struct Row {
    pub id: u64,
    pub name: String,
}

fn main() {}
