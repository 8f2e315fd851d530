//! `hello` on a database of its own.

use hello::Greeting;
use interstice_sdk::test::TestDatabase;

#[interstice_sdk::test]
fn greets_the_world_when_it_is_published(db: &mut TestDatabase) {
    assert_eq!(db.rows::<Greeting>()[0].text, "Hello, world!");
}

#[interstice_sdk::test]
fn greets_people_the_newest_first(db: &mut TestDatabase) {
    assert_eq!(db.call::<u64>("greet", ("ada",)), Ok(2));
    assert_eq!(db.call::<u64>("greet", ("grace",)), Ok(3));
    let latest: Vec<Greeting> = db.query("latest", (2_u32,)).unwrap();
    let names: Vec<_> = latest.iter().map(|greeting| greeting.name.as_str()).collect();
    assert_eq!(names, ["grace", "ada"]);
    db.reopen();
    assert_eq!(db.rows::<Greeting>().len(), 3);
    assert_eq!(db.assert_replays(), 4);
}

#[interstice_sdk::test]
fn an_empty_name_is_refused_and_changes_nothing(db: &mut TestDatabase) {
    let problem = db.call::<u64>("greet", ("",)).unwrap_err();
    assert_eq!((problem.code.as_ref(), problem.message.as_str()), ("empty-name", "a name must not be empty"));
    let problem = db.call::<u64>("greet", ("a".repeat(41),)).unwrap_err();
    assert_eq!(problem.code, "too-long");
    assert_eq!(db.rows::<Greeting>().len(), 1);
}
