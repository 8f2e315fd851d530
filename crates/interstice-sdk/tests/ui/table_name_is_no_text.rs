//! Table name is no text.

use interstice_sdk::prelude::*;

#[table(name = row)]
pub struct Row {
    #[primary_key]
    pub id: u64,
}

fn main() {}
