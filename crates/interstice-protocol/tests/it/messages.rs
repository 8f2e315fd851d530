//! What is encoded is read again, and nothing else is.

use interstice_protocol::frame::{self, Frames};
use interstice_protocol::receipt::Receipt;
use interstice_protocol::reply::{self, Reply};
use interstice_protocol::request::{Invocation, Request};
use interstice_protocol::text::{self, TextRequest};
use interstice_types::problem::Problem;
use proptest::prelude::*;

/// A request with what it borrows.
#[derive(Debug, Clone)]
enum Owned {
    Invocation { kind: u8, names: (String, String), signature: [u8; 8], args: Vec<u8> },
    Subscribe { sql: String, initial: bool },
    Unsubscribe,
    Echo(Vec<u8>),
    Receipt(Receipt),
}

impl Owned {
    fn borrow(&self) -> Request<'_> {
        match self {
            Self::Invocation { kind, names: (module, function), signature, args } => {
                let invocation = Invocation { module, function, signature: *signature, args };
                match kind {
                    0 => Request::Query(invocation),
                    1 => Request::SubscribeQuery(invocation),
                    _ => Request::Call(invocation),
                }
            }
            Self::Subscribe { sql, initial } => Request::Subscribe { sql, initial: *initial },
            Self::Unsubscribe => Request::Unsubscribe,
            Self::Echo(bytes) => Request::Echo(bytes),
            Self::Receipt(receipt) => Request::Receipt(*receipt),
        }
    }
}

fn requests() -> impl Strategy<Value = Owned> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..64);
    prop_oneof![
        (0..3_u8, any::<(String, String)>(), any::<[u8; 8]>(), bytes())
            .prop_map(|(kind, names, signature, args)| Owned::Invocation { kind, names, signature, args }),
        (any::<String>(), any::<bool>()).prop_map(|(sql, initial)| Owned::Subscribe { sql, initial }),
        Just(Owned::Unsubscribe),
        bytes().prop_map(Owned::Echo),
        receipts().prop_map(Owned::Receipt),
    ]
}

fn receipts() -> impl Strategy<Value = Receipt> {
    any::<([u8; 16], u64, [u8; 32])>().prop_map(|(lineage, offset, chain)| Receipt { lineage, offset, chain })
}

fn rows() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..16), 0..8)
}

proptest! {
    #[test]
    fn requests_in_one_message_come_out_as_they_went_in(sent in proptest::collection::vec((any::<u32>(), requests()), 0..8)) {
        let mut bytes = Vec::new();
        sent.iter().for_each(|(id, request)| request.borrow().encode(*id, &mut bytes));
        let mut read = 0;
        for (frame, (id, request)) in Frames::new(&bytes).zip(&sent) {
            let frame = frame.unwrap();
            prop_assert_eq!(frame.id, *id);
            prop_assert_eq!(Request::decode(&frame).unwrap(), request.borrow());
            read += 1;
        }
        prop_assert_eq!(read, sent.len());
    }

    #[test]
    fn a_receipt_comes_out_as_it_went_in_whichever_way_it_goes(receipt in receipts()) {
        let mut bytes = Vec::new();
        reply::receipt(&receipt, &mut bytes);
        let frame = Frames::new(&bytes).next().unwrap().unwrap();
        prop_assert_eq!(frame.id, frame::NO_REQUEST);
        prop_assert_eq!(Reply::decode(&frame).unwrap(), Reply::Receipt(receipt));
        prop_assert_eq!(receipt.to_string().parse(), Ok(receipt));
        let json = serde_json::to_value(receipt).unwrap();
        let message = serde_json::json!({"id": 1, "receipt": json}).to_string();
        prop_assert_eq!(text::decode(&message).unwrap(), (1, TextRequest::Receipt(receipt)));
    }

    #[test]
    fn what_is_no_receipt_is_refused(receipt in receipts(), at: prop::sample::Index, letter in "[^0-9a-fA-F:]") {
        let mut text = receipt.to_string();
        let at = at.index(text.len());
        text.replace_range(at..=at, &letter);
        prop_assert!(text.parse::<Receipt>().is_err(), "{}", text);
        prop_assert!(receipt.to_string()[..at].parse::<Receipt>().is_err());
    }

    #[test]
    fn replies_come_out_as_they_went_in(id: u32, offset: u64, last: bool, some in rows(), others in rows()) {
        let mut bytes = Vec::new();
        reply::rows(id, (offset, last), &some, &mut bytes);
        let body = reply::update_body((offset, 3), &some, &others);
        bytes.extend(frame::head(reply::tag::UPDATE, id, body.len()));
        bytes.extend(&body);
        let frames: Vec<_> = Frames::new(&bytes).map(Result::unwrap).collect();
        let Reply::Rows { offset: read, last: end, rows } = Reply::decode(&frames[0]).unwrap() else { panic!("no rows") };
        prop_assert_eq!((read, end, rows.count()), (offset, last, some.len()));
        prop_assert!(rows.iter().eq(&some));
        let Reply::Update { offset: read, unlogged: 3, inserts, deletes } = Reply::decode(&frames[1]).unwrap() else { panic!("no update") };
        prop_assert_eq!(read, offset);
        prop_assert!(inserts.iter().eq(&some) && deletes.iter().eq(&others));
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_the_reading_ends(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        for frame in Frames::new(&bytes).map_while(Result::ok) {
            let _ = (Request::decode(&frame), Reply::decode(&frame));
        }
        let text = String::from_utf8_lossy(&bytes);
        let _ = text::decode(&text);
    }

    #[test]
    fn a_message_with_a_byte_changed_or_cut_is_read_or_refused(sent in requests(), at: prop::sample::Index, byte: u8) {
        let mut bytes = Vec::new();
        sent.borrow().encode(1, &mut bytes);
        let at = at.index(bytes.len());
        let cut = bytes[..at].to_vec();
        bytes[at] = byte;
        for bytes in [bytes, cut] {
            for frame in Frames::new(&bytes).map_while(Result::ok) {
                let _ = Request::decode(&frame);
            }
        }
    }
}

#[test]
fn a_count_that_no_bytes_can_follow_is_refused_before_anything_is_made_of_it() {
    let mut body = 4_u64.to_le_bytes().to_vec();
    body.extend(u32::MAX.to_le_bytes());
    let frame = frame::Frame { tag: reply::tag::UPDATE, id: 1, body: &body };
    assert_eq!(Reply::decode(&frame).unwrap_err().code, "invalid-message");
}

#[test]
fn the_rest_behind_a_length_that_cannot_be_is_not_read() {
    let mut bytes = Vec::new();
    Request::Unsubscribe.encode(1, &mut bytes);
    for length in [0_u32, 4, 6, u32::MAX] {
        let mut wrong = bytes.clone();
        wrong.extend(length.to_le_bytes());
        wrong.extend([4, 2, 0, 0, 0]);
        let found: Vec<_> = Frames::new(&wrong).collect();
        assert!(matches!(found.as_slice(), [Ok(_), Err(_)]), "{length}: {found:?}");
        assert_eq!(Problem::from(found[1].clone().unwrap_err()).code, "invalid-message");
    }
}

#[test]
fn json_messages_are_read_whole_or_refused_with_their_id() {
    let (id, request) = text::decode(r#"{"id":1,"call":"chat.send","args":["general","hi"]}"#).unwrap();
    let TextRequest::Call(call) = request else { panic!("{request:?}") };
    assert_eq!((id, call.module.as_str(), call.function.as_str()), (1, "chat", "send"));
    assert_eq!(text::decode(r#"{"id":3,"unsubscribe":true}"#).unwrap(), (3, TextRequest::Unsubscribe));
    let (id, request) = text::decode(r#"{"id":3,"subscribe":"select 1"}"#).unwrap();
    assert_eq!((id, request), (3, TextRequest::Subscribe { sql: "select 1".to_owned(), initial: false }));
    for (message, id) in [
        ("", frame::NO_REQUEST),
        ("7", frame::NO_REQUEST),
        (r#"{"id":-1,"unsubscribe":true}"#, frame::NO_REQUEST),
        (r#"{"id":"1","unsubscribe":true}"#, frame::NO_REQUEST),
        (r#"{"id":5,"unsubscribe":false}"#, 5),
        (r#"{"id":5,"subscribe":"select 1","initial":1}"#, 5),
        (r#"{"id":5,"echo":7}"#, 5),
        (r#"{"id":5,"receipt":"no"}"#, 5),
        (r#"{"id":5,"receipt":{"lineage":"","offset":"0","chain":""}}"#, 5),
        (r#"{"id":5,"query":"a.b","args":"c"}"#, 5),
        (r#"{"id":5}"#, 5),
    ] {
        let (found, problem) = text::decode(message).unwrap_err();
        assert_eq!((found, &*problem.code), (id, "invalid-message"), "{message}");
    }
}

#[test]
fn json_answers_say_what_they_answer() {
    use serde_json::json;
    let parsed = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    assert_eq!(parsed(text::ok(1, 3, &json!("7"))), json!({"id": 1, "ok": {"offset": "3", "value": "7"}}));
    let receipt = Receipt { lineage: [0; 16], offset: 3, chain: [0; 32] };
    let spelled = json!({"lineage": "0".repeat(32), "offset": "3", "chain": "0".repeat(64)});
    assert_eq!(
        parsed(text::acknowledged(1, 3, &json!("7"), &receipt)),
        json!({"id": 1, "ok": {"offset": "3", "value": "7", "receipt": spelled}})
    );
    let problem = Problem::new("a-code", "a line");
    assert_eq!(parsed(text::error(1, &problem)), json!({"id": 1, "error": {"code": "a-code", "message": "a line"}}));
    assert_eq!(parsed(text::error(frame::NO_REQUEST, &problem)).get("id"), None);
    let initial = text::initial_body(3, &[json!({"id": "1"})], true);
    let expected = json!({"offset": "3", "initial": true, "insert": [{"id": "1"}], "delete": [], "more": true});
    assert_eq!(parsed(text::update(2, &initial)), json!({"id": 2, "update": expected}));
}
