//! Reducer cron in no zone.

use interstice_sdk::prelude::*;

#[reducer(cron = "0 3 * * *", tz = "Paris")]
fn tick() {}

fn main() {}
