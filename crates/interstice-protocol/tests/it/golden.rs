//! The bytes of every binary message, as `docs/internals/protocol.md` draws them.

use expect_test::{Expect, expect};
use interstice_protocol::receipt::{Receipt, Standing};
use interstice_protocol::reply;
use interstice_protocol::request::{Invocation, Request};
use interstice_types::problem::Problem;
use interstice_types::ty::{Field, Type};

const RECEIPT: Receipt = Receipt { lineage: [0xaa; 16], offset: 258, chain: [0xbb; 32] };

/// The head apart from the body, which is shown as text where it is text.
fn check(encode: impl FnOnce(&mut Vec<u8>), expected: Expect) {
    let mut bytes = Vec::new();
    encode(&mut bytes);
    let (head, body) = bytes.split_at(9);
    let hex = interstice_types::id::to_hex;
    let body = match std::str::from_utf8(body) {
        Ok(text) if text.starts_with(['{', '[']) => text.to_owned(),
        _ => hex(body),
    };
    expected.assert_eq(&format!("{} {} {} | {body}", hex(&head[..4]), hex(&head[4..5]), hex(&head[5..])));
}

#[test]
fn messages_of_a_client() {
    let invocation =
        Invocation { module: "chat", function: "send", signature: [1, 2, 3, 4, 5, 6, 7, 8], args: &[9, 8] };
    check(
        |out| Request::Call(invocation).encode(1, out),
        expect!["23000000 01 01000000 | 04000000636861740400000073656e640102030405060708020000000908"],
    );
    check(
        |out| Request::Query(invocation).encode(2, out),
        expect!["23000000 02 02000000 | 04000000636861740400000073656e640102030405060708020000000908"],
    );
    check(
        |out| Request::Subscribe { sql: "select", initial: true }.encode(3, out),
        expect!["10000000 03 03000000 | 010600000073656c656374"],
    );
    check(
        |out| Request::SubscribeQuery(invocation).encode(2, out),
        expect!["23000000 07 02000000 | 04000000636861740400000073656e640102030405060708020000000908"],
    );
    check(|out| Request::Unsubscribe.encode(3, out), expect!["05000000 04 03000000 | "]);
    check(|out| Request::Echo(&[7]).encode(0x0102_0304, out), expect!["06000000 05 04030201 | 07"]);
    check(
        |out| Request::Receipt(RECEIPT).encode(7, out),
        expect![
            "3d000000 06 07000000 | aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0201000000000000bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        ],
    );
}

#[test]
fn messages_of_a_node() {
    check(|out| reply::ok(1, 258, &[9], out), expect!["0e000000 40 01000000 | 020100000000000009"]);
    check(|out| reply::value(1, 258, &[9], out), expect!["0e000000 47 01000000 | 020100000000000009"]);
    check(
        |out| reply::error(1, &Problem::new("empty-text", "no").hint("say something"), out),
        expect![[r#"40000000 41 01000000 | {"code":"empty-text","message":"no","hint":"say something"}"#]],
    );
    let fields = [Field { name: "id".to_owned(), ty: Type::U64 }];
    check(|out| reply::columns(3, &fields, out), expect![[r#"21000000 42 03000000 | [{"name":"id","type":"u64"}]"#]]);
    check(
        |out| reply::rows(3, (4, true), &[[5_u8], [6]], out),
        expect!["1c000000 43 03000000 | 0400000000000000010200000001000000050100000006"],
    );
    let body = reply::update_body((4, 0), &[[5_u8]], &[] as &[[u8; 1]]);
    check(
        |out| {
            out.extend(interstice_protocol::frame::head(reply::tag::UPDATE, 3, body.len()));
            out.extend(&body);
        },
        expect!["1e000000 44 03000000 | 04000000000000000000000001000000010000000500000000"],
    );
    check(|out| reply::echo(1, &[7], out), expect!["06000000 45 01000000 | 07"]);
    check(
        |out| reply::standing(7, 258, Standing::Held, out),
        expect!["15000000 40 07000000 | 02010000000000000400000068656c64"],
    );
    check(
        |out| reply::receipt(&RECEIPT, out),
        expect![
            "3d000000 46 ffffffff | aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0201000000000000bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        ],
    );
}

#[test]
fn a_receipt_as_text_and_as_json() {
    let (lineage, chain) = ("aa".repeat(16), "bb".repeat(32));
    assert_eq!(RECEIPT.to_string(), format!("{lineage}:258:{chain}"));
    let json = serde_json::to_string(&RECEIPT).unwrap();
    assert_eq!(json, format!(r#"{{"lineage":"{lineage}","offset":"258","chain":"{chain}"}}"#));
}
