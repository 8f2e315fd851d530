//! Reducer every is no time.

use interstice_sdk::prelude::*;

#[reducer(every = "5 minutes")]
fn tick() {}

fn main() {}
