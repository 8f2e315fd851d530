//! Old schema without a file.

interstice_sdk::old_schema!(v1 = "schema/v1.json");

fn main() {}
