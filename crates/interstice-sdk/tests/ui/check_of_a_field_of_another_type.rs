//! A check of a field with another type than its own.

use interstice_sdk::prelude::*;

#[datatype]
pub struct Price {
    pub cents: u32,
}

#[table]
#[check(price.cents > "a lot")]
pub struct Item {
    #[primary_key]
    pub id: u64,
    pub price: Price,
}

fn main() {}
