//! Migration of a table writes nothing.

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

#[migration(from = 1)]
fn rename(old: Read<v1::Account>) {
    let _ = old;
}

fn main() {}
