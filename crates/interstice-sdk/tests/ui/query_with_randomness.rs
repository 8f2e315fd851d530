//! Query with randomness.

use interstice_sdk::prelude::*;

#[query]
fn roll(ctx: &ReducerContext) -> u64 {
    let _ = ctx;
    4
}

fn main() {}
