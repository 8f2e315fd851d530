//! Offsets 2 to 5 of a log, as they were recorded.
//!
//! What each transaction is to come to is in `tea_is_forgotten.json`. Where that was wrong, correct it there.

use interstice_sdk::test::TestDatabase;
use reminders as _;

// 2 reminders.remind(text="tea", seconds=180)
// 3 reminders.remind(text="bread", seconds=1)
// 4 schedule reminders.ring
// 5 reminders.forget(id=1)
#[interstice_sdk::test]
fn tea_is_forgotten(db: &mut TestDatabase) {
    db.reproduce(include_str!("tea_is_forgotten.json"));
}
