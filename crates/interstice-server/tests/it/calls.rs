//! Calls and queries: over HTTP, over binary and JSON messages, good and bad.

use crate::support::{Answer, call, count, http, start, start_with_guest};
use interstice_protocol::request::{Invocation, Request};
use interstice_types::schema::{Schema, signature};
use serde_json::json;

#[test]
fn a_call_over_http_says_where_it_stands_and_what_it_changed() {
    let node = start_with_guest();
    let called = node.post("/v1/call/guest/add", "[7]");
    assert_eq!(
        called,
        json!({"schema": "interstice.call/v1", "offset": "2", "value": "1",
            "changes": {"guest.row": {"insert": 1, "update": 0, "delete": 0}}, "receipt": called["receipt"]})
    );
    assert_eq!(node.post("/v1/call/guest/add", r#"{"value": "8"}"#)["value"], "2");
    assert_eq!(
        node.post("/v1/query/guest/count", ""),
        json!({"schema": "interstice.value/v1", "offset": "3", "value": "2"})
    );
    assert_eq!(
        node.post("/v1/sql", r#"{"sql": "select * from guest.row"}"#),
        json!({"schema": "interstice.rows/v1", "offset": "3",
            "columns": [{"name": "id", "type": "u64"}, {"name": "value", "type": "u64"}],
            "rows": [["1", "7"], ["2", "8"]]})
    );
    assert_eq!(node.get("/v1/rows/guest/row?limit=1")["rows"], json!([["1", "7"]]));
}

#[test]
fn binary_and_json_messages_get_their_answers_in_their_own_form() {
    let node = start_with_guest();
    let mut socket = node.connect();
    socket.send(&[(5, call("add", &7_u64.to_le_bytes()))]);
    assert_eq!(socket.next(), Answer::Ok { id: 5, offset: 2, value: 1_u64.to_le_bytes().to_vec() });
    let answer = socket.ask(r#"{"id":6,"call":"guest.add","args":{"value":8}}"#);
    let receipt = &answer["ok"]["receipt"];
    assert_eq!(answer, json!({"id": 6, "ok": {"offset": "3", "value": "2", "receipt": receipt}}));
    assert_eq!(socket.ask(r#"{"id":7,"query":"guest.count"}"#), json!({"id": 7, "ok": {"offset": "3", "value": "2"}}));
    assert_eq!(socket.ask(r#"{"id":8,"echo":"hi"}"#), json!({"id": 8, "echo": "hi"}));
    socket.send(&[(9, Request::Echo(b"hi"))]);
    assert_eq!(socket.next(), Answer::Echo { id: 9, bytes: b"hi".to_vec() });
}

#[test]
fn a_query_behind_a_call_on_the_same_socket_sees_it() {
    let node = start_with_guest();
    let mut socket = node.connect();
    for round in 1..=50_u64 {
        socket.send(&[(0, call("add", &round.to_le_bytes())), (1, count())]);
        assert!(matches!(socket.next(), Answer::Ok { id: 0, .. }));
        assert_eq!(socket.next(), Answer::Ok { id: 1, offset: round + 1, value: round.to_le_bytes().to_vec() });
    }
}

#[test]
fn five_hundred_and_twelve_calls_in_flight_are_answered_in_order() {
    let node = start_with_guest();
    let mut socket = node.connect();
    let args = 1_u64.to_le_bytes();
    let calls: Vec<_> = (0..512).map(|id| (id, call("add", &args))).collect();
    socket.send(&calls);
    for (id, answer) in socket.take(512).into_iter().enumerate() {
        let value = (id as u64 + 1).to_le_bytes().to_vec();
        assert_eq!(answer, Answer::Ok { id: id as u32, offset: id as u64 + 2, value });
    }
}

#[test]
fn what_a_module_does_wrong_has_its_code_and_the_node_goes_on() {
    let node = start_with_guest();
    let mut socket = node.connect();
    socket.send(&[(1, call("boom", &[])), (2, call("fail", &[])), (3, call("spin", &[])), (4, call("add", &[0; 8]))]);
    let codes: Vec<_> = socket
        .take(4)
        .into_iter()
        .map(|answer| match answer {
            Answer::Error { id, code } => (id, code),
            Answer::Ok { id, .. } => (id, "ok".to_owned()),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [(1, "trap"), (2, "panic"), (3, "out-of-fuel"), (4, "ok")];
    assert_eq!(codes, expected.map(|(id, code)| (id, code.to_owned())));
    let (status, problem) = node.refused("/v1/call/guest/fail", "[]");
    assert_eq!((status, &problem["message"]), (500, &json!("it went wrong")));
}

#[test]
fn what_a_caller_does_wrong_has_its_code_its_status_and_a_hint() {
    let node = start_with_guest();
    let cases = [
        ("/v1/call/gest/add", "[1]", 404, "unknown-module", "did you mean `guest`?"),
        ("/v1/call/guest/ad", "[1]", 404, "unknown-function", "did you mean `add`?"),
        ("/v1/call/guest/count", "[]", 400, "wrong-kind", "use `interstice query guest.count`"),
        ("/v1/query/guest/add", "[1]", 400, "wrong-kind", "use `interstice call guest.add`"),
        ("/v1/call/guest/add", "[]", 400, "invalid-arguments", "`add` takes (value: u64)"),
        ("/v1/call/guest/add", "[1, 2]", 400, "invalid-arguments", "`add` takes (value: u64)"),
        ("/v1/call/guest/add", r#"["x"]"#, 400, "invalid-arguments", "`add` takes (value: u64)"),
        ("/v1/call/guest/add", r#"{"valu": 1}"#, 400, "invalid-arguments", "`add` takes (value: u64)"),
        ("/v1/sql", r#"{"sql": "select * from guest.rows"}"#, 404, "unknown-table", "did you mean `guest.row`?"),
        ("/v1/status/more", "", 404, "unknown-route", "did you mean `/v1/status`?"),
    ];
    for (path, body, status, code, hint) in cases {
        let (found, problem) = node.refused(path, body);
        assert_eq!((found, &problem["code"], &problem["hint"]), (status, &json!(code), &json!(hint)), "{path} {body}");
    }
    for (path, body) in [("/v1/call/guest/add", "[1"), ("/v1/sql", r#"{"text": "select"}"#), ("/v1/sql", "select")] {
        let (status, problem) = node.refused(path, body);
        assert_eq!((status, &problem["code"]), (400, &json!("invalid-message")), "{path} {body}");
    }
    assert_eq!(node.refused("/v1/status", "").0, 405);
}

#[test]
fn messages_that_are_none_are_answered_and_the_next_one_is_read() {
    let node = start_with_guest();
    let mut socket = node.connect();
    for (message, id) in [
        ("{", json!(null)),
        ("[]", json!(null)),
        (r#"{"call":"guest.add"}"#, json!(null)),
        (r#"{"id":4294967295,"call":"guest.add"}"#, json!(null)),
        (r#"{"id":1,"cal":"guest.add"}"#, json!(1)),
        (r#"{"id":1,"call":"add"}"#, json!(1)),
        (r#"{"id":1,"call":"guest.add","args":1}"#, json!(1)),
        (r#"{"id":1,"subscribe":1}"#, json!(1)),
        (r#"{"id":1,"call":"guest.add","args":[1],"more":1}"#, json!(1)),
    ] {
        let answer = socket.ask(message);
        assert_eq!(
            (&answer["error"]["code"], answer.get("id").cloned().unwrap_or_default()),
            (&json!("invalid-message"), id)
        );
    }
    let invalid = |id| Answer::Error { id, code: "invalid-message".to_owned() };
    // No whole head; a length behind the end; an unknown tag; arguments that end in the middle.
    socket.send_bytes(vec![1, 2, 3]);
    socket.send_bytes(vec![200, 0, 0, 0, 1, 9, 0, 0, 0]);
    socket.send_bytes(vec![5, 0, 0, 0, 99, 9, 0, 0, 0]);
    socket.send_bytes(vec![6, 0, 0, 0, 1, 9, 0, 0, 0, 7]);
    assert_eq!(socket.take(4), [invalid(u32::MAX), invalid(u32::MAX), invalid(9), invalid(9)]);
    assert_eq!(socket.ask(r#"{"id":2,"call":"guest.add","args":[1]}"#)["ok"]["value"], "1");
}

#[test]
fn a_signature_is_checked_where_one_is_given() {
    let node = start_with_guest();
    let schema: Schema = serde_json::from_str(crate::support::SCHEMA).unwrap();
    let signature = |name| signature::of_function(schema.function(name).unwrap().1);
    let with = |signature| Request::Call(Invocation { module: "guest", function: "add", signature, args: &[0; 8] });
    let mut socket = node.connect();
    socket.send(&[(1, with(signature("add"))), (2, with(signature("fill")))]);
    assert!(matches!(socket.next(), Answer::Ok { id: 1, .. }));
    assert_eq!(socket.next(), Answer::Error { id: 2, code: "schema-changed".to_owned() });
}

#[test]
fn callers_are_who_they_say_they_are_and_pages_of_other_sites_are_nobody() {
    let node = start_with_guest();
    let url = format!("http://{}/v1/call/guest/add", node.0.addr());
    for name in ["ada", "grace", "ada"] {
        assert_eq!(http(&url, "POST", b"[1]", &[("x-interstice-as", name)]).0, 200);
    }
    let clients = node.get("/v1/rows/interstice/client")["rows"].as_array().unwrap().len();
    assert_eq!(clients, 3, "the owner who published, ada and grace");
    assert_eq!(http(&url, "POST", b"[1]", &[("origin", "https://example.com")]).0, 403);
    assert_eq!(http(&url, "POST", b"[1]", &[("origin", "http://localhost:5173")]).0, 200);
}

#[test]
fn a_session_that_goes_with_calls_in_flight_leaves_the_node_well() {
    let node = start_with_guest();
    let args = 1_u64.to_le_bytes();
    let calls: Vec<_> = (0..256).map(|id| (id, call("add", &args))).collect();
    for _ in 0..8 {
        let mut socket = node.connect();
        socket.send(&[(1, Request::Subscribe { sql: "select * from guest.row", initial: true })]);
        socket.send(&calls);
        drop(socket);
    }
    let mut socket = node.connect();
    socket.send(&[(7, call("add", &args))]);
    assert!(matches!(socket.next(), Answer::Ok { id: 7, .. }));
    node.0.stop().unwrap();
}

#[test]
fn an_empty_node_has_its_own_tables() {
    let node = start();
    assert_eq!(node.get("/v1/schema/interstice")["module"]["module"], "interstice");
    assert_eq!(node.get("/v1/modules"), json!({"schema": "interstice.modules/v1", "modules": []}));
    assert_eq!(node.get("/v1/rows/interstice/module")["rows"], json!([]));
}
