//! `reminders` on a database of its own, where time is what the test says.

use interstice_sdk::prelude::*;
use interstice_sdk::test::TestDatabase;
use reminders::{Hour, Reminder};

#[interstice_sdk::test]
fn a_reminder_rings_at_its_time_and_not_before(db: &mut TestDatabase) {
    let id = db.call::<u64>("remind", ("tea", 180_u32)).unwrap();
    db.advance(Duration::from_secs(179));
    assert_eq!(db.query::<Vec<Reminder>>("open", ()).unwrap().len(), 1);
    db.reopen();
    db.advance(Duration::from_secs(2));
    assert!(db.query::<Vec<Reminder>>("open", ()).unwrap().is_empty());
    assert_eq!(db.take_log().last().unwrap().text, "tea!");
    assert_eq!(db.call("forget", (id,)), Ok(false));
    db.assert_replays();
}

#[interstice_sdk::test]
fn a_forgotten_reminder_does_not_ring(db: &mut TestDatabase) {
    let id = db.call::<u64>("remind", ("tea", 180_u32)).unwrap();
    assert_eq!(db.call("forget", (id,)), Ok(true));
    db.advance(Duration::from_mins(10));
    assert!(db.take_log().is_empty());
}

#[interstice_sdk::test]
fn hours_are_counted_and_nights_are_tidied_also_when_nobody_was_there(db: &mut TestDatabase) {
    db.call::<u64>("remind", ("tea", 180_u32)).unwrap();
    db.advance(Duration::from_mins(61));
    assert_eq!(db.rows::<Hour>()[0].rung, 1);
    db.reopen_after(Duration::from_hours(48));
    assert_eq!(db.rows::<Hour>().len(), 49);
    assert!(db.rows::<Reminder>().is_empty());
    db.assert_replays();
}
