//! Table of a tuple.

use interstice_sdk::prelude::*;

#[table]
pub struct Row(u64);

fn main() {}
