//! Limits, each at n and at n + 1.

use crate::support::{Answer, call, start_with_guest};
use interstice_protocol::limits::{MAX_ARTEFACT_SIZE, MAX_CALLS_IN_FLIGHT, MAX_CLIENT_MESSAGE_SIZE};
use interstice_protocol::request::Request;
use serde_json::json;

#[test]
fn a_message_has_at_most_a_mebibyte() {
    let node = start_with_guest();
    let mut socket = node.connect();
    let fitting = vec![7; MAX_CLIENT_MESSAGE_SIZE - 9];
    socket.send(&[(1, Request::Echo(&fitting))]);
    assert_eq!(socket.next(), Answer::Echo { id: 1, bytes: fitting.clone() });
    socket.send(&[(2, Request::Echo(&[fitting.as_slice(), &[7]].concat()))]);
    assert_eq!(socket.next(), Answer::Error { id: u32::MAX, code: "too-large".to_owned() });
    assert_eq!(socket.next(), Answer::Closed(1009));
}

#[test]
fn a_request_has_at_most_a_mebibyte_and_an_artefact_fifteen() {
    let node = start_with_guest();
    let body = |size: usize| format!("[{}1]", " ".repeat(size - 3));
    node.post("/v1/call/guest/add", &body(MAX_CLIENT_MESSAGE_SIZE));
    let (status, problem) = node.refused("/v1/call/guest/add", &body(MAX_CLIENT_MESSAGE_SIZE + 1));
    assert_eq!((status, &problem["code"]), (413, &json!("too-large")));
    for (size, expected) in [(MAX_ARTEFACT_SIZE, (400, "invalid-wasm")), (MAX_ARTEFACT_SIZE + 1, (413, "too-large"))] {
        let (status, body) = node.http("POST", "/v1/publish", &vec![0; size]);
        assert_eq!(status, expected.0, "{body}");
        assert!(body.contains(expected.1), "{body}");
    }
}

#[test]
fn a_connection_has_a_bounded_number_of_calls_in_flight() {
    let node = start_with_guest();
    let mut socket = node.connect();
    // One message: none of its calls is answered before all are counted.
    let calls: Vec<_> = (0..=MAX_CALLS_IN_FLIGHT as u32).map(|id| (id, call("add", &[0; 8]))).collect();
    socket.send(&calls);
    let answers = socket.take(calls.len());
    let refused = Answer::Error { id: MAX_CALLS_IN_FLIGHT as u32, code: "too-many-calls".to_owned() };
    assert_eq!(answers.iter().filter(|answer| **answer == refused).count(), 1);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Answer::Ok { .. })).count(), MAX_CALLS_IN_FLIGHT);
}
