//! Table with generics.

use interstice_sdk::prelude::*;

#[table]
pub struct Row<T> {
    #[primary_key]
    pub id: T,
}

fn main() {}
