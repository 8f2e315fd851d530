//! Reducer answers what is no datatype.

use interstice_sdk::prelude::*;

#[reducer]
fn now() -> std::time::SystemTime {
    todo!()
}

fn main() {}
