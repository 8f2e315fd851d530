//! Reducer every with arguments.

use interstice_sdk::prelude::*;

#[reducer(every = "5m")]
fn tick(name: String) {
    let _ = name;
}

fn main() {}
