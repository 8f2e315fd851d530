//! Receipts: every acknowledgement has one, and a node without their history says so.

use crate::support::{Answer, Node, SCHEMA, call, count, start_on, start_with_guest};
use interstice::backup::Repository;
use interstice::backup::create::Source;
use interstice_client::client::{Client, ClientError, Options};
use interstice_log::frame::Lineage;
use interstice_log::local::{DEFAULT_SEGMENT_SIZE, LocalLog};
use interstice_log::storage::hooked::{HookedStorage, Operation};
use interstice_log::storage::memory::MemoryStorage;
use interstice_log::storage::{Storage, StorageFile};
use interstice_protocol::receipt::Receipt;
use interstice_protocol::request::{Invocation, Request};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};

fn open(storage: &MemoryStorage) -> Node {
    start_on(storage.clone(), DEFAULT_SEGMENT_SIZE)
}

fn receipt_of(answer: &Json) -> Receipt {
    serde_json::from_value(answer["receipt"].clone()).unwrap()
}

/// What the node says of a receipt: its standing, or a problem's code.
fn standing(node: &Node, receipt: &Receipt) -> String {
    let body = serde_json::to_string(receipt).unwrap();
    let (status, answer) = node.http("POST", "/v1/receipt", body.as_bytes());
    let answer: Json = serde_json::from_str(&answer).unwrap();
    let said = if status == 200 { &answer["standing"] } else { &answer["code"] };
    format!("{status} {}", said.as_str().unwrap())
}

/// The files as they are now, as other storage.
fn copy(storage: &MemoryStorage) -> MemoryStorage {
    let copied = MemoryStorage::default();
    for name in storage.list().unwrap() {
        let file = storage.open(&name).unwrap();
        let mut bytes = vec![0; file.size().unwrap() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        let mut file = copied.create(&name).unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        file.sync().unwrap();
    }
    copied.sync_directory().unwrap();
    copied
}

#[test]
fn the_receipts_of_calls_and_publishes_are_held_by_their_node_and_after_a_restart() {
    let storage = MemoryStorage::default();
    let node = open(&storage);
    let published = receipt_of(&node.publish(SCHEMA));
    let answers: Vec<_> = (0..3).map(|_| node.post("/v1/call/guest/add", "[7]")).collect();
    assert_eq!(published.offset, 1);
    for (answer, offset) in answers.iter().zip(2..) {
        assert_eq!((answer["offset"].clone(), receipt_of(answer).offset), (json!(offset.to_string()), offset));
    }
    let status = node.get("/v1/status");
    assert_eq!((&status["lineage"], &status["durable"]), (&json!("02".repeat(16)), &json!("5")));
    assert_eq!(status["head"].as_str().unwrap().len(), 64);
    let mut receipts: Vec<_> = answers.iter().map(receipt_of).collect();
    receipts.push(published);
    assert!(receipts.iter().all(|receipt| standing(&node, receipt) == "200 held"));
    node.0.stop().unwrap();
    let node = open(&storage);
    assert!(receipts.iter().all(|receipt| standing(&node, receipt) == "200 held"), "read from the log");
}

#[test]
fn one_receipt_stands_in_front_of_the_binary_acknowledgements_that_rest_on_it() {
    let node = start_with_guest();
    let mut socket = node.connect();
    let mut seen = BTreeMap::new();
    for round in 0..4_u32 {
        let requests: Vec<_> = (0..500).map(|id| (round * 500 + id, call("add", &[1; 8]))).collect();
        socket.send(&requests);
        for (id, _) in requests {
            let Answer::Ok { id: answered, offset, .. } = socket.next() else { panic!("call {id} was refused") };
            assert_eq!(answered, id);
            let receipt = socket.receipt.unwrap();
            assert!(offset <= receipt.offset, "the receipt of {} does not cover {offset}", receipt.offset);
            seen.insert(receipt.offset, (offset, receipt));
        }
    }
    for (newest, (offset, receipt)) in &seen {
        assert_eq!(newest, offset, "the newest transaction of a frame has its receipt");
        assert_eq!(standing(&node, receipt), "200 held");
    }
    socket.receipt = None;
    socket.send(&[(1, count()), (2, call("fail", &[]))]);
    socket.take(2);
    assert_eq!(socket.receipt, None, "neither a query nor a refusal has one");
}

#[test]
fn a_json_acknowledgement_has_its_receipt_and_a_querys_answer_has_none() {
    let node = start_with_guest();
    let mut socket = node.connect();
    let called = socket.ask(r#"{"id":1,"call":"guest.add","args":[7]}"#);
    let receipt = receipt_of(&called["ok"]);
    assert_eq!(receipt.offset, 2);
    assert_eq!(socket.ask(r#"{"id":2,"query":"guest.count"}"#)["ok"].get("receipt"), None);
    let presented = json!({"id": 3, "receipt": receipt}).to_string();
    assert_eq!(socket.ask(&presented)["ok"]["value"], "held");
}

/// Receipts of histories that the node does not have, by what is otherwise.
fn foreign(node: &Node, held: Receipt) -> Vec<(&'static str, Receipt)> {
    let storage = MemoryStorage::default();
    let other = open(&storage);
    other.publish(SCHEMA);
    let kept = copy(&storage);
    let lost = receipt_of(&other.post("/v1/call/guest/add", "[7]"));
    let older = open(&kept);
    assert_eq!(standing(&older, &lost), "409 history-diverged", "an older copy does not have it");
    assert_eq!(standing(node, &held), "200 held");
    vec![
        ("another history of the same lineage", lost),
        ("another lineage", Receipt { lineage: [9; 16], ..held }),
        ("another chain", Receipt { chain: [9; 32], ..held }),
        ("an offset that is not there yet", Receipt { offset: held.offset + 1, ..held }),
        ("the highest offset", Receipt { offset: u64::MAX, ..held }),
    ]
}

#[test]
fn what_presents_a_receipt_of_another_history_is_refused_and_not_done() {
    let node = start_with_guest();
    let held = receipt_of(&node.post("/v1/call/guest/add", "[7]"));
    assert_eq!(node.presenting(&held.to_string(), "/v1/call/guest/add", "[8]").0, 200);
    for (what, receipt) in foreign(&node, held) {
        assert_eq!(standing(&node, &receipt), "409 history-diverged", "{what}");
        let routes =
            [("/v1/call/guest/add", "[9]"), ("/v1/query/guest/count", "[]"), ("/v1/sql", r#"{"sql":"select 1"}"#)];
        for (path, body) in routes {
            let (status, problem) = node.presenting(&receipt.to_string(), path, body);
            assert_eq!((status, &problem["code"]), (409, &json!("history-diverged")), "{what}: {path}");
        }
        let (status, _) = crate::support::http(
            &format!("http://{}/v1/publish", node.0.addr()),
            "POST",
            &crate::support::artefact(SCHEMA),
            &[("interstice-receipt", &receipt.to_string())],
        );
        assert_eq!(status, 409, "{what}: publish");
        assert_eq!(node.get("/v1/status")["durable"], "4", "{what}: nothing was done");
    }
    let (status, problem) = node.presenting("1:2:3", "/v1/call/guest/add", "[9]");
    assert_eq!((status, &problem["code"]), (400, &json!("invalid-message")));
    let (_, problem) = node.refused("/v1/receipt", &json!(Receipt { offset: 99, ..held }).to_string());
    assert_eq!(problem["data"]["durable"], "4");
    assert_eq!(problem["data"]["receipt"]["offset"], "99");
    assert_eq!(node.get("/v1/status")["lineage"], problem["data"]["lineage"]);
    assert!(problem["hint"].is_string());
}

#[test]
fn a_connection_that_presents_another_history_hears_it_and_is_closed() {
    let node = start_with_guest();
    let held = receipt_of(&node.post("/v1/call/guest/add", "[7]"));
    for (what, receipt) in foreign(&node, held) {
        let mut socket = node.connect();
        socket.send(&[(1, Request::Receipt(held))]);
        assert!(matches!(socket.next(), Answer::Ok { id: 1, value, .. } if value == b"\x04\0\0\0held"));
        socket.send(&[(2, Request::Receipt(receipt))]);
        assert_eq!(socket.next(), Answer::Error { id: 2, code: "history-diverged".to_owned() }, "{what}");
        assert_eq!(socket.next(), Answer::Closed(4002), "{what}");
        let mut socket = node.connect();
        let answer = socket.ask(&json!({"id": 3, "receipt": receipt}).to_string());
        assert_eq!(answer["error"]["code"], "history-diverged", "{what}");
        assert_eq!(socket.next(), Answer::Closed(4002), "{what}");
    }
}

#[test]
fn a_client_keeps_its_highest_receipt_and_presents_it_when_it_connects_again() {
    let (storage, runtime) = (MemoryStorage::default(), tokio::runtime::Runtime::new().unwrap());
    let node = open(&storage);
    node.publish(SCHEMA);
    let kept = copy(&storage);
    let url = |node: &Node| format!("http://{}", node.0.addr());
    let receipt = runtime.block_on(async {
        let client = Client::connect(&url(&node), None).await.unwrap();
        assert_eq!(client.receipt(), None);
        let mut highest = None;
        for _ in 0..3 {
            let answer = client.call(&Invocation::new("guest", "add", &[7; 8])).await.unwrap();
            assert_eq!(answer.receipt.unwrap().offset, answer.offset);
            highest = answer.receipt;
        }
        assert_eq!(client.query(&Invocation::new("guest", "count", &[])).await.unwrap().receipt, None);
        assert_eq!(client.receipt(), highest);
        highest
    });
    node.0.stop().unwrap();
    let options = Options { receipt, ..Options::default() };
    let node = open(&storage);
    let again = runtime.block_on(Client::connect_with(&url(&node), options)).unwrap();
    assert_eq!(again.receipt(), receipt);
    let older = open(&kept);
    match runtime.block_on(Client::connect_with(&url(&older), options)) {
        Err(ClientError::Refused(problem)) => assert_eq!(problem.code, "history-diverged"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a node without the history took the client"),
    }
}

/// A backup of `storage`, restored up to offset `to`.
fn restored(storage: &MemoryStorage, to: Option<u64>) -> MemoryStorage {
    let log = LocalLog::open_read_only(storage.clone()).unwrap();
    let (inventory, snapshots) = (log.inventory(), MemoryStorage::default());
    let source = Source { log: storage.clone(), inventory, snapshots, offsets: Vec::new(), settings: None };
    let repository = Repository::new(MemoryStorage::default(), MemoryStorage::default());
    let backup = repository.open(&repository.create(&source).unwrap().name).unwrap();
    let plan = backup.plan(to).unwrap();
    let (log, snapshots) = (MemoryStorage::default(), MemoryStorage::default());
    backup.write(&plan, (&log, &snapshots), (Lineage([7; 16]), [8; 16])).unwrap();
    log
}

/// Ten calls of which the node has given receipts, backed up before three more.
fn backed_up() -> (MemoryStorage, Vec<Receipt>) {
    let storage = MemoryStorage::default();
    let node = open(&storage);
    node.publish(SCHEMA);
    let mut receipts: Vec<_> = (0..10).map(|_| receipt_of(&node.post("/v1/call/guest/add", "[7]"))).collect();
    let kept = copy(&storage);
    receipts.extend((0..3).map(|_| receipt_of(&node.post("/v1/call/guest/add", "[7]"))));
    (kept, receipts)
}

#[test]
fn a_restored_backup_holds_what_it_has_and_says_so_of_all_that_is_newer() {
    let (kept, receipts) = backed_up();
    // All of the backup; and up to the transaction with offset 6.
    for (to, offsets) in [(None, 12), (Some(7), 7)] {
        let node = open(&restored(&kept, to));
        let status = node.get("/v1/status");
        assert_eq!((&status["durable"], &status["lineage"]), (&json!(offsets.to_string()), &json!("07".repeat(16))));
        for receipt in &receipts {
            let expected = if receipt.offset < offsets { "200 held" } else { "409 history-diverged" };
            assert_eq!(standing(&node, receipt), expected, "offset {} of {offsets}", receipt.offset);
            let (status, _) = node.presenting(&receipt.to_string(), "/v1/query/guest/count", "[]");
            assert_eq!(status == 200, receipt.offset < offsets);
        }
        // Other transactions stand where the newer ones stood: their receipts are as little of this history.
        let anew: Vec<_> = (0..9).map(|_| receipt_of(&node.post("/v1/call/guest/add", "[9]"))).collect();
        assert!(anew.iter().all(|receipt| standing(&node, receipt) == "200 held"));
        for receipt in receipts.iter().filter(|receipt| receipt.offset >= offsets) {
            assert_eq!(standing(&node, receipt), "409 history-diverged", "offset {}", receipt.offset);
        }
    }
}

#[test]
fn a_connection_hears_from_a_restored_node_whether_its_receipt_is_newer() {
    let (kept, receipts) = backed_up();
    let (node, runtime) = (open(&restored(&kept, None)), tokio::runtime::Runtime::new().unwrap());
    let (older, newer) = (receipts[9], receipts[10]);
    let mut socket = node.connect();
    socket.send(&[(1, Request::Receipt(older))]);
    assert!(matches!(socket.next(), Answer::Ok { id: 1, .. }));
    socket.send(&[(2, Request::Receipt(newer))]);
    assert_eq!(socket.next(), Answer::Error { id: 2, code: "history-diverged".to_owned() });
    assert_eq!(socket.next(), Answer::Closed(4002));
    let connect = |receipt| {
        let options = Options { receipt: Some(receipt), ..Options::default() };
        runtime.block_on(Client::connect_with(&format!("http://{}", node.0.addr()), options))
    };
    assert!(connect(older).is_ok());
    match connect(newer) {
        Err(ClientError::Refused(problem)) => assert_eq!(problem.code, "history-diverged"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a node without the history took the client"),
    }
}

#[test]
fn a_cut_inside_of_a_frame_keeps_its_first_transactions_and_not_the_frames_receipt() {
    let (storage, mut given) = (MemoryStorage::default(), Vec::new());
    {
        let node = open(&storage);
        node.publish(SCHEMA);
        let mut socket = node.connect();
        let requests: Vec<_> = (0..400).map(|id| (id, call("add", &[1; 8]))).collect();
        for (id, _) in {
            socket.send(&requests);
            requests
        } {
            let Answer::Ok { id: answered, .. } = socket.next() else { panic!("call {id} was refused") };
            assert_eq!(answered, id);
            given.extend(socket.receipt.filter(|receipt| given.last() != Some(receipt)));
        }
        node.0.stop().unwrap();
    }
    // A frame of several transactions, and a cut in the middle of it.
    let pair = given.windows(2).find(|pair| pair[1].offset > pair[0].offset + 2).expect("calls share frames");
    let to = pair[0].offset + 2;
    let node = open(&restored(&storage, Some(to)));
    assert_eq!(node.get("/v1/status")["durable"], to.to_string());
    assert_eq!(node.post("/v1/query/guest/count", "[]")["value"], (to - 2).to_string());
    assert_eq!(standing(&node, &pair[0]), "200 held");
    assert_eq!(standing(&node, &pair[1]), "409 history-diverged");
    node.post("/v1/call/guest/add", "[9]");
    assert_eq!(node.post("/v1/replay/check", "")["ok"], true);
}

/// Reads that wait until they are let go.
#[derive(Default)]
struct Reads {
    held_up: Mutex<(bool, usize)>,
    changed: Condvar,
}

#[test]
fn checks_that_wait_for_the_disk_hold_up_neither_calls_nor_other_requests() {
    let inner = MemoryStorage::default();
    let held = {
        let node = open(&inner);
        let receipt = receipt_of(&node.publish(SCHEMA));
        node.0.stop().unwrap();
        receipt
    };
    let reads = std::sync::Arc::new(Reads::default());
    let storage = {
        let reads = std::sync::Arc::clone(&reads);
        HookedStorage::new(inner, move |operation| {
            if let Operation::Read { .. } = operation {
                let mut state = reads.held_up.lock().unwrap();
                state.1 += 1;
                reads.changed.notify_all();
                while state.0 {
                    state = reads.changed.wait(state).unwrap();
                }
                state.1 -= 1;
            }
            Ok(())
        })
    };
    let node = start_on(storage, DEFAULT_SEGMENT_SIZE);
    reads.held_up.lock().unwrap().0 = true;
    let mut checking: Vec<_> = (0..8).map(|_| node.connect()).collect();
    for socket in &mut checking {
        socket.send(&[(1, Request::Receipt(held))]);
    }
    let mut state = reads.held_up.lock().unwrap();
    while state.1 < 2 {
        state = reads.changed.wait(state).unwrap();
    }
    drop(state);
    for id in 0..100 {
        for socket in &mut checking {
            socket.send(&[(100 + id, call("add", &[1; 8]))]);
            assert!(matches!(socket.next(), Answer::Ok { id: answered, .. } if answered == 100 + id));
        }
    }
    assert_eq!(reads.held_up.lock().unwrap().1, 2, "no more than two read at a time");
    reads.held_up.lock().unwrap().0 = false;
    reads.changed.notify_all();
    for socket in &mut checking {
        assert!(matches!(socket.next(), Answer::Ok { id: 1, .. }));
    }
}
