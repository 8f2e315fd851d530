//! Old schema without a name.

interstice_sdk::old_schema!("schema/v1.json");

fn main() {}
