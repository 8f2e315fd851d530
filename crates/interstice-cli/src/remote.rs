//! Files of a node, read over HTTP in pieces.

use interstice_client::http::{Http, HttpError};
use interstice_log::storage::{Storage, StorageFile};
use interstice_protocol::limits::MAX_PIECE_SIZE;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Files of a node. They are only read.
#[derive(Debug, Clone)]
pub(crate) struct RemoteStorage {
    http: Http,
    /// What stands before a file's name.
    path: &'static str,
    sizes: Arc<BTreeMap<String, u64>>,
}

/// A file of a node.
pub(crate) struct RemoteFile {
    http: Http,
    path: String,
    size: u64,
}

impl RemoteStorage {
    /// The files at `path` of a node, with their sizes.
    pub(crate) fn new(http: Http, path: &'static str, sizes: Vec<(String, u64)>) -> Self {
        Self { http, path, sizes: Arc::new(sizes.into_iter().collect()) }
    }
}

impl Storage for RemoteStorage {
    type File = RemoteFile;
    type Lock = ();

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.sizes.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<RemoteFile> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("there is no file {name}"));
        let size = *self.sizes.get(name).ok_or_else(missing)?;
        Ok(RemoteFile { http: self.http.clone(), path: format!("{}/{name}", self.path), size })
    }

    fn try_lock(&self) -> io::Result<Option<()>> {
        Ok(Some(()))
    }
}

impl StorageFile for RemoteFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        for (number, piece) in buffer.chunks_mut(MAX_PIECE_SIZE).enumerate() {
            let from = at + (number * MAX_PIECE_SIZE) as u64;
            let bytes =
                self.http.get_bytes(&format!("{}?from={from}&size={}", self.path, piece.len()), piece.len() as u64 + 1);
            let bytes = bytes.map_err(as_io)?;
            if bytes.len() != piece.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            piece.copy_from_slice(&bytes);
        }
        Ok(())
    }
}

/// What was given up meanwhile is not found, as on a disk.
fn as_io(error: HttpError) -> io::Error {
    let kind = match &error {
        HttpError::Refused { problem, .. } if problem.code == "trimmed" => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// What the node or the network said, if that is what `error` is made of.
pub(crate) fn network_error(error: io::Error) -> Result<HttpError, io::Error> {
    if error.get_ref().is_some_and(|inner| inner.is::<HttpError>()) {
        let inner = error.into_inner().and_then(|inner| inner.downcast().ok());
        return Ok(*inner.expect("invariant: just looked at"));
    }
    Err(error)
}
