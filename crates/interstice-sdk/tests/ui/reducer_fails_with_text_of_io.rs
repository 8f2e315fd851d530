//! Reducer fails with text of io.

use interstice_sdk::prelude::*;

#[reducer]
fn open() -> Result<(), std::io::Error> {
    Ok(())
}

fn main() {}
