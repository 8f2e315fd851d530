//! The same on a real directory.

use crate::support::{append, bytes_of, claim, open, open_options, payloads};
use interstice_log::local::{LocalLog, OpenError};
use interstice_log::log::CommitLog;
use interstice_log::retention::keep_copy;
use interstice_log::storage::directory::DirectoryStorage;
use interstice_log::storage::memory::MemoryStorage;
use interstice_log::storage::{Storage, StorageFile};
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

/// An archive outlives a restore: what another history calls by the same name does not take the place of what is there.
#[test]
fn what_is_archived_is_never_replaced() {
    let (log, archive) = (MemoryStorage::default(), MemoryStorage::default());
    let put = |storage: &MemoryStorage, bytes: &[u8]| storage.create("0.log").unwrap().write_all_at(bytes, 0).unwrap();
    put(&log, b"the whole segment");
    keep_copy(&log, &archive, "0.log").unwrap();
    keep_copy(&log, &archive, "0.log").unwrap();
    for other in [&b"the whole"[..], b"the whole sequent"] {
        put(&log, other);
        assert_eq!(keep_copy(&log, &archive, "0.log").unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(bytes_of(&archive, "0.log"), b"the whole segment");
    }
}
