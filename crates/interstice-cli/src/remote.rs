//! Files of a node, read over HTTP in pieces; and files that are of a node, a data directory or a backup.

use interstice_client::http::{Http, HttpError};
use interstice_log::segment::segment_name;
use interstice_log::snapshot::name_of;
use interstice_log::storage::directory::DirectoryStorage;
use interstice_log::storage::view::View;
use interstice_log::storage::{Storage, StorageFile};
use interstice_protocol::http::{BackupSource, route};
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

/// What a node's history is kept in, as it is now.
pub(crate) struct NodeFiles {
    /// What there is.
    pub(crate) listed: BackupSource,
    /// The log.
    pub(crate) log: RemoteStorage,
    /// The snapshots.
    pub(crate) snapshots: RemoteStorage,
}

impl NodeFiles {
    /// What the node that `http` talks to has listed.
    pub(crate) fn of(http: &Http, listed: BackupSource) -> Self {
        let segments = listed.segments.iter();
        let segments = segments.map(|segment| (segment_name(segment.first_offset), segment.bytes)).collect();
        let snapshots = listed.snapshots.iter().map(|snapshot| (name_of(snapshot.next_offset), snapshot.bytes));
        let (log, snapshots) = (
            RemoteStorage::new(http.clone(), route::BACKUP_LOG, segments),
            RemoteStorage::new(http.clone(), route::BACKUP_SNAPSHOTS, snapshots.collect()),
        );
        Self { listed, log, snapshots }
    }
}

/// A file of a node.
pub(crate) struct RemoteFile {
    http: Http,
    path: String,
    size: u64,
}

impl RemoteStorage {
    /// The files at `path` of a node, with their sizes.
    fn new(http: Http, path: &'static str, sizes: Vec<(String, u64)>) -> Self {
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

/// Files of a data directory, those of a backup under the same names, or those of a node.
#[derive(Debug, Clone)]
pub(crate) enum Files {
    Disk(View<DirectoryStorage>),
    Node(RemoteStorage),
}

/// One of them.
pub(crate) enum AnyFile {
    Disk(std::fs::File),
    Node(RemoteFile),
}

impl Storage for Files {
    type File = AnyFile;
    type Lock = <View<DirectoryStorage> as Storage>::Lock;

    fn list(&self) -> io::Result<Vec<String>> {
        match self {
            Self::Disk(files) => files.list(),
            Self::Node(files) => files.list(),
        }
    }

    fn open(&self, name: &str) -> io::Result<AnyFile> {
        match self {
            Self::Disk(files) => files.open(name).map(AnyFile::Disk),
            Self::Node(files) => files.open(name).map(AnyFile::Node),
        }
    }

    fn create(&self, name: &str) -> io::Result<AnyFile> {
        match self {
            Self::Disk(files) => files.create(name).map(AnyFile::Disk),
            Self::Node(files) => files.create(name).map(AnyFile::Node),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        match self {
            Self::Disk(files) => files.rename(from, to),
            Self::Node(files) => files.rename(from, to),
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match self {
            Self::Disk(files) => files.remove(name),
            Self::Node(files) => files.remove(name),
        }
    }

    fn sync_directory(&self) -> io::Result<()> {
        match self {
            Self::Disk(files) => files.sync_directory(),
            Self::Node(files) => files.sync_directory(),
        }
    }

    fn try_lock(&self) -> io::Result<Option<Self::Lock>> {
        match self {
            Self::Disk(files) => files.try_lock(),
            Self::Node(_) => Ok(Some(None)),
        }
    }
}

impl StorageFile for AnyFile {
    fn size(&self) -> io::Result<u64> {
        match self {
            Self::Disk(file) => StorageFile::size(file),
            Self::Node(file) => file.size(),
        }
    }

    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        match self {
            Self::Disk(file) => StorageFile::read_exact_at(file, buffer, at),
            Self::Node(file) => file.read_exact_at(buffer, at),
        }
    }

    fn write_all_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        match self {
            Self::Disk(file) => StorageFile::write_all_at(file, bytes, at),
            Self::Node(file) => file.write_all_at(bytes, at),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        match self {
            Self::Disk(file) => StorageFile::sync(file),
            Self::Node(file) => file.sync(),
        }
    }

    fn forget_cached(&self) -> io::Result<()> {
        match self {
            Self::Disk(file) => StorageFile::forget_cached(file),
            Self::Node(file) => file.forget_cached(),
        }
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
