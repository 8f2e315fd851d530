//! Checks: as they are written, what they refuse, and what they say.

use interstice_sdk::prelude::*;
use interstice_sdk::test::TestDatabase;

/// The most that an account may hold.
const MOST: i64 = 1_000;

#[datatype]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fee {
    pub(crate) cents: u32,
    pub(crate) currency: Option<String>,
    pub(crate) r#type: u8,
}

#[table(public)]
#[check(fee.cents > 0 && fee.r#type != extra.r#type)]
#[check(balance <= limit)]
#[check((balance >= -10 && !closed) || balance == 0)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Purse {
    #[primary_key]
    pub(crate) id: u64,
    #[check(balance < MOST)]
    pub(crate) balance: i64,
    pub(crate) limit: Option<i64>,
    pub(crate) closed: bool,
    #[check(name.len() <= 8)]
    #[check(!name.is_empty() && name != "nobody")]
    pub(crate) name: String,
    #[check(0.5 <= rate)]
    pub(crate) rate: f64,
    #[check(note.is_none() || note != "x")]
    pub(crate) note: Option<String>,
    #[check(fee.currency.is_none() || fee.currency.len() == 3)]
    pub(crate) fee: Option<Fee>,
    pub(crate) extra: Fee,
}

#[reducer]
fn keep_purse(purses: Write<Purse>, purse: Purse) {
    purses.upsert(purse);
}

#[reducer]
fn try_purse(purses: Insert<Purse>, purse: Purse) -> String {
    purses.try_insert(purse).map_or_else(|error| error.code, |_| "kept".to_owned())
}

fn purse() -> Purse {
    Purse {
        id: 1,
        balance: 5,
        limit: None,
        closed: false,
        name: "ada".to_owned(),
        rate: 0.5,
        note: Some("y".to_owned()),
        fee: Some(fee()),
        extra: Fee { r#type: 2, ..fee() },
    }
}

fn fee() -> Fee {
    Fee { cents: 5, currency: Some("EUR".to_owned()), r#type: 1 }
}

#[test]
fn expressions_stand_in_the_schema_as_they_read() {
    let expressions: Vec<_> = Purse::schema().checks.into_iter().map(|check| check.expression).collect();
    assert_eq!(
        expressions,
        [
            "fee.cents > 0 && fee.r#type != extra.r#type",
            "balance <= limit",
            "(balance >= -10 && !closed) || balance == 0",
            "balance < MOST",
            "name.len() <= 8",
            "!name.is_empty() && name != \"nobody\"",
            "0.5 <= rate",
            "note.is_none() || note != \"x\"",
            "fee.currency.is_none() || fee.currency.len() == 3",
        ]
    );
}

#[interstice_sdk::test]
fn what_a_check_is_false_of_is_refused_with_its_values(db: &mut TestDatabase) {
    db.call::<()>("keep_purse", (purse(),)).unwrap();
    let refused = [
        (Purse { limit: Some(4), ..purse() }, "balance = \"5\", limit = \"4\": its check is `balance <= limit`"),
        (Purse { balance: -11, ..purse() }, "`(balance >= -10 && !closed) || balance == 0`"),
        (Purse { closed: true, ..purse() }, "balance = \"5\", closed = true: its check"),
        (Purse { balance: 1_000, ..purse() }, "`balance < MOST`"),
        (Purse { name: "barbara l".to_owned(), ..purse() }, "name = \"barbara l\": its check is `name.len() <= 8`"),
        (Purse { name: String::new(), ..purse() }, "`!name.is_empty() && name != \"nobody\"`"),
        (Purse { name: "nobody".to_owned(), ..purse() }, "`!name.is_empty() && name != \"nobody\"`"),
        (Purse { rate: 0.25, ..purse() }, "rate = 0.25: its check is `0.5 <= rate`"),
        (Purse { note: Some("x".to_owned()), ..purse() }, "note = \"x\": its check"),
        (Purse { fee: Some(Fee { cents: 0, ..fee() }), ..purse() }, "`fee.cents > 0 && fee.r#type != extra.r#type`"),
        (Purse { extra: fee(), ..purse() }, "`fee.cents > 0 && fee.r#type != extra.r#type`"),
        (Purse { fee: Some(Fee { currency: Some("E".to_owned()), ..fee() }), ..purse() }, "`fee.currency.is_none() ||"),
    ];
    for (row, words) in refused {
        let problem = db.call::<()>("keep_purse", (row,)).unwrap_err();
        assert_eq!(problem.code, "check-failed");
        assert!(problem.message.starts_with("table `purse` takes no row with "), "{}", problem.message);
        assert!(problem.message.contains(words), "{} has no {words}", problem.message);
    }
    assert_eq!(db.rows::<Purse>(), [purse()]);
    let other = Purse { id: 2, balance: -11, ..purse() };
    assert_eq!(db.call::<String>("try_purse", (other,)), Ok("check-failed".to_owned()));
    db.assert_replays();
}

#[interstice_sdk::test]
fn what_is_unknown_or_true_stands(db: &mut TestDatabase) {
    let stands = [
        Purse { limit: Some(5), ..purse() },
        Purse { note: None, ..purse() },
        Purse { fee: None, ..purse() },
        Purse { fee: Some(Fee { currency: None, ..fee() }), ..purse() },
        Purse { closed: true, balance: 0, ..purse() },
        Purse { name: "12345678".to_owned(), ..purse() },
    ];
    for row in stands {
        db.call::<()>("keep_purse", (row,)).unwrap();
    }
}
