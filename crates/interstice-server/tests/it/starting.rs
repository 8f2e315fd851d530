//! Starting and stopping: what a data directory keeps, and why a node does not start.

use crate::support::{Node, SCHEMA, config, options, start_on};
use interstice_log::local::{LocalLog, MIN_SEGMENT_SIZE, OpenError};
use interstice_log::storage::hooked::{HookedStorage, Operation};
use interstice_log::storage::memory::MemoryStorage;
use interstice_server::server::Server;
use interstice_server::start::{Config, StartError};
use serde_json::json;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

fn on(data: &Path) -> Config {
    Config { data: Some(data.to_owned()), ..config() }
}

fn refused(config: Config) -> (u8, String, StartError) {
    let Err(error) = Server::start(config) else { panic!("it started") };
    (error.exit_code(), error.problem().code.to_string(), error)
}

#[test]
fn a_stopped_node_starts_again_with_everything_it_had() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let node = Node(Server::start(on(&data)).unwrap());
    node.publish(SCHEMA);
    node.post("/v1/call/guest/add", "[7]");
    let id = node.get("/v1/status")["node"].clone();
    assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    node.0.stop().unwrap();

    let node = Node(Server::start(on(&data)).unwrap());
    assert_eq!(node.0.report().recovered, 3);
    assert_eq!(node.get("/v1/status")["node"], id);
    assert_eq!(node.get("/v1/rows/guest/row")["rows"], json!([["1", "7"]]));
    assert_eq!(node.post("/v1/call/guest/add", "[8]")["value"], "2");
    assert_eq!(node.get("/v1/log/verify")["ok"], true);
}

#[test]
fn a_second_node_on_the_same_data_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Server::start(on(directory.path())).unwrap();
    let (exit, code, _) = refused(on(directory.path()));
    assert_eq!((exit, code.as_str()), (11, "in-use"));
}

#[test]
fn a_port_in_use_and_an_address_for_others_are_refused_with_what_to_do() {
    let first = Server::start(config()).unwrap();
    let (_, code, error) = refused(Config { listen: first.addr(), ..config() });
    assert_eq!(code, "address-in-use");
    let next = first.addr().port() + 1;
    assert!(error.problem().hint.as_ref().unwrap().contains(&format!("--listen 127.0.0.1:{next}")));
    let (exit, code, _) = refused(Config { listen: ([0, 0, 0, 0], 0).into(), ..config() });
    assert_eq!((exit, code.as_str()), (2, "not-loopback"));
}

#[test]
fn data_that_is_corrupt_or_newer_or_no_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let node = Node(Server::start(on(path)).unwrap());
    node.publish(SCHEMA);
    node.0.stop().unwrap();

    let file = path.join("node.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(r#""format": 1"#, r#""format": 99"#)).unwrap();
    let (exit, code, _) = refused(on(path));
    assert_eq!((exit, code.as_str()), (10, "newer-format"));
    std::fs::write(&file, text).unwrap();

    let segment = std::fs::read_dir(path.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.into_iter().find(|path| path.extension().is_some_and(|end| end == "log")).unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[4096 + 152 + 20] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let (exit, code, _) = refused(on(path));
    assert_eq!((exit, code.as_str()), (8, "corrupt"));

    let (exit, code, _) = refused(on(&file));
    assert_eq!((exit, code.as_str()), (9, "io"));
}

/// Not for wrong settings, nor for a node that has no such file yet.
#[test]
fn a_file_that_cannot_be_read_is_taken_for_a_fault_of_the_disk() {
    for file in ["node.json", "config.toml", "key"] {
        let directory = tempfile::tempdir().unwrap();
        // A directory is there, and cannot be read.
        std::fs::create_dir(directory.path().join(file)).unwrap();
        let (exit, code, error) = refused(on(directory.path()));
        assert_eq!((exit, code.as_str()), (9, "io"), "{error}");
        assert!(error.to_string().contains(file) || error.to_string().contains("key"), "{error}");
    }
}

/// Every read of recovery fails once. That nothing can be read says nothing about what is there: it must not send anybody to repair.
#[test]
fn a_read_that_fails_while_a_node_recovers_is_never_taken_for_damage() {
    let inner = MemoryStorage::default();
    let node = start_on(inner.clone(), MIN_SEGMENT_SIZE);
    node.publish(SCHEMA);
    (0..20).for_each(|_| drop(node.post("/v1/call/guest/fill", "[20]")));
    node.0.stop().unwrap();
    for failing in 0.. {
        let reads = AtomicU64::new(0);
        let storage = HookedStorage::new(inner.clone(), move |operation| match operation {
            Operation::Read { .. } if reads.fetch_add(1, SeqCst) == failing => Err(io::Error::other("unreadable")),
            _ => Ok(()),
        });
        let opened = LocalLog::open(storage, options(MIN_SEGMENT_SIZE));
        let log = match opened {
            Ok((log, _)) => log,
            Err(OpenError::Io { .. }) => continue,
            Err(error) => panic!("read {failing}: {error}"),
        };
        let Err(error) = Server::start_on(log, config()) else {
            assert!(failing > 40, "only {failing} reads");
            return;
        };
        assert_eq!(error.exit_code(), 9, "read {failing}: {error}");
    }
}

#[test]
fn a_node_ends_when_it_is_asked_from_another_thread() {
    let server = Server::start(config()).unwrap();
    let stopper = server.stopper();
    let asking = std::thread::spawn(move || stopper.stop());
    server.join().unwrap();
    asking.join().unwrap();
}
