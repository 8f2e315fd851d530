//! Tables that are not `public`: for their module and its owner, and for no other client.

use crate::support::{Answer, Node, SCHEMA, Socket, http, start};
use interstice_protocol::request::Request;
use serde_json::{Value as Json, json};

/// As [`SCHEMA`], with a table that clients do not read.
fn private() -> String {
    SCHEMA.replace(r#""public":true,"#, "").replace("1.0.0", "1.1.0")
}

fn request(node: &Node, who: &str, (method, path): (&str, &str), body: &str) -> (u16, Json) {
    let url = format!("http://{}{path}", node.0.addr());
    let (status, answer) = http(&url, method, body.as_bytes(), &[("x-interstice-as", who)]);
    (status, serde_json::from_str(&answer).unwrap())
}

fn socket(node: &Node, who: &str) -> Socket {
    Socket::connect(&format!("ws://{}/v1/socket?as={who}", node.0.addr()))
}

const SELECT: Request<'_> = Request::Subscribe { sql: "select * from guest.row", initial: false };

#[test]
fn a_private_table_is_read_by_its_module_and_its_owner_alone() {
    let node = start();
    node.publish(&private());
    assert_eq!(request(&node, "ada", ("POST", "/v1/call/guest/add"), "[7]").1["value"], "1");
    let sql = r#"{"sql": "select value from guest.row"}"#;
    for (route, body) in
        [(("POST", "/v1/sql"), sql), (("POST", "/v1/sql/explain"), sql), (("GET", "/v1/rows/guest/row"), "")]
    {
        let (status, problem) = request(&node, "ada", route, body);
        assert_eq!((status, &problem["code"]), (403, &json!("not-allowed")), "{route:?}");
        assert!(problem["message"].as_str().unwrap().starts_with("table `guest.row` is private"), "{problem}");
        assert_eq!(request(&node, "owner", route, body).0, 200, "{route:?}");
    }
    assert_eq!(
        request(&node, "ada", ("POST", "/v1/query/guest/count"), "").1["value"],
        "1",
        "what its module tells of it"
    );
    let mut ada = socket(&node, "ada");
    ada.send(&[(1, SELECT)]);
    assert_eq!(ada.next(), Answer::Error { id: 1, code: "not-allowed".to_owned() });
    let mut owner = socket(&node, "owner");
    owner.send(&[(1, SELECT)]);
    assert!(matches!(owner.next(), Answer::Columns { id: 1, .. }));
    // Somebody else's subscription to the same is none for ada.
    ada.send(&[(2, SELECT)]);
    assert_eq!(ada.next(), Answer::Error { id: 2, code: "not-allowed".to_owned() });
}

#[test]
fn a_table_that_becomes_private_is_no_longer_told_to_others() {
    let node = start();
    node.publish(SCHEMA);
    let (mut ada, mut owner) = (socket(&node, "ada"), socket(&node, "owner"));
    for socket in [&mut ada, &mut owner] {
        socket.send(&[(1, SELECT)]);
        assert!(matches!(socket.next(), Answer::Columns { id: 1, .. }));
    }
    node.publish(&private());
    assert_eq!(ada.next(), Answer::Error { id: 1, code: "subscription-closed".to_owned() });
    node.post("/v1/call/guest/add", "[7]");
    assert!(matches!(owner.next(), Answer::Update { id: 1, .. }));
    ada.send(&[(2, Request::Echo(b"still here"))]);
    assert!(matches!(ada.next(), Answer::Echo { id: 2, .. }), "and nothing came before it");
}
