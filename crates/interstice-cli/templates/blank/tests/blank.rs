//! `blank` on a database of its own.

use blank as _;
use interstice_sdk::test::TestDatabase;

#[interstice_sdk::test]
fn the_version_is_that_of_the_crate(db: &mut TestDatabase) {
    assert_eq!(db.query::<String>("version", ()).as_deref(), Ok(env!("CARGO_PKG_VERSION")));
    assert_eq!(db.assert_replays(), 2);
}
