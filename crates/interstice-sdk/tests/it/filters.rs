//! Conditions on columns, looked at by the host: every way to say one, on scans, counts and deletes.

use interstice_sdk::prelude::*;
use interstice_sdk::test::TestDatabase;

#[datatype]
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    Text(String),
    Image { url: String, width: u32 },
    Nothing,
}

#[datatype]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Price {
    pub(crate) currency: String,
    pub(crate) amount: Option<i64>,
}

#[table(public)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    #[primary_key]
    pub(crate) id: u64,
    #[index]
    pub(crate) room: String,
    pub(crate) score: Option<i32>,
    pub(crate) best: i32,
    pub(crate) flag: bool,
    pub(crate) tags: Vec<String>,
    pub(crate) body: Body,
    pub(crate) price: Option<Price>,
}

#[reducer]
fn say(messages: Insert<Message>, message: Message) {
    messages.insert(message);
}

fn condition(how: &str) -> Filter<Message> {
    match how {
        "eq" => Message::ROOM.eq("a"),
        "ne" => Message::ROOM.ne("a".to_owned()),
        "lt" => Message::BEST.lt(-1),
        "le" => Message::BEST.le(&-1),
        "gt" => Message::ID.gt(5),
        "ge" => Message::ID.ge(5),
        "flag" => Message::FLAG.eq(true),
        "and not" => Message::ID.gt(5) & !Message::ROOM.eq("a"),
        "or" => Message::ID.eq(1) | Message::ID.eq(3) | Message::ID.eq(8),
        "none" => Message::SCORE.is_none(),
        "some" => Message::SCORE.is_some(),
        "eq none" => Message::SCORE.eq(None),
        "ne none" => Message::SCORE.ne(None),
        "lt none" => Message::SCORE.lt(None) | !Message::SCORE.lt(None),
        "optional" => Message::SCORE.ge(2),
        "not optional" => !Message::SCORE.ge(2),
        "inside" => Message::SCORE.inside().lt(2),
        "two columns" => Message::SCORE.le_column(Message::BEST),
        "two columns, the other way" => Message::BEST.lt_column(Message::SCORE),
        "text length" => Message::ROOM.len().gt(1),
        "list length" => Message::TAGS.len().eq(2),
        "is" => Message::BODY.is("Image"),
        "text" => Message::BODY.path::<String>("Text.0").eq("hello"),
        "not text" => !Message::BODY.path::<String>("Text.0").eq("hello"),
        "width" => Message::BODY.path::<u32>("Image.width").ge(20),
        "amount" => {
            Message::PRICE.path::<Option<i64>>("amount").gt(1) & Message::PRICE.path::<String>("currency").eq("EUR")
        }
        other => panic!("no condition `{other}`"),
    }
}

#[query]
fn which(messages: Read<Message>, how: String) -> Vec<u64> {
    messages.scan().filter(condition(&how)).map(|message| message.id).collect()
}

#[query]
fn how_many(messages: Read<Message>, how: String) -> u64 {
    messages.count_where(condition(&how))
}

#[reducer]
fn remove(messages: Write<Message>, how: String) -> u64 {
    messages.delete_where(condition(&how))
}

#[query]
fn narrowed(messages: Read<Message>, how: String) -> Vec<u64> {
    let rows = match how.as_str() {
        "reverse" => messages.scan().reverse(),
        "limit" => messages.scan().limit(3).limit(5),
        "limit behind filter" => messages.scan().filter(Message::ID.gt(2)).limit(2),
        "two filters" => messages.scan().filter(Message::ID.gt(2)).filter(Message::ROOM.eq("a")),
        "reverse limit" => messages.scan().reverse().filter(Message::ROOM.eq("a")).limit(2),
        "index" => messages.by_room("a").scan().filter(Message::BEST.ge(0)).reverse().limit(2),
        "none" => messages.by_room("a").limit(0).scan(),
        other => panic!("no way `{other}`"),
    };
    rows.map(|row| row.id).collect()
}

/// Filters on all rows of a large table, in one call: with a limit on fuel it ends.
#[reducer]
fn count_forever(messages: Write<Message>) -> u64 {
    loop {
        messages.count_where(Message::ID.lt(0));
    }
}

fn message(id: u64) -> Message {
    Message {
        id,
        room: if id.is_multiple_of(2) { "a".to_owned() } else { format!("b{id}") },
        score: (!id.is_multiple_of(3)).then_some(id as i32 - 4),
        best: 12 - 2 * id as i32,
        flag: id > 7,
        tags: (0..id % 4).map(|tag| tag.to_string()).collect(),
        body: match id % 3 {
            0 => Body::Text(if id == 3 { "hello" } else { "bye" }.to_owned()),
            1 => Body::Image { url: "x".repeat(id as usize), width: id as u32 * 5 },
            _ => Body::Nothing,
        },
        price: (id % 4 > 1).then(|| Price {
            currency: if id < 7 { "EUR" } else { "USD" }.to_owned(),
            amount: (id != 2).then_some(id as i64 - 2),
        }),
    }
}

const LAST: u64 = 9;

fn filled(db: &mut TestDatabase) -> Vec<Message> {
    let messages: Vec<_> = (1..=LAST).map(message).collect();
    for message in &messages {
        db.call::<()>("say", (message.clone(),)).unwrap();
    }
    messages
}

type Meaning = fn(&Message) -> bool;

/// Each condition with what it means, in Rust on the row.
const CONDITIONS: &[(&str, Meaning)] = &[
    ("eq", |m| m.room == "a"),
    ("ne", |m| m.room != "a"),
    ("lt", |m| m.best < -1),
    ("le", |m| m.best <= -1),
    ("gt", |m| m.id > 5),
    ("ge", |m| m.id >= 5),
    ("flag", |m| m.flag),
    ("and not", |m| m.id > 5 && m.room != "a"),
    ("or", |m| [1, 3, 8].contains(&m.id)),
    ("none", |m| m.score.is_none()),
    ("some", |m| m.score.is_some()),
    ("eq none", |m| m.score.is_none()),
    ("ne none", |m| m.score.is_some()),
    ("lt none", |_| true),
    ("optional", |m| m.score.is_some_and(|score| score >= 2)),
    ("not optional", |m| m.score.is_some_and(|score| score < 2)),
    ("inside", |m| m.score.is_some_and(|score| score < 2)),
    ("two columns", |m| m.score.is_some_and(|score| score <= m.best)),
    ("two columns, the other way", |m| m.score.is_some_and(|score| m.best < score)),
    ("text length", |m| m.room.len() > 1),
    ("list length", |m| m.tags.len() == 2),
    ("is", |m| matches!(m.body, Body::Image { .. })),
    ("text", |m| m.body == Body::Text("hello".to_owned())),
    ("not text", |m| matches!(&m.body, Body::Text(text) if text != "hello")),
    ("width", |m| matches!(m.body, Body::Image { width: 20.., .. })),
    ("amount", |m| m.price.as_ref().is_some_and(|p| p.currency == "EUR" && p.amount.is_some_and(|n| n > 1))),
];

#[interstice_sdk::test]
fn the_host_finds_what_a_condition_says(db: &mut TestDatabase) {
    let messages = filled(db);
    for (how, holds) in CONDITIONS {
        let expected: Vec<_> = messages.iter().filter(|message| holds(message)).map(|message| message.id).collect();
        assert!(!expected.is_empty(), "{how}: a condition that never holds shows nothing");
        assert_eq!(db.query::<Vec<u64>>("which", (*how,)).unwrap(), expected, "{how}");
        assert_eq!(db.query::<u64>("how_many", (*how,)).unwrap(), expected.len() as u64, "{how}");
    }
}

#[interstice_sdk::test]
fn rows_are_narrowed_in_the_host(db: &mut TestDatabase) {
    filled(db);
    let cases: [(&str, &[u64]); 7] = [
        ("reverse", &[9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("limit", &[1, 2, 3]),
        ("limit behind filter", &[3, 4]),
        ("two filters", &[4, 6, 8]),
        ("reverse limit", &[8, 6]),
        ("index", &[6, 4]),
        ("none", &[]),
    ];
    for (how, expected) in cases {
        assert_eq!(db.query::<Vec<u64>>("narrowed", (how,)).unwrap(), expected, "{how}");
    }
}

#[interstice_sdk::test]
fn what_a_condition_holds_for_is_deleted_and_nothing_else(db: &mut TestDatabase) {
    filled(db);
    assert_eq!(db.call::<u64>("remove", ("eq",)), Ok(4));
    assert_eq!(db.rows::<Message>().iter().map(|message| message.id).collect::<Vec<_>>(), [1, 3, 5, 7, 9]);
    assert_eq!(db.call::<u64>("remove", ("eq",)), Ok(0));
    db.assert_replays();
}

#[interstice_sdk::test]
fn every_row_that_is_looked_at_is_paid_for(db: &mut TestDatabase) {
    filled(db);
    assert_eq!(db.call::<u64>("count_forever", ()).unwrap_err().code, "out-of-fuel");
}
