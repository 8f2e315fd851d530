//! Nobody is there to give it any.
use interstice_sdk::prelude::*;

#[reducer(on = init)]
fn init(count: u32) {}

fn main() {}
