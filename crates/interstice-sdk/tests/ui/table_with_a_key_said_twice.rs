//! Table with a key said twice.

use interstice_sdk::prelude::*;

#[table(primary_key(id, name))]
pub struct Row {
    #[primary_key]
    pub id: u64,
    pub name: String,
}

fn main() {}
