//! Reducer borrows.

use interstice_sdk::prelude::*;

#[reducer]
fn greet(name: &str) {
    let _ = name;
}

fn main() {}
