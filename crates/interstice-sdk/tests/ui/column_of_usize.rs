//! Column of usize.

use interstice_sdk::prelude::*;

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
    pub size: usize,
}

fn main() {}
