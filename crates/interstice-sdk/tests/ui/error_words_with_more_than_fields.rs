//! Error words with more than fields.

use interstice_sdk::prelude::*;

const LIMIT: u64 = 5;

#[datatype(error)]
pub enum Failure {
    #[error("{wanted} of at most {LIMIT}")]
    TooMany { wanted: u64 },
}

#[datatype(error)]
pub enum Other {
    #[error("{0} and {1:?}")]
    Pair(u64, String),
}

fn main() {}
