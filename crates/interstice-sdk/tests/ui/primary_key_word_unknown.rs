//! Primary key word unknown.

use interstice_sdk::prelude::*;

#[table]
pub struct Row {
    #[primary_key(autoinc)]
    pub id: u64,
}

fn main() {}
