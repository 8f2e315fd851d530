//! Table of an enum.

use interstice_sdk::prelude::*;

#[table]
pub enum Row {
    One,
}

fn main() {}
