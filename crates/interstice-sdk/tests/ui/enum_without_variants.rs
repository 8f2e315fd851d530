//! Enum without variants.

use interstice_sdk::prelude::*;

#[datatype]
pub enum Never {}

fn main() {}
