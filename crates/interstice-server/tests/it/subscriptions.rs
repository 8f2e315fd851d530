//! Subscriptions: rows that are there, then every change, in order, once.

use crate::support::{Answer, call, row, start_with_guest};
use interstice_protocol::limits::MAX_ROWS_PART_SIZE;
use interstice_protocol::request::Request;
use serde_json::json;

const ALL: &str = "select * from guest.row";

fn subscribe(initial: bool) -> Request<'static> {
    Request::Subscribe { sql: ALL, initial }
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
