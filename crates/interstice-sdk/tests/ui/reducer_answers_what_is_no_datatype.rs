//! Reducer answers what is no datatype.

use interstice_sdk::prelude::*;

#[reducer]
fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

fn main() {}
