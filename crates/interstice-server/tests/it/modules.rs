//! Publishing, and what a node says of itself and its log.

use crate::support::{Answer, SCHEMA, artefact, call, start, start_with_guest, watching_schema};
use interstice_protocol::request::Request;
use serde_json::json;

/// A version with one column more.
fn wider() -> String {
    SCHEMA.replace("1.0.0", "1.1.0").replace(
        r#"{"name":"value","type":"u64"}]}"#,
        r#"{"name":"value","type":"u64"},{"name":"note","type":"u64","default":"0500000000000000"}]}"#,
    )
}

#[test]
fn a_publish_says_what_is_in_force_then() {
    let node = start();
    let published = node.publish(SCHEMA);
    assert_eq!((&published["schema"], &published["module"]), (&json!("interstice.publish/v1"), &json!("guest")));
    assert_eq!((&published["offset"], &published["functions"]), (&json!("1"), &json!(6)));
    let modules = node.get("/v1/modules")["modules"].clone();
    assert_eq!((&modules[0]["name"], &modules[0]["loaded"]), (&json!("guest"), &json!(true)));
    assert_eq!(modules[0]["artefact"], published["artefact"]);
    assert_eq!(node.get("/v1/schema/guest")["module"]["version"], "1.0.0");
    let status = node.get("/v1/status");
    assert_eq!((&status["offset"], &status["durable"], &status["modules"]), (&json!("2"), &json!("2"), &json!(1)));
    let (status, body) = node.http("POST", "/v1/publish", b"\0asm");
    assert_eq!(status, 400, "{body}");
}

#[test]
fn calls_run_on_while_a_version_is_published() {
    let node = start_with_guest();
    std::thread::scope(|scope| {
        let calling = scope.spawn(|| {
            let mut socket = node.connect();
            for _ in 0..20 {
                let calls: Vec<_> = (0..100).map(|id| (id, call("add", &[1; 8]))).collect();
                socket.send(&calls);
                for answer in socket.take(100) {
                    // The wider row does not fit what the old code writes: refused, not broken.
                    assert!(matches!(answer, Answer::Ok { .. } | Answer::Error { .. }), "{answer:?}");
                }
            }
        });
        for version in ["1.0.1", "1.0.2", "1.0.3"] {
            node.publish(&SCHEMA.replace("1.0.0", version));
        }
        calling.join().unwrap();
    });
    assert_eq!(node.post("/v1/query/guest/count", "")["value"], "2000");
}

#[test]
fn a_publish_waits_for_the_events_before_it() {
    let node = start();
    node.publish(&watching_schema());
    let mut socket = node.connect();
    socket.send(&[(1, call("fill", &10_000_u64.to_le_bytes()))]);
    assert!(matches!(socket.next(), Answer::Ok { id: 1, offset: 2, .. }));
    let published = node.publish(&watching_schema().replace("1.0.0", "1.0.1"));
    assert_eq!(published["offset"], "10003", "ten thousand events are transactions of their own");
    assert_eq!(node.get("/v1/status")["pending_events"], 0);
    let (_, line) = node.http("GET", "/v1/log/dump?from=3&limit=1", b"");
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&told["cause"], &told["function"]), (&json!("event"), &json!("guest.watch")));
}

#[test]
fn a_publish_that_changes_columns_closes_the_subscriptions_that_show_them() {
    let node = start_with_guest();
    let mut socket = node.connect();
    socket.send(&[
        (1, Request::Subscribe { sql: "select * from guest.row", initial: false }),
        (2, Request::Subscribe { sql: "select * from interstice.client", initial: false }),
    ]);
    socket.take(2);
    let (status, body) = node.http("POST", "/v1/publish", &artefact(&wider()));
    assert_eq!(status, 200, "{body}");
    assert_eq!(socket.next(), Answer::Error { id: 1, code: "subscription-closed".to_owned() });
    socket.send(&[(1, Request::Subscribe { sql: "select * from guest.row", initial: false })]);
    let names = ["id", "value", "note"].map(str::to_owned).to_vec();
    assert_eq!(socket.next(), Answer::Columns { id: 1, names });
}

#[test]
fn the_log_is_told_verified_and_run_again() {
    let node = start_with_guest();
    node.post("/v1/call/guest/add", "[7]");
    let (status, lines) = node.http("GET", "/v1/log/dump", b"");
    assert_eq!(status, 200);
    let told: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.iter().map(|t| t["cause"].as_str().unwrap()).collect::<Vec<_>>(), ["genesis", "publish", "call"]);
    let call = &told[2];
    assert_eq!(
        (&call["function"], &call["args"], &call["value"]),
        (&json!("guest.add"), &json!({"value": "7"}), &json!("1"))
    );
    assert_eq!((&call["offset"], &call["outcome"]), (&json!("2"), &json!("ok")));
    let insert = json!({"table": "guest.row", "insert": {"id": "1", "value": "7"}});
    assert!(call["changes"].as_array().unwrap().contains(&insert), "{call}");
    let (_, lines) = node.http("GET", "/v1/log/dump?from=1&limit=1", b"");
    assert_eq!(lines.lines().count(), 1);
    assert!(lines.contains(r#""cause":"publish""#));
    let verified = node.get("/v1/log/verify");
    assert_eq!((&verified["ok"], &verified["transactions"]), (&json!(true), &json!("3")));
    let checked = node.post("/v1/replay/check", "");
    assert_eq!((&checked["ok"], &checked["checked"]), (&json!(true), &json!("3")));
}
