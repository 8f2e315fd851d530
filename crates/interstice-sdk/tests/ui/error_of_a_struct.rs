//! Error of a struct.

use interstice_sdk::prelude::*;

#[datatype(error)]
pub struct Failure {
    pub code: u32,
}

fn main() {}
