//! Files of a node, read over HTTP in pieces; and files that are of a node, a data directory or a backup.

use crate::node::body;
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
use std::sync::{Arc, Mutex, MutexGuard};

/// Files of a node. They are only read.
#[derive(Debug, Clone)]
pub(crate) struct RemoteStorage {
    http: Http,
    kind: FileKind,
    listed: Arc<Mutex<Listing>>,
}

/// What a node keeps in files.
#[derive(Debug, Clone, Copy)]
enum FileKind {
    Segment,
    Snapshot,
}

/// The files that there were when somebody asked last, with their sizes.
#[derive(Debug)]
struct Listing {
    sizes: BTreeMap<String, u64>,
    /// Whether one of them turned out to be gone: the node gave it up meanwhile.
    is_stale: bool,
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
        let of = |kind: FileKind| {
            let listing = Listing { sizes: kind.sizes(&listed), is_stale: false };
            RemoteStorage { http: http.clone(), kind, listed: Arc::new(Mutex::new(listing)) }
        };
        let (log, snapshots) = (of(FileKind::Segment), of(FileKind::Snapshot));
        Self { listed, log, snapshots }
    }
}

/// A file of a node.
pub(crate) struct RemoteFile {
    storage: RemoteStorage,
    path: String,
    size: u64,
}

impl FileKind {
    /// What stands before a file's name.
    fn path(self) -> &'static str {
        match self {
            Self::Segment => route::BACKUP_LOG,
            Self::Snapshot => route::BACKUP_SNAPSHOTS,
        }
    }

    fn sizes(self, listed: &BackupSource) -> BTreeMap<String, u64> {
        match self {
            Self::Segment => listed.segments.iter().map(|one| (segment_name(one.first_offset), one.bytes)).collect(),
            Self::Snapshot => listed.snapshots.iter().map(|one| (name_of(one.next_offset), one.bytes)).collect(),
        }
    }
}

impl RemoteStorage {
    /// What there is; asked again if some of it is gone.
    fn listing(&self) -> io::Result<MutexGuard<'_, Listing>> {
        let mut listed = self.listed.lock().expect("invariant: nobody panics with a listing");
        if listed.is_stale {
            let document = self.http.get(route::BACKUP).map_err(as_io)?;
            let now: BackupSource = body(&document).map_err(|failure| io::Error::other(failure.problem.to_string()))?;
            *listed = Listing { sizes: self.kind.sizes(&now), is_stale: false };
        }
        Ok(listed)
    }

    fn read(&self, path: &str, at: u64, size: usize) -> io::Result<Vec<u8>> {
        let read = self.http.get_bytes(&format!("{path}?from={at}&size={size}"), size as u64 + 1).map_err(as_io);
        if read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            self.listed.lock().expect("invariant: nobody panics with a listing").is_stale = true;
        }
        read
    }
}

impl Storage for RemoteStorage {
    type File = RemoteFile;
    type Lock = ();

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.listing()?.sizes.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<RemoteFile> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("there is no file {name}"));
        let size = *self.listing()?.sizes.get(name).ok_or_else(missing)?;
        Ok(RemoteFile { storage: self.clone(), path: format!("{}/{name}", self.kind.path()), size })
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
            let bytes = self.storage.read(&self.path, from, piece.len())?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    /// What a node lists that has these segments.
    fn listed(first_offsets: &[u64]) -> Json {
        let segment = |first: &u64| json!({"first_offset": first.to_string(), "first_frame": "0", "lineage": "", "chain": "", "salt": "", "bytes": 4});
        let segments: Vec<_> = first_offsets.iter().map(segment).collect();
        json!({
            "schema": "interstice.backup-source/v1", "log": "", "segments": segments, "snapshots": [], "settings": null,
            "end": {"next_offset": "9", "position": "9", "epoch": "1", "lineage": "", "chain": ""},
        })
    }

    /// Something that answers as a node would whose first segment has gone since it was listed.
    fn node() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let request = lines.next().unwrap_or_default();
                lines.find(String::is_empty);
                let (status, body) = if request.contains(&segment_name(0)) {
                    ("404 Not Found", json!({"code": "trimmed", "message": "it is gone"}).to_string())
                } else if request.contains(&segment_name(5)) {
                    ("200 OK", "rows".to_owned())
                } else {
                    ("200 OK", listed(&[5]).to_string())
                };
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            }
        });
        url
    }

    #[test]
    fn what_was_given_up_since_it_was_listed_is_not_listed_again() {
        let before: BackupSource = body(&listed(&[0, 5])).unwrap();
        let files = NodeFiles::of(&Http::new(&node(), None), before).log;
        assert_eq!(files.list().unwrap(), [segment_name(0), segment_name(5)]);
        let mut bytes = [0; 4];
        let gone = files.open(&segment_name(0)).unwrap().read_exact_at(&mut bytes, 0).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound, "{gone}");
        assert_eq!(files.list().unwrap(), [segment_name(5)]);
        files.open(&segment_name(5)).unwrap().read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"rows");
    }
}
