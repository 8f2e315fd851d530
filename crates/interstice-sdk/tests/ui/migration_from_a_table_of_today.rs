//! Migration from a table of today.

use interstice_sdk::prelude::*;

mod v1 {
    pub use super::Account;
}

#[table]
pub struct Account {
    #[primary_key]
    pub id: u64,
    pub name: String,
    pub balance: i64,
}

#[migration(from = 1)]
fn rename(old: v1::Account) -> Account {
    old
}

fn main() {}
