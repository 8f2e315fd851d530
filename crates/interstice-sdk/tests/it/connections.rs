//! Reducers that are told of connections and of publishes, and those that only the owner may call.

use interstice_sdk::prelude::*;
use interstice_sdk::test::TestDatabase;

#[table(public)]
#[derive(Debug, Clone, PartialEq)]
struct Online {
    #[primary_key]
    connection: u64,
    #[index]
    who: Identity,
    since: Timestamp,
}

/// Where a pointer is; gone with whose it is.
#[table(public, ephemeral)]
#[derive(Debug, Clone, PartialEq)]
struct Pointer {
    #[primary_key]
    connection: u64,
    x: u32,
}

#[table]
#[derive(Debug, Clone, PartialEq)]
struct Visit {
    #[primary_key(auto_inc)]
    id: u64,
    what: String,
}

/// Seen by everybody at once, kept by nobody.
#[table(public, event)]
#[derive(Debug, Clone, PartialEq)]
struct Knock {
    #[primary_key(auto_inc)]
    id: u64,
    who: Identity,
}

#[reducer(on = connect)]
fn arrive(
    ctx: &ReducerContext,
    connection: u64,
    online: Insert<Online>,
    pointers: Insert<Pointer>,
    knocks: Insert<Knock>,
) {
    online.insert(Online { connection, who: ctx.caller(), since: ctx.now() });
    pointers.insert(Pointer { connection, x: 0 });
    knocks.insert(Knock { id: 0, who: ctx.caller() });
}

#[reducer(on = insert(Knock))]
fn note_knock(visits: Insert<Visit>, _knock: Knock) {
    visits.insert(Visit { id: 0, what: "knock".to_owned() });
}

#[reducer(on = disconnect)]
fn depart(
    connection: u64,
    online: Write<Online>,
    pointers: Write<Pointer>,
    visits: Insert<Visit>,
) -> Result<(), String> {
    visits.insert(Visit { id: 0, what: format!("{connection} left") });
    pointers.delete(connection);
    online.delete(connection).map(|_| ()).ok_or_else(|| format!("{connection} was not online"))
}

#[reducer]
fn forget(online: Write<Online>, connection: u64) {
    online.delete(connection);
}

#[reducer(access = owner)]
fn sweep(visits: Write<Visit>) -> u64 {
    let swept = visits.count();
    visits.clear();
    swept
}

#[interstice_sdk::test]
fn whoever_is_connected_is_online(db: &mut TestDatabase) {
    let ada = db.act_as("ada");
    let (first, second) = (db.connect(), db.connect());
    let grace = db.act_as("grace");
    let third = db.connect();
    let online =
        |db: &TestDatabase| db.rows::<Online>().iter().map(|row| (row.connection, row.who)).collect::<Vec<_>>();
    assert_eq!(online(db), [(first, ada), (second, ada), (third, grace)]);
    db.disconnect(first);
    assert_eq!(online(db), [(second, ada), (third, grace)]);
    let pointers: Vec<_> = db.rows::<Pointer>().iter().map(|pointer| pointer.connection).collect();
    assert_eq!(pointers, [second, third]);
    let knocks = db.rows::<Visit>().iter().filter(|visit| visit.what == "knock").count();
    assert_eq!((knocks, db.rows::<Knock>()), (3, Vec::new()), "an event row raises its event and is gone");
    db.assert_replays();
}

#[interstice_sdk::test]
fn a_connection_ends_with_the_node_and_its_number_is_never_used_again(db: &mut TestDatabase) {
    let first = db.connect();
    db.reopen();
    assert_eq!((db.rows::<Online>(), db.rows::<Pointer>()), (Vec::new(), Vec::new()));
    assert_eq!(db.rows::<Visit>().last().map(|visit| visit.what.clone()), Some(format!("{first} left")));
    assert!(db.connect() > first);
    db.assert_replays();
}

#[interstice_sdk::test]
fn a_reducer_that_fails_keeps_nobody_connected(db: &mut TestDatabase) {
    let connection = db.connect();
    db.call::<()>("forget", (connection,)).unwrap();
    db.disconnect(connection);
    let letters = db.dead_letters();
    assert_eq!((letters.len(), &*letters[0].problem.message), (1, &*format!("{connection} was not online")));
    assert!(letters[0].function.ends_with(".depart"), "{letters:?}");
    let left = db.rows::<Visit>().iter().filter(|visit| visit.what.ends_with("left")).count();
    assert_eq!(left, 0, "what it wrote is undone");
    db.reopen();
    assert_eq!(db.dead_letters().len(), 1, "it ended once");
    db.assert_replays();
}

#[interstice_sdk::test]
fn only_who_published_it_may_call_what_is_the_owners(db: &mut TestDatabase) {
    db.connect();
    db.act_as("ada");
    let problem = db.call::<u64>("sweep", ()).unwrap_err();
    assert_eq!(problem.code, "not-allowed");
    assert!(
        problem.message.contains("`interstice_sdk.sweep` is for the owner of module `interstice_sdk`"),
        "{problem}"
    );
    assert_eq!(db.rows::<Visit>().len(), 1);
    db.act_as("owner");
    assert_eq!(db.call::<u64>("sweep", ()), Ok(1));
    db.assert_replays();
}
