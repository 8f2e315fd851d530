//! Datatype word unknown.

use interstice_sdk::prelude::*;

#[datatype(eror)]
pub enum Failure {
    Gone,
}

fn main() {}
