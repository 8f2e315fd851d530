//! Column of a hash map.

use interstice_sdk::prelude::*;

use std::collections::HashMap;

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
    pub names: HashMap<String, u64>,
}

fn main() {}
