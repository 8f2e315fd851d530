//! A check of what the struct does not have.

use interstice_sdk::prelude::*;

#[datatype]
pub struct Price {
    pub cents: u32,
}

#[table]
#[check(price.amount > 0)]
pub struct Item {
    #[primary_key]
    pub id: u64,
    pub price: Option<Price>,
}

fn main() {}
