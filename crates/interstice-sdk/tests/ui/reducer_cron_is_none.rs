//! Reducer cron is none.

use interstice_sdk::prelude::*;

#[reducer(cron = "61 3 * * *")]
fn tick() {}

fn main() {}
