//! `chat` on a database of its own, with several people.

use chat::{Body, Message, User};
use interstice_sdk::prelude::{Duration, Timestamp};
use interstice_sdk::test::TestDatabase;

fn texts(messages: Vec<Message>) -> Vec<String> {
    let text = |message: Message| match message.body {
        Body::Text(text) => text,
        Body::Image { url, .. } => url,
    };
    messages.into_iter().map(text).collect()
}

#[interstice_sdk::test]
fn messages_are_numbered_in_their_room(db: &mut TestDatabase) {
    assert_eq!(db.call::<u64>("send", ("general", "hi")), Ok(1));
    assert_eq!(db.call::<u64>("send", ("random", "lo")), Ok(1));
    assert_eq!(db.call::<u64>("send_image", ("general", "cat.png", 8_u32, 6_u32)), Ok(2));
    assert_eq!(texts(db.query("latest", ("general", 10_u32)).unwrap()), ["hi", "cat.png"]);
    assert_eq!(texts(db.query("latest", ("general", 1_u32)).unwrap()), ["cat.png"]);
    assert_eq!(db.call::<u64>("send", ("general", " ")).unwrap_err().code, "empty-text");
    db.reopen();
    assert_eq!(db.call::<u64>("send", ("general", "again")), Ok(3));
    db.assert_replays();
}

#[interstice_sdk::test]
fn a_name_belongs_to_one_person(db: &mut TestDatabase) {
    let ada = db.act_as("ada");
    db.call::<()>("set_name", ("ada",)).unwrap();
    db.act_as("grace");
    let problem = db.call::<()>("set_name", ("ada",)).unwrap_err();
    assert_eq!(problem.to_string().lines().next(), Some("error[name-taken]: the name `ada` is taken"));
    db.act_as("ada");
    db.call::<()>("set_name", ("lovelace",)).unwrap();
    let users = db.rows::<User>();
    assert_eq!((users.len(), users[0].id, users[0].name.as_str()), (1, ada, "lovelace"));
}

#[interstice_sdk::test]
fn a_composite_index_finds_what_somebody_wrote_since(db: &mut TestDatabase) {
    let ada = db.act_as("ada");
    db.call::<u64>("send", ("general", "early")).unwrap();
    db.advance(Duration::from_secs(60));
    let later: Timestamp = db.now();
    db.call::<u64>("send", ("random", "late")).unwrap();
    db.act_as("grace");
    db.call::<u64>("send", ("general", "somebody else's")).unwrap();
    assert_eq!(texts(db.query("written_by", (ada, later)).unwrap()), ["late"]);
    assert_eq!(texts(db.query("written_by", (ada, Timestamp::EPOCH)).unwrap()), ["early", "late"]);
}
