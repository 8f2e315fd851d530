//! `caller` and `hello` on one database.

use caller::Tally;
// Linked, so that its module can be published.
use hello as _;
use interstice_sdk::test::TestDatabase;

fn tally(db: &TestDatabase) -> Vec<(String, u64)> {
    db.rows::<Tally>().into_iter().map(|tally| (tally.name, tally.count)).collect()
}

#[interstice_sdk::test]
fn a_call_into_another_module_is_the_same_transaction_and_its_rows_are_events(db: &mut TestDatabase) {
    assert_eq!(db.call::<u64>("greet_both", ("ada", "grace")), Ok(3));
    assert_eq!(db.call::<u64>("hello.greet", ("ada",)), Ok(4));
    assert_eq!(tally(db), [("ada".to_owned(), 2), ("grace".to_owned(), 1)]);
    assert_eq!(db.query::<u64>("greetings", ()), Ok(4));
    db.reopen();
    assert_eq!(tally(db), [("ada".to_owned(), 2), ("grace".to_owned(), 1)]);
    db.assert_replays();
}

#[interstice_sdk::test]
fn an_error_of_the_second_greeting_undoes_the_first(db: &mut TestDatabase) {
    let problem = db.call::<u64>("greet_both", ("ada", "")).unwrap_err();
    assert_eq!(problem.code, "empty-name");
    assert_eq!(db.query::<u64>("greetings", ()), Ok(1));
    assert_eq!(tally(db), []);
}

#[interstice_sdk::test]
fn an_error_that_is_handled_undoes_only_the_call_that_returned_it(db: &mut TestDatabase) {
    assert_eq!(db.call::<bool>("try_greet", ("",)), Ok(false));
    assert_eq!(db.call::<bool>("try_greet", ("ada",)), Ok(true));
    assert_eq!(db.query::<u64>("greetings", ()), Ok(2));
    db.assert_replays();
}
