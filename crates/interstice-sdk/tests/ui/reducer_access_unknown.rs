//! Reducer access unknown.

use interstice_sdk::prelude::*;

#[reducer(access = admin)]
fn tick() {}

fn main() {}
