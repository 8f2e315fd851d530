//! A full disk: the node only reads, and goes on by itself when there is space.

use crate::support::{Answer, Node, SCHEMA, call, count, start_on, watching_schema};
use interstice_log::local::MIN_SEGMENT_SIZE;
use interstice_log::storage::Storage;
use interstice_log::storage::hooked::{HookedStorage, Operation};
use interstice_log::storage::memory::MemoryStorage;
use interstice_protocol::request::Request;
use serde_json::{Value as Json, json};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

/// How long writes may take to go on: the longest pause between two attempts, and some.
const LONGEST: Duration = Duration::from_secs(20);

/// Storage that has no space for new files while it is told so: either none can be made, or one cannot be filled.
fn storage(inner: &MemoryStorage, on_create: bool) -> (HookedStorage<MemoryStorage>, Arc<AtomicBool>) {
    let full = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&full);
    let hooked = HookedStorage::new(inner.clone(), move |operation| {
        let grows =
            if on_create { operation == Operation::Create } else { operation == Operation::Write { created: true } };
        if grows && asked.load(SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    });
    (hooked, full)
}

fn fill(node: &Node, rows: u64) -> (u16, Json) {
    let (status, body) = node.http("POST", "/v1/call/guest/fill", format!("[{rows}]").as_bytes());
    (status, serde_json::from_str(&body).unwrap())
}

fn counted(node: &Node) -> u64 {
    node.post("/v1/query/guest/count", "")["value"].as_str().unwrap().parse().unwrap()
}

/// Calls until one is refused; returns how many rows were acknowledged.
fn fill_up(node: &Node, rows: u64) -> u64 {
    for acknowledged in 0..1000 {
        let (status, answer) = fill(node, rows);
        if status != 200 {
            assert_eq!((status, &answer["code"]), (503, &json!("read-only")), "{answer}");
            assert!(answer["message"].as_str().unwrap().contains("28 KiB"), "{answer}");
            assert!(answer["hint"].as_str().unwrap().contains("df -h"), "{answer}");
            return acknowledged * rows;
        }
    }
    panic!("it never filled up");
}

/// Calls until one is taken again.
fn goes_on(node: &Node, rows: u64) {
    let started = Instant::now();
    while fill(node, rows).0 != 200 {
        assert!(started.elapsed() < LONGEST, "writes do not go on");
    }
}

#[test]
fn without_space_for_the_next_segment_writes_are_refused_reads_go_on_and_writes_resume() {
    for on_create in [true, false] {
        let inner = MemoryStorage::default();
        let (storage, full) = storage(&inner, on_create);
        let node = start_on(storage, MIN_SEGMENT_SIZE);
        node.publish(SCHEMA);
        let mut watcher = node.connect();
        watcher.send(&[(1, Request::Subscribe { sql: "select * from guest.row", initial: false })]);
        assert!(matches!(watcher.next(), Answer::Columns { .. }));
        assert_eq!(node.get("/v1/status")["read_only"], Json::Null);
        let mut rows = 0;
        for _ in 0..3 {
            full.store(true, SeqCst);
            rows += fill_up(&node, 50);
            let status = node.get("/v1/status");
            assert!(status["read_only"].as_str().unwrap().contains("only reads"), "{status}");
            assert_eq!(counted(&node), rows, "what was refused was not executed");
            let (published, body) = node.http("POST", "/v1/publish", &crate::support::artefact(&watching_schema()));
            assert!(published == 503 && body.contains("read-only"), "{body}");
            assert_eq!(
                node.post("/v1/sql", r#"{"sql":"select count(*) from guest.row"}"#)["rows"],
                json!([[rows.to_string()]])
            );
            let mut socket = node.connect();
            socket.send(&[(1, call("add", &[1; 8])), (2, count())]);
            assert_eq!(socket.next(), Answer::Error { id: 1, code: "read-only".to_owned() });
            assert!(matches!(socket.next(), Answer::Ok { id: 2, value, .. } if value == rows.to_le_bytes()));
            assert_eq!(node.get("/v1/status")["durable"], status["durable"], "nothing was written");
            full.store(false, SeqCst);
            goes_on(&node, 50);
            rows += 50;
            assert_eq!(node.get("/v1/status")["read_only"], Json::Null);
        }
        let mut told = 0;
        while told < rows {
            match watcher.next() {
                Answer::Update { inserts, .. } => told += inserts.len() as u64,
                other => panic!("{other:?}"),
            }
        }
        node.0.stop().unwrap();
        let node = start_on(inner, MIN_SEGMENT_SIZE);
        assert_eq!(counted(&node), rows);
        assert_eq!(node.get("/v1/log/verify")["ok"], true);
    }
}

#[test]
fn a_node_that_starts_on_a_full_disk_only_reads() {
    let inner = MemoryStorage::default();
    let (storage, full) = storage(&inner, true);
    let node = start_on(storage.clone(), MIN_SEGMENT_SIZE);
    node.publish(SCHEMA);
    full.store(true, SeqCst);
    let rows = fill_up(&node, 50);
    node.0.stop().unwrap();
    let node = start_on(storage, MIN_SEGMENT_SIZE);
    assert_eq!((fill(&node, 50).1["code"].clone(), counted(&node)), (json!("read-only"), rows));
    full.store(false, SeqCst);
    goes_on(&node, 50);
}

/// Calls of all sizes up to half a segment, many in flight, on a disk that is full every now and then.
#[test]
fn no_moment_at_which_the_disk_fills_up_ends_the_node() {
    let inner = MemoryStorage::default();
    let (storage, full) = storage(&inner, false);
    let node = start_on(storage, MIN_SEGMENT_SIZE);
    node.publish(SCHEMA);
    let (mut socket, mut rows, mut refused) = (node.connect(), 0, 0);
    for round in 0..400_u64 {
        let was_full = full.swap(round / 12 % 3 == 0, SeqCst);
        if was_full && !full.load(SeqCst) {
            goes_on(&node, 1);
            rows += 1;
        }
        let sizes: Vec<_> = (0..=round % 5).map(|number| 1 + (round * 131 + number * 71) % 400).collect();
        let args: Vec<_> = sizes.iter().map(|size| size.to_le_bytes()).collect();
        let calls: Vec<_> = args.iter().zip(0..).map(|(args, id)| (id, call("fill", args))).collect();
        socket.send(&calls);
        for size in sizes {
            match socket.next() {
                Answer::Ok { .. } => rows += size,
                Answer::Error { code, .. } if code == "read-only" => refused += 1,
                other => panic!("round {round}: {other:?}"),
            }
        }
    }
    assert!(refused > 0 && rows > 10_000, "{refused} were refused, {rows} rows were added");
    assert_eq!(counted(&node), rows);
    node.0.stop().unwrap();
    assert_eq!(counted(&start_on(inner, MIN_SEGMENT_SIZE)), rows);
}

#[test]
fn events_wait_for_space_and_are_delivered_then() {
    let (storage, full) = storage(&MemoryStorage::default(), true);
    let node = start_on(storage, MIN_SEGMENT_SIZE);
    node.publish(&watching_schema());
    full.store(true, SeqCst);
    fill_up(&node, 300);
    let pending = node.get("/v1/status")["pending_events"].as_u64().unwrap();
    assert!(pending > 0, "events take space as calls do");
    full.store(false, SeqCst);
    let started = Instant::now();
    while node.get("/v1/status")["pending_events"] != 0 {
        assert!(started.elapsed() < LONGEST, "events are not delivered");
    }
    node.0.stop().unwrap();
}

/// The one thing that is not reserved: see `reserve`.
#[test]
fn a_transaction_of_more_than_half_a_segment_that_finds_none_is_unknown_and_ends_the_node() {
    let inner = MemoryStorage::default();
    start_on(inner.clone(), MIN_SEGMENT_SIZE).0.stop().unwrap();
    // A next segment that was made ahead is taken away again.
    for spare in inner.list().unwrap().iter().filter(|name| name.starts_with("spare-")) {
        inner.remove(spare).unwrap();
    }
    let (storage, full) = storage(&inner, true);
    full.store(true, SeqCst);
    let node = start_on(storage, MIN_SEGMENT_SIZE);
    node.publish(SCHEMA);
    assert_eq!(fill(&node, 50).0, 200);
    let mut socket = node.connect();
    socket.send(&[(1, call("fill", &1_200_u64.to_le_bytes())), (2, count())]);
    assert_eq!(socket.next(), Answer::Error { id: 1, code: "unknown".to_owned() });
    assert_eq!(socket.next(), Answer::Error { id: 2, code: "unavailable".to_owned() });
    assert_eq!(node.0.join().unwrap_err().code, "disk-full");
    let node = start_on(inner, MIN_SEGMENT_SIZE);
    assert_eq!(counted(&node), 50, "it is not in the log");
}
