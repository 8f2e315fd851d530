//! Datatype with generics.

use interstice_sdk::prelude::*;

#[datatype]
pub struct Pair<T> {
    pub one: T,
}

fn main() {}
