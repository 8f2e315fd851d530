//! Migration of nothing.

use interstice_sdk::prelude::*;

#[table]
pub struct Account {
    #[primary_key]
    pub id: u64,
    pub name: String,
    pub balance: i64,
}

#[migration(from = 1)]
fn rename() -> Account {
    Account { id: 1, name: String::new(), balance: 0 }
}

fn main() {}
