//! Table word unknown.

use interstice_sdk::prelude::*;

#[table(pubic)]
pub struct Row {
    #[primary_key]
    pub id: u64,
}

fn main() {}
