//! Reducer on insert of nothing.

use interstice_sdk::prelude::*;

#[reducer(on = insert)]
fn tick() {}

fn main() {}
