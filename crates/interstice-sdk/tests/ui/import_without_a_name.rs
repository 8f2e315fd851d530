//! Import without a name.

interstice_sdk::import!(inventory);

fn main() {}
