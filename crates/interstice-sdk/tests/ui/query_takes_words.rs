//! Query takes words.

use interstice_sdk::prelude::*;

#[query(access = internal)]
fn roll() -> u64 {
    4
}

fn main() {}
