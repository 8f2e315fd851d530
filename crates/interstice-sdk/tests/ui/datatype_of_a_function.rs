//! Datatype of a function.

use interstice_sdk::prelude::*;

#[datatype]
fn pair() {}

fn main() {}
