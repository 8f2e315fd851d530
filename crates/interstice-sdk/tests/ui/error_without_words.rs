//! Error without words.

use interstice_sdk::prelude::*;

#[datatype(error)]
pub enum Failure {
    #[error("gone")]
    Gone,
    Full(u64),
}

fn main() {}
