//! Reducer word unknown.

use interstice_sdk::prelude::*;

#[reducer(acess = internal)]
fn tick() {}

fn main() {}
