//! Datatype of a tuple.

use interstice_sdk::prelude::*;

#[datatype]
pub struct Pair(u32, u32);

fn main() {}
