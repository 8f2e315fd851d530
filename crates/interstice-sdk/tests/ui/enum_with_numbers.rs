//! Enum with numbers.

use interstice_sdk::prelude::*;

#[datatype]
pub enum Level {
    Low = 10,
    High = 20,
}

fn main() {}
