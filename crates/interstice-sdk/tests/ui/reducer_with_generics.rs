//! Reducer with generics.

use interstice_sdk::prelude::*;

#[reducer]
fn greet<T>(name: String) {
    let _ = name;
}

fn main() {}
