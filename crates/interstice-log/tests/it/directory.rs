//! The same on a real directory.

use crate::support::{append, claim, open, open_options, payloads};
use interstice_log::local::{LocalLog, OpenError};
use interstice_log::log::CommitLog;
use interstice_log::storage::directory::DirectoryStorage;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_directory_keeps_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let storage = DirectoryStorage::create(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let mut log = open(&storage);
    append(&mut claim(&mut log), b"kept");
    assert!(matches!(LocalLog::open(storage.clone(), open_options()).map(|_| ()), Err(OpenError::InUse)));
    let reader = LocalLog::open_read_only(storage.clone()).unwrap();
    assert_eq!(payloads(&reader), [b"kept"], "a reader needs no lock");
    drop(log);
    let mut log = open(&storage);
    assert_eq!(payloads(&log), [b"kept"]);
    assert!(
        LocalLog::open_read_only(storage).unwrap().claim(log.tail().position, interstice_log::frame::Epoch(9)).is_err()
    );
    append(&mut claim(&mut log), b"more");
}

#[test]
fn a_directory_that_is_not_there_is_not_a_log() {
    assert!(DirectoryStorage::open(std::path::Path::new("/nonexistent/log")).is_err());
}
