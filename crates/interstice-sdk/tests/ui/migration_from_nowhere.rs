//! Migration from nowhere.

use interstice_sdk::prelude::*;

mod v1 {
    use interstice_sdk::prelude::*;

    #[table(former, name = "account")]
    pub struct Account {
        #[primary_key]
        pub id: u64,
        pub title: String,
    }
}

#[table]
pub struct Account {
    #[primary_key]
    pub id: u64,
    pub name: String,
    pub balance: i64,
}

#[migration]
fn rename(old: v1::Account) -> Account {
    Account { id: old.id, name: old.title, balance: 0 }
}

fn main() {}
