//! WebSocket connections that modules are told of: in order with what is said on them, and when the node went down meanwhile.

use crate::support::{Answer, Node, SCHEMA, call, config};
use interstice_server::server::Server;
use interstice_server::start::Config;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// As [`SCHEMA`], but `add` is told of connections that begin, and adds their number, and `fill` of those that end, and adds as many
/// rows.
fn told() -> String {
    let reducer = |name: &str| format!(r#""name":"{name}","kind":"reducer""#);
    let on = |name: &str, kind: &str| format!(r#""name":"{name}","kind":"{kind}""#);
    SCHEMA.replace(&reducer("add"), &on("add", "connect")).replace(&reducer("fill"), &on("fill", "disconnect"))
}

fn rows(node: &Node) -> Json {
    node.get("/v1/rows/guest/row")["rows"].clone()
}

fn connections(node: &Node) -> usize {
    node.get("/v1/rows/interstice/connection")["rows"].as_array().unwrap().len()
}

/// What the socket tells the node when it is gone arrives in a moment.
fn wait_for(node: &Node, expected: usize) {
    let started = Instant::now();
    while connections(node) != expected {
        assert!(started.elapsed() < Duration::from_secs(10), "{} connections", connections(node));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (entry, to) = (entry.as_ref().unwrap().path(), to.join(entry.as_ref().unwrap().file_name()));
        if entry.is_dir() {
            copy(&entry, &to);
        } else {
            std::fs::copy(&entry, to).unwrap();
        }
    }
}

#[test]
fn a_module_is_told_of_a_connection_before_what_is_said_on_it_and_of_its_end() {
    let node = crate::support::start();
    node.publish(&told());
    let mut first = node.connect();
    first.send(&[(1, crate::support::count())]);
    let Answer::Ok { offset, .. } = first.next() else { panic!("the query was refused") };
    assert_eq!(offset, 2, "the query sees the connection");
    assert_eq!((rows(&node), connections(&node)), (json!([["1", "1"]]), 1));
    let (_, line) = node.http("GET", "/v1/log/dump?cause=connect", b"");
    let dumped: Json = serde_json::from_str(&line).unwrap();
    assert_eq!((&dumped["offset"], &dumped["connection"]), (&json!("2"), &json!("1")));
    assert!(dumped["caller"].is_string(), "{dumped}");
    drop(first);
    wait_for(&node, 0);
    assert_eq!(rows(&node).as_array().unwrap().len(), 2, "one row for the end of connection 1");
    let mut second = node.connect();
    second.send(&[(1, call("fill", &[1; 8]))]);
    assert!(matches!(second.next(), Answer::Error { code, .. } if code == "wrong-kind"), "nobody calls what is told");
    let checked = node.post("/v1/replay/check", "null");
    assert_eq!((&checked["ok"], &checked["checked"]), (&json!(true), &json!("5")), "{checked}");
}

#[test]
fn connections_end_with_the_node_that_had_them() {
    let directory = tempfile::tempdir().unwrap();
    let on = |data: &Path| Config { data: Some(data.to_owned()), ..config() };
    let [data, crashed] = ["data", "crashed"].map(|name| directory.path().join(name));
    let node = Node(Server::start(on(&data)).unwrap());
    node.publish(&told());
    let mut socket = node.connect();
    socket.send(&[(1, crate::support::count())]);
    assert!(matches!(socket.next(), Answer::Ok { .. }));
    copy(&data, &crashed);
    node.0.stop().unwrap();

    // Of a node that stops, the connections end before it does: that is in the log when the next one reads it.
    let node = Node(Server::start(on(&data)).unwrap());
    assert_eq!(node.0.report().recovered, 4);
    assert_eq!((connections(&node), rows(&node).as_array().unwrap().len()), (0, 2));
    let (_, stopped) = node.http("GET", "/v1/log/dump?cause=disconnect", b"");
    assert!(stopped.contains(r#""offset":"3""#), "{stopped}");
    node.0.stop().unwrap();

    let node = Node(Server::start(on(&crashed)).unwrap());
    wait_for(&node, 0);
    assert_eq!(rows(&node).as_array().unwrap().len(), 2);
    node.0.stop().unwrap();
}

#[test]
fn connections_are_no_transactions_where_no_module_asks_for_them() {
    let node = crate::support::start_with_guest();
    let mut socket = node.connect();
    socket.send(&[(1, crate::support::count())]);
    assert!(matches!(socket.next(), Answer::Ok { offset: 1, .. }));
    assert_eq!(connections(&node), 0);
}
