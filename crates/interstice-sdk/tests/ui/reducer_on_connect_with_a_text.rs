//! A connection is told by its number.
use interstice_sdk::prelude::*;

#[reducer(on = connect)]
fn arrive(ctx: &ReducerContext, name: String) {}

fn main() {}
