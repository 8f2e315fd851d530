//! Reducer missed without times.

use interstice_sdk::prelude::*;

#[reducer(missed = skip)]
fn tick() {}

fn main() {}
