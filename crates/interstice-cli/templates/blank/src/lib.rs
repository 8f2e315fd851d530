//! A module with a query, and room for the rest: `#[table]`, `#[reducer]`, `#[query]`.

use interstice_sdk::prelude::*;

/// The version of this module.
#[query]
fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
