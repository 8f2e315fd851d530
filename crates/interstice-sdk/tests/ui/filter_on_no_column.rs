//! Filter on no column.

use interstice_sdk::prelude::*;

#[table]
pub struct Account {
    #[primary_key]
    pub id: u64,
    pub name: String,
    pub balance: i64,
}

#[query]
fn rich(accounts: Read<Account>) -> u64 {
    accounts.count_where(Account::BALANEC.gt(5))
}

fn main() {}
