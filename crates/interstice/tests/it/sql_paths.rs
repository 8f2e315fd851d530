//! Paths into what columns hold, variants, columns beside columns; and how a statement is explained.

use crate::sql::snapshot_of;
use expect_test::{Expect, expect};
use interstice::sql::{Explanation, Select};
use interstice_engine::read::Snapshot;

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn price(currency: &str, amount: Option<i64>) -> Vec<u8> {
    let amount = amount.map_or(vec![0], |amount| [&[1][..], &amount.to_le_bytes()].concat());
    [vec![1], text(currency), amount].concat()
}

/// Of table `post`: text, image, nothing; with a price, with half of one, with none.
fn posts() -> Snapshot {
    let image = |url: &str, width: u32| [vec![1], text(url), width.to_le_bytes().to_vec()].concat();
    let rows = [
        (1_u64, [vec![0], text("hello")].concat(), price("EUR", Some(5)), 4_i64),
        (2, [vec![0], text("it's")].concat(), vec![0], 0),
        (3, image("a.png", 10), price("EUR", None), 0),
        (4, image("b.png", 20), price("USD", Some(7)), 8),
        (5, vec![2], price("USD", Some(-1)), -1),
    ];
    let bytes = |(id, body, price, least): (u64, Vec<u8>, Vec<u8>, i64)| {
        [&id.to_le_bytes()[..], &body, &price, &least.to_le_bytes()].concat()
    };
    snapshot_of("post", rows.map(bytes))
}

#[test]
fn a_path_leads_into_what_a_column_holds() {
    let snapshot = posts();
    let cases: &[(&str, &[u64])] = &[
        ("body.text = 'hello'", &[1]),
        ("body.Text <> 'hello'", &[2]),
        ("not body.text = 'hello'", &[2]),
        ("body.image.width > 10", &[4]),
        ("body.image.width >= 10 and body.image.url = 'a.png'", &[3]),
        ("not (body.image.width > 10 or body.text = 'hello')", &[]),
        ("body is image", &[3, 4]),
        ("body IS NOT Image", &[1, 2, 5]),
        ("not body is image", &[1, 2, 5]),
        ("post.body is nothing", &[5]),
        ("chat.post.body.image.width = 20", &[4]),
        ("price.currency = 'EUR'", &[1, 3]),
        ("price.amount > 0", &[1, 4]),
        ("price.amount <= 0", &[5]),
        ("price.amount is null", &[2, 3]),
        ("price.amount is not null", &[1, 4, 5]),
        ("price is null", &[2]),
        ("body.text is null", &[3, 4, 5]),
        ("price.amount > least", &[1]),
        ("least >= price.amount", &[4, 5]),
        ("price.amount in (5, 7) and body is text", &[1]),
        ("price.amount between 0 and 6", &[1]),
    ];
    for (condition, expected) in cases {
        let select = Select::parse(&format!("select id from chat.post where {condition}"), &snapshot);
        let rows = select.unwrap_or_else(|problem| panic!("{condition}: {problem}")).rows(&snapshot).unwrap();
        let ids: Vec<_> = rows.iter().map(|row| u64::from_le_bytes(row[..8].try_into().unwrap())).collect();
        assert_eq!(ids, *expected, "{condition}");
    }
}

fn refused(condition: &str, expected: &Expect) {
    let statement = format!("select id from chat.post where {condition}");
    expected.assert_eq(&Select::parse(&statement, &posts()).unwrap_err().to_string());
}

#[test]
fn a_path_that_leads_nowhere_is_shown() {
    refused(
        "body is imag",
        &expect![[r"
        error[unknown-variant]: enum `Body` has no variant `imag`
          where: line 1, column 40
          |
        1 | select id from chat.post where body is imag
          |                                        ^^^^
          hint:  did you mean `image`?"]],
    );
    refused(
        "body.image.with = 1",
        &expect![[r"
        error[unknown-field]: variant `Image` of enum `Body` has no field `with`
          where: line 1, column 43
          |
        1 | select id from chat.post where body.image.with = 1
          |                                           ^^^^
          hint:  did you mean `width`?"]],
    );
    refused(
        "body.image = 1",
        &expect![[r"
        error[unknown-field]: variant `Image` of enum `Body` is not one value
          where: line 1, column 37
          |
        1 | select id from chat.post where body.image = 1
          |                                     ^^^^^
          hint:  name one of its fields: url, width"]],
    );
    refused(
        "id.text = 1",
        &expect![[r"
        error[unknown-field]: `id.text`: u64 has no `text`
          where: line 1, column 35
          |
        1 | select id from chat.post where id.text = 1
          |                                   ^^^^"]],
    );
    refused(
        "id = least",
        &expect![[r"
        error[types-differ]: `id = least` compares u64 with i64
          where: line 1, column 32
          |
        1 | select id from chat.post where id = least
          |                                ^^^^^^^^^^"]],
    );
    refused(
        "id is image",
        &expect![[r"
        error[unknown-variant]: u64 has no variants
          where: line 1, column 38
          |
        1 | select id from chat.post where id is image
          |                                      ^^^^^"]],
    );
    refused(
        "price.amont = 1",
        &expect![[r"
        error[unknown-field]: struct `Price` has no field `amont`
          where: line 1, column 38
          |
        1 | select id from chat.post where price.amont = 1
          |                                      ^^^^^
          hint:  did you mean `amount`?"]],
    );
}

#[test]
fn an_explanation_says_what_serves_and_what_is_left() {
    let snapshot = posts();
    let explain = |rest: &str| {
        let select = Select::parse(&format!("select id from chat.post {rest}"), &snapshot).unwrap();
        select.explain(&snapshot).unwrap()
    };
    let Explanation { index, keys, backwards, filter, sorted_by, examined, returned } =
        explain("where id > 1 and (body.text = 'it''s' or not body is image) order by least desc, id limit 1");
    assert_eq!((index.as_str(), keys, backwards), ("primary key", vec!["id in a range".to_owned()], false));
    assert_eq!(filter.unwrap(), "body.Text = 'it''s' OR NOT body IS Image");
    assert_eq!((sorted_by, examined, returned), (vec!["least DESC".to_owned(), "id".to_owned()], 4, 1));
    let all = explain("order by id desc limit 2");
    assert_eq!((all.backwards, all.filter, all.examined, all.returned), (true, None, 2, 2));
    let filter = |condition: &str| explain(&format!("where {condition}")).filter.unwrap();
    assert_eq!(
        filter("price.amount > least and price.currency <> 'x' and body.image.width in (1, 2)"),
        "price.amount > least AND price.currency <> 'x' AND (body.Image.width = 1 OR body.Image.width = 2)"
    );
}
