//! Event reducer with access.

use interstice_sdk::prelude::*;

#[table]
pub struct Row {
    #[primary_key]
    pub id: u64,
}

#[reducer(on = insert(Row), access = internal)]
fn added(row: Row) {
    let _ = row;
}

fn main() {}
