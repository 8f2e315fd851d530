//! Column of a foreign struct.

use interstice_sdk::prelude::*;

pub struct Place {
    pub x: i32,
}

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
    pub place: Place,
}

fn main() {}
