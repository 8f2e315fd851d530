//! Import without bindings.

interstice_sdk::import!("inventory");

fn main() {}
