//! Nothing leaves before it is durable: a node on storage whose syncs wait until they are told, or fail.

use crate::support::{Answer, Node, SCHEMA, Socket, call, count, start_on};
use interstice_log::local::DEFAULT_SEGMENT_SIZE;
use interstice_log::storage::hooked::{HookedStorage, Operation};
use interstice_log::storage::memory::MemoryStorage;
use interstice_protocol::request::Request;
use serde_json::json;
use std::io;
use std::sync::{Arc, Condvar, Mutex};

/// What syncs do.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Pass,
    Wait,
    Fail,
}

/// Where syncs are held up.
#[derive(Debug, Clone)]
struct Gate(Arc<(Mutex<(Mode, usize)>, Condvar)>);

impl Gate {
    fn new() -> Self {
        Self(Arc::new((Mutex::new((Mode::Pass, 0)), Condvar::new())))
    }

    fn set(&self, mode: Mode) {
        self.0.0.lock().unwrap().0 = mode;
        self.0.1.notify_all();
    }

    /// Waits until a sync is being held up.
    fn wait_for_a_sync(&self) {
        let mut state = self.0.0.lock().unwrap();
        while state.1 == 0 {
            state = self.0.1.wait(state).unwrap();
        }
    }

    fn pass(&self) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        state.1 += 1;
        self.0.1.notify_all();
        while state.0 == Mode::Wait {
            state = self.0.1.wait(state).unwrap();
        }
        state.1 -= 1;
        if state.0 == Mode::Fail { Err(io::Error::other("the disk is gone")) } else { Ok(()) }
    }
}

/// Opens the gate when a test fails, or its node would wait for ever.
struct OpenedInTheEnd(Gate);

impl Drop for OpenedInTheEnd {
    fn drop(&mut self) {
        self.0.set(Mode::Pass);
    }
}

/// A node on files in memory, every sync of which passes the gate.
fn open(inner: &MemoryStorage, gate: &Gate) -> Node {
    let gate = gate.clone();
    let storage = HookedStorage::new(inner.clone(), move |operation| match operation {
        Operation::Sync => gate.pass(),
        _ => Ok(()),
    });
    start_on(storage, DEFAULT_SEGMENT_SIZE)
}

/// The echo comes back over the same socket: what was answered before it would be there too.
fn echoes(socket: &mut Socket, id: u32) {
    socket.send(&[(id, Request::Echo(b"still there"))]);
    assert_eq!(socket.next(), Answer::Echo { id, bytes: b"still there".to_vec() });
}

#[test]
fn neither_answers_nor_refusals_nor_rows_nor_updates_leave_before_what_they_rest_on_is_durable() {
    let gate = Gate::new();
    let node = open(&MemoryStorage::default(), &gate);
    let _opened = OpenedInTheEnd(gate.clone());
    node.publish(SCHEMA);
    let (mut socket, mut watcher) = (node.connect(), node.connect());
    watcher.send(&[(1, Request::Subscribe { sql: "select * from guest.row", initial: true })]);
    assert!(matches!(watcher.next(), Answer::Columns { id: 1, .. }));
    assert!(matches!(watcher.next(), Answer::Rows { id: 1, last: true, .. }));

    gate.set(Mode::Wait);
    socket.send(&[(1, call("add", &[7; 8])), (2, call("boom", &[])), (3, count())]);
    gate.wait_for_a_sync();
    for round in 0..100 {
        echoes(&mut socket, 100 + round);
        echoes(&mut watcher, 100 + round);
    }
    gate.set(Mode::Pass);
    assert!(matches!(socket.next(), Answer::Ok { id: 1, .. }));
    let mut rest = socket.take(2);
    rest.sort_by_key(|answer| matches!(answer, Answer::Ok { .. }));
    assert_eq!(rest[0], Answer::Error { id: 2, code: "trap".to_owned() });
    assert!(matches!(rest[1], Answer::Ok { id: 3, .. }));
    assert!(matches!(watcher.next(), Answer::Update { id: 1, .. }));
    node.0.stop().unwrap();
}

#[test]
fn after_a_failed_sync_callers_hear_unknown_and_the_node_ends_with_everything_acknowledged() {
    let (storage, gate) = (MemoryStorage::default(), Gate::new());
    let node = open(&storage, &gate);
    node.publish(SCHEMA);
    let mut socket = node.connect();
    socket.send(&[(1, call("add", &[1; 8]))]);
    assert!(matches!(socket.next(), Answer::Ok { id: 1, .. }));
    gate.set(Mode::Fail);
    socket.send(&[(2, call("add", &[2; 8])), (3, count())]);
    // The idle seal may meet the failure first: then the call is not begun at all.
    let codes = socket.take(2).into_iter().map(|answer| match answer {
        Answer::Error { id, code } => (id, code),
        other => panic!("{other:?}"),
    });
    let codes: Vec<_> = codes.collect();
    let code = |wanted| codes.iter().find(|(id, _)| *id == wanted).map(|(_, code)| code.as_str());
    assert!(matches!(code(2), Some("unknown" | "unavailable")), "{codes:?}");
    assert_eq!(code(3), Some("unavailable"));
    let problem = node.0.join().unwrap_err();
    assert_eq!(problem.code, "fenced");

    gate.set(Mode::Pass);
    let again = open(&storage, &gate);
    let rows = again.get("/v1/rows/guest/row")["rows"].clone();
    assert_eq!(rows[0], json!(["1", u64::from_le_bytes([1; 8]).to_string()]), "what was acknowledged is there");
}

#[test]
fn one_sync_makes_all_calls_durable_that_waited_for_the_one_before() {
    let gate = Gate::new();
    let node = open(&MemoryStorage::default(), &gate);
    node.publish(SCHEMA);
    gate.set(Mode::Wait);
    let mut sockets: Vec<_> = (0..8).map(|_| node.connect()).collect();
    for socket in &mut sockets {
        socket.send(&[(1, call("add", &[1; 8]))]);
    }
    gate.wait_for_a_sync();
    gate.set(Mode::Pass);
    for socket in &mut sockets {
        assert!(matches!(socket.next(), Answer::Ok { id: 1, .. }));
    }
    assert_eq!(node.get("/v1/status")["durable"], "10");
}
