//! `bank` on a database of its own.

use bank::{ACCOUNTS, OPENING_BALANCE};
use interstice_sdk::test::TestDatabase;

#[interstice_sdk::test]
fn a_transfer_moves_money_and_makes_none(db: &mut TestDatabase) {
    db.call::<()>("transfer", (1_u64, 2_u64, 400_i64)).unwrap();
    assert_eq!(db.query::<Option<i64>>("balance", (1_u64,)), Ok(Some(OPENING_BALANCE - 400)));
    assert_eq!(db.query::<Option<i64>>("balance", (2_u64,)), Ok(Some(OPENING_BALANCE + 400)));
    assert_eq!(db.query::<i64>("total", ()), Ok(ACCOUNTS as i64 * OPENING_BALANCE));
    db.assert_replays();
}

#[interstice_sdk::test]
fn a_refused_transfer_says_why_as_data(db: &mut TestDatabase) {
    let problem = db.call::<()>("transfer", (1_u64, 2_u64, 5_000_i64)).unwrap_err();
    assert_eq!(problem.code, "insufficient");
    assert_eq!(problem.message, "account 1 has 1000, needs 5000");
    let data = problem.data.as_ref().unwrap();
    assert_eq!(data["value"]["needed"], "5000");
    let problem = db.call::<()>("transfer", (1_u64, ACCOUNTS + 1, 1_i64)).unwrap_err();
    assert_eq!(problem.message, "account 100001 does not exist");
    let problem = db.call::<()>("transfer", (1_u64, 2_u64, -1_i64)).unwrap_err();
    assert_eq!(problem.code, "not-an-amount");
    assert_eq!(db.query::<Option<i64>>("balance", (1_u64,)), Ok(Some(OPENING_BALANCE)));
}
