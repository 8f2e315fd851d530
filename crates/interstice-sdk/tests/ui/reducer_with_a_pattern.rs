//! Reducer with a pattern.

use interstice_sdk::prelude::*;

#[reducer]
fn greet((name, times): (String, u32)) {
    let _ = (name, times);
}

fn main() {}
