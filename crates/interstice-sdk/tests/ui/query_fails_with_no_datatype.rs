//! Query fails with no datatype.

use interstice_sdk::prelude::*;

#[query]
fn find() -> Result<u64, &'static str> {
    Err("gone")
}

fn main() {}
