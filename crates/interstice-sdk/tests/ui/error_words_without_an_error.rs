//! Error words without an error.

use interstice_sdk::prelude::*;

#[datatype]
pub enum Failure {
    #[error("gone")]
    Gone,
}

fn main() {}
