//! Subscriptions: rows that are there, then every change, in order, once.

use crate::support::{Answer, SCHEMA, call, row, start, start_with_guest};
use interstice_protocol::limits::{MAX_ROWS_PART_SIZE, MAX_SUBSCRIPTIONS};
use interstice_protocol::request::{ANY_SIGNATURE, Invocation, Request};
use serde_json::json;

const ALL: &str = "select * from guest.row";

fn subscribe(initial: bool) -> Request<'static> {
    Request::Subscribe { sql: ALL, initial }
}

/// `count` counts a table that nothing writes.
fn blind_schema() -> String {
    let other = r#"{"name":"other","public":true,"primary_key":[0],"columns":[{"name":"id","type":"u64"}]}"#;
    let schema = SCHEMA.replace(r#""tables":["#, &format!(r#""tables":[{other},"#));
    schema.replace(r#""handles":[{"table":"row","access":"read"}]"#, r#""handles":[{"table":"other","access":"read"}]"#)
}

/// `fail` is a query.
fn failing_schema() -> String {
    SCHEMA.replace(r#"{"name":"fail","kind":"reducer""#, r#"{"name":"fail","kind":"query""#)
}

#[test]
fn initial_rows_come_first_and_then_one_update_for_each_transaction() {
    let node = start_with_guest();
    node.post("/v1/call/guest/add", "[7]");
    let mut socket = node.connect();
    socket.send(&[(1, subscribe(true))]);
    assert_eq!(socket.next(), Answer::Columns { id: 1, names: vec!["id".to_owned(), "value".to_owned()] });
    assert_eq!(socket.next(), Answer::Rows { id: 1, offset: 2, last: true, rows: vec![row(1, 7)] });
    for value in 8..20 {
        node.post("/v1/call/guest/add", &format!("[{value}]"));
    }
    node.post("/v1/call/guest/fill", "[2]");
    for value in 8..20 {
        let inserts = vec![row(value - 6, value)];
        assert_eq!(socket.next(), Answer::Update { id: 1, offset: value - 5, inserts, deletes: vec![] });
    }
    let inserts = vec![row(14, 2), row(15, 1)];
    assert_eq!(socket.next(), Answer::Update { id: 1, offset: 15, inserts, deletes: vec![] });
}

#[test]
fn json_updates_carry_objects() {
    let node = start_with_guest();
    node.post("/v1/call/guest/add", "[7]");
    let mut socket = node.connect();
    let columns = socket.ask(&format!(r#"{{"id":3,"subscribe":"{ALL}","initial":true}}"#));
    assert_eq!(columns["columns"][1], json!({"name": "value", "type": "u64"}));
    assert_eq!(
        socket.next_text(),
        json!({"id": 3, "update": {"offset": "2", "initial": true, "insert": [{"id": "1", "value": "7"}], "delete": []}})
    );
    node.post("/v1/call/guest/add", "[8]");
    assert_eq!(
        socket.next_text(),
        json!({"id": 3, "update": {"offset": "3", "insert": [{"id": "2", "value": "8"}], "delete": []}})
    );
    assert_eq!(socket.ask(r#"{"id":3,"unsubscribe":true}"#), json!({"id": 3, "ok": {"offset": "3", "value": null}}));
}

#[test]
fn a_subscription_begins_exactly_where_it_stands_among_the_calls() {
    let node = start_with_guest();
    let mut socket = node.connect();
    socket.send(&[
        (1, call("add", &[1; 8])),
        (2, subscribe(false)),
        (3, call("add", &[2; 8])),
        (2, Request::Unsubscribe),
        (4, call("add", &[3; 8])),
    ]);
    let answers = socket.take(6);
    let updates: Vec<_> = answers.iter().filter(|answer| matches!(answer, Answer::Update { .. })).collect();
    let inserts = vec![row(2, u64::from_le_bytes([2; 8]))];
    assert_eq!(updates, [&Answer::Update { id: 2, offset: 3, inserts, deletes: vec![] }]);
}

#[test]
fn many_rows_come_in_parts_and_no_update_overtakes_them() {
    const ROWS: u64 = 40_000;
    let node = start_with_guest();
    for _ in 0..ROWS / 10_000 {
        node.post("/v1/call/guest/fill", "[10000]");
    }
    let mut socket = node.connect();
    socket.send(&[(1, subscribe(true)), (2, call("add", &[9; 8]))]);
    let (mut rows, mut parts, mut updates) = (Vec::new(), 0, 0);
    while updates == 0 {
        match socket.next() {
            Answer::Rows { rows: part, last, .. } => {
                assert!(part.iter().map(Vec::len).sum::<usize>() <= MAX_ROWS_PART_SIZE);
                rows.extend(part);
                parts += 1;
                assert_eq!(last, rows.len() as u64 == ROWS);
            }
            Answer::Update { inserts, .. } => {
                assert_eq!(rows.len() as u64, ROWS, "the update waits for the last part");
                assert_eq!(inserts, [row(ROWS + 1, u64::from_le_bytes([9; 8]))]);
                updates += 1;
            }
            Answer::Columns { .. } | Answer::Ok { id: 2, .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(parts > 1);
    assert!(rows.iter().zip(1_u64..).all(|(row, id)| row.starts_with(&id.to_le_bytes())));
}

#[test]
fn every_subscriber_hears_everything_in_the_same_order() {
    let node = start_with_guest();
    let mut sockets: Vec<_> = (0..50).map(|_| node.connect()).collect();
    for socket in &mut sockets {
        socket.send(&[(1, subscribe(false))]);
        assert!(matches!(socket.next(), Answer::Columns { .. }));
    }
    let mut caller = node.connect();
    let calls: Vec<_> = (0..200).map(|id| (id, call("add", &[1; 8]))).collect();
    caller.send(&calls);
    for socket in &mut sockets {
        for expected in 0..200 {
            assert!(matches!(socket.next(), Answer::Update { offset, .. } if offset == expected + 2));
        }
    }
}

#[test]
fn a_connection_that_does_not_read_is_cut_and_nobody_waits_for_it() {
    const FILLS: usize = 150;
    let node = start_with_guest();
    let mut slow = node.connect();
    slow.send(&[(1, subscribe(false))]);
    assert!(matches!(slow.next(), Answer::Columns { .. }));
    for _ in 0..FILLS {
        node.post("/v1/call/guest/fill", "[10000]");
    }
    // The close may or may not get through: what matters is that the updates behind the cut were not kept.
    let (updates, code) = slow.drain();
    assert!(updates < FILLS, "thirty megabytes do not fit into eight and what the system buffers: {updates}");
    assert!(matches!(code, Some(4001) | None), "{code:?}");
    assert_eq!(node.post("/v1/query/guest/count", "")["value"], (FILLS * 10_000).to_string());
}

#[test]
fn what_cannot_be_subscribed_to_says_so() {
    let node = start_with_guest();
    let mut socket = node.connect();
    let cases = [
        (1, "select * from guest.rows", "unknown-table"),
        (2, "select * from guest.row limit 3", "not-subscribable"),
        (3, "watch guest.row", "invalid-sql"),
    ];
    for (id, sql, code) in cases {
        socket.send(&[(id, Request::Subscribe { sql, initial: true })]);
        assert_eq!(socket.next(), Answer::Error { id, code: code.to_owned() });
    }
    socket.send(&[(4, subscribe(false)), (4, subscribe(false))]);
    let answers = socket.take(2);
    assert!(answers.contains(&Answer::Error { id: 4, code: "duplicate-id".to_owned() }), "{answers:?}");
}

fn subscribe_count() -> Request<'static> {
    Request::SubscribeQuery(Invocation { module: "guest", function: "count", signature: ANY_SIGNATURE, args: &[] })
}

fn value(offset: u64, count: u64) -> Answer {
    Answer::Value { id: 1, offset, value: count.to_le_bytes().to_vec() }
}

#[test]
fn a_query_is_answered_at_once_and_whenever_its_answer_is_another_one() {
    let node = start_with_guest();
    node.post("/v1/call/guest/add", "[7]");
    let mut socket = node.connect();
    socket.send(&[(1, subscribe_count())]);
    assert_eq!(socket.next(), value(2, 1));
    node.post("/v1/call/guest/add", "[8]");
    assert_eq!(socket.next(), value(3, 2));
    // A publish of the same makes it look again, and it sees the same.
    node.publish(SCHEMA);
    node.post("/v1/call/guest/add", "[9]");
    assert_eq!(socket.next(), value(5, 3));
    socket.send(&[(1, Request::Unsubscribe)]);
    let Answer::Ok { id: 1, .. } = socket.next() else { panic!("the end") };
    node.post("/v1/call/guest/add", "[10]");
    socket.send(&[(2, Request::Echo(&[5]))]);
    assert_eq!(socket.next(), Answer::Echo { id: 2, bytes: vec![5] });
}

#[test]
fn a_query_is_not_asked_when_nothing_that_it_reads_has_changed() {
    let node = start();
    node.publish(&blind_schema());
    let mut socket = node.connect();
    // `count` counts a table that `add` does not write.
    socket.send(&[(1, subscribe_count())]);
    assert_eq!(socket.next(), value(1, 0));
    let before = node.get("/v1/status")["offset"].clone();
    (0..20).for_each(|n| drop(node.post("/v1/call/guest/add", &format!("[{n}]"))));
    assert_ne!(node.get("/v1/status")["offset"], before);
    socket.send(&[(2, Request::Echo(&[5]))]);
    assert_eq!(socket.next(), Answer::Echo { id: 2, bytes: vec![5] });
}

#[test]
fn many_commits_between_two_looks_are_one_answer_and_the_last_is_always_told() {
    let node = start_with_guest();
    let mut socket = node.connect();
    socket.send(&[(1, subscribe_count())]);
    assert_eq!(socket.next(), value(1, 0));
    let args: Vec<_> = (0..3_000_u64).map(u64::to_le_bytes).collect();
    let calls: Vec<_> = (10..).zip(&args).map(|(id, args)| (id, call("add", args))).collect();
    socket.send(&calls);
    let (mut acknowledged, mut last) = (0, 0);
    while acknowledged < 3_000 || last < 3_000 {
        match socket.next() {
            Answer::Ok { .. } => acknowledged += 1,
            Answer::Value { id: 1, value, .. } => {
                let count = u64::from_le_bytes(value.try_into().unwrap());
                assert!(count > last, "{count} behind {last}");
                last = count;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(last, 3_000);
}

#[test]
fn queries_in_json_are_told_in_json() {
    let node = start_with_guest();
    let mut socket = node.connect();
    let first = socket.ask(r#"{"id":6,"subscribe_query":"guest.count","args":[]}"#);
    assert_eq!(first, json!({"id": 6, "value": {"offset": "1", "value": "0"}}));
    node.post("/v1/call/guest/add", "[7]");
    assert_eq!(socket.next_text(), json!({"id": 6, "value": {"offset": "2", "value": "1"}}));
    for (name, code) in [("guest.cuont", "unknown-function"), ("guest.add", "wrong-kind")] {
        let refused = socket.ask(&format!(r#"{{"id":7,"subscribe_query":"{name}"}}"#));
        assert_eq!(refused["error"]["code"], code);
    }
    let twice = socket.ask(r#"{"id":6,"subscribe_query":"guest.count"}"#);
    assert_eq!(twice["error"]["code"], "duplicate-id");
    assert_eq!(socket.ask(r#"{"id":6,"unsubscribe":true}"#)["ok"]["value"], json!(null));
}

#[test]
fn a_publish_that_takes_a_query_away_closes_what_subscribed_to_it() {
    let node = start_with_guest();
    let mut socket = node.connect();
    socket.send(&[(1, subscribe_count())]);
    assert_eq!(socket.next(), value(1, 0));
    node.publish(&SCHEMA.replace(
        r#""kind":"query","handles":[{"table":"row","access":"read"}],"returns":"u64""#,
        r#""kind":"query","handles":[{"table":"row","access":"read"}],"returns":"i64""#,
    ));
    assert_eq!(socket.next(), Answer::Error { id: 1, code: "subscription-closed".to_owned() });
    // The id is free again.
    socket.send(&[(1, subscribe_count())]);
    assert_eq!(socket.next(), value(2, 0));
}

#[test]
fn a_query_that_fails_ends_its_subscription_and_wrong_ones_do_not_begin() {
    let node = start();
    node.publish(&failing_schema());
    let mut socket = node.connect();
    let of = |function: &'static str, args: &'static [u8]| {
        Request::SubscribeQuery(Invocation { module: "guest", function, signature: ANY_SIGNATURE, args })
    };
    socket.send(&[(1, of("fail", &[])), (2, of("fail", &[1])), (3, of("nothing", &[])), (4, of("add", &[0; 8]))]);
    let mut codes: Vec<_> = socket
        .take(4)
        .into_iter()
        .map(|answer| match answer {
            Answer::Error { id, code } => (id, code),
            other => panic!("{other:?}"),
        })
        .collect();
    codes.sort();
    let expected = [(1, "panic"), (2, "invalid-arguments"), (3, "unknown-function"), (4, "wrong-kind")];
    assert_eq!(codes, expected.map(|(id, code)| (id, code.to_owned())));
    let invocation = Invocation { module: "guest", function: "count", signature: [9; 8], args: &[] };
    socket.send(&[(1, Request::SubscribeQuery(invocation))]);
    assert_eq!(socket.next(), Answer::Error { id: 1, code: "schema-changed".to_owned() });
}

#[test]
fn a_session_has_as_many_subscriptions_as_it_may_whatever_they_are_to() {
    let node = start_with_guest();
    let mut socket = node.connect();
    let all: Vec<_> = (0..=MAX_SUBSCRIPTIONS as u32).map(|id| (id, subscribe_count())).collect();
    socket.send(&all);
    let answers = socket.take(MAX_SUBSCRIPTIONS + 1);
    let refused = answers.iter().filter(|answer| matches!(answer, Answer::Error { .. })).collect::<Vec<_>>();
    let code = "too-many-subscriptions".to_owned();
    assert_eq!(refused, [&Answer::Error { id: MAX_SUBSCRIPTIONS as u32, code }]);
    node.post("/v1/call/guest/add", "[7]");
    assert_eq!(socket.take(MAX_SUBSCRIPTIONS).len(), MAX_SUBSCRIPTIONS, "each hears of it");
}
