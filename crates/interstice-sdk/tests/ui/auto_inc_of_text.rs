//! Auto inc of text.

use interstice_sdk::prelude::*;

#[table]
pub struct Row {
    #[primary_key(auto_inc)]
    pub id: String,
}

fn main() {}
