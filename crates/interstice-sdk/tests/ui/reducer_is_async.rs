//! Reducer is async.

use interstice_sdk::prelude::*;

#[reducer]
async fn greet(name: String) {
    let _ = name;
}

fn main() {}
