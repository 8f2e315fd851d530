//! What history is kept in: a data directory, or a backup of one, without a node; or the files of a node that runs.

use crate::failure::{Failure, exit, log_not_opened};
use crate::node::Node;
use crate::remote::{Files, NodeFiles};
use crate::telling::OWN_TARGET;
use interstice::backup::{Backup, FILES_DIRECTORY, Repository};
use interstice::framing::Transactions;
use interstice::history::index::{self, Base, Index};
use interstice::history::row::RowHistory;
use interstice::history::{HistoryError, Selector};
use interstice::moment::{Moment, MomentError, state_at};
use interstice::opened::Start;
use interstice::snapshot::load::{LoadError, load_before};
use interstice::snapshot::{Manifest, Snapshots};
use interstice_engine::engine::Engine;
use interstice_engine::limits::Limits;
use interstice_engine::module::ModuleLoader;
use interstice_log::local::{LocalLog, OpenError};
use interstice_log::log::CommitLog;
use interstice_log::salvage;
use interstice_log::segment::LogId;
use interstice_log::storage::Storage;
use interstice_log::storage::directory::DirectoryStorage;
use interstice_log::storage::view::View;
use interstice_server::reports;
use interstice_server::start::fault_behind;
use interstice_types::id::{Offset, decode_hex};
use interstice_types::problem::Problem;
use interstice_wasm::wasm_engine::WasmEngine;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the log is in a data directory.
const LOG: &str = "log";
/// Where the snapshots are.
const SNAPSHOTS: &str = "snapshots";
/// Where the index of rows is.
const INDEX: &str = "index";

/// A data directory, a backup or what a node has, opened for reading.
pub(crate) struct Directory {
    /// Of a node its address.
    path: PathBuf,
    storage: Files,
    snapshots: Files,
    kind: Kind,
}

/// What it is.
enum Kind {
    Directory,
    Backup(Box<Backup<DirectoryStorage>>),
    /// With its settings.
    Node(Option<String>),
}

impl Directory {
    /// What is at `data`, else what `node` has.
    pub(crate) fn at(node: &Node, data: Option<&Path>) -> Result<Self, Failure> {
        let Some(data) = data else {
            let NodeFiles { listed, log, snapshots } = node.files()?;
            let (path, storage, snapshots) = (PathBuf::from(node.url()), Files::Node(log), Files::Node(snapshots));
            return Ok(Self { path, storage, snapshots, kind: Kind::Node(listed.settings) });
        };
        Self::open(data)
    }

    /// The data directory at `path`, or the backup whose manifest that is.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path.is_file() {
            let backup = open_backup(path)?;
            let (storage, snapshots) = (Files::Disk(backup.log()), Files::Disk(backup.snapshots()));
            return Ok(Self { path: path.to_owned(), storage, snapshots, kind: Kind::Backup(backup.into()) });
        }
        let storage = DirectoryStorage::open(&path.join(LOG)).map_err(|error| {
            let problem = Problem::new("no-data", format!("`{}` is no data directory: {error}", path.display()))
                .hint("name the directory that `interstice start --data` was given, or a file of a backup");
            Failure::new(exit::FAILED, problem)
        })?;
        let snapshots = View::whole(DirectoryStorage::at(&path.join(SNAPSHOTS)));
        let (storage, snapshots) = (Files::Disk(View::whole(storage)), Files::Disk(snapshots));
        Ok(Self { path: path.to_owned(), storage, snapshots, kind: Kind::Directory })
    }

    /// Its files.
    pub(crate) fn storage(&self) -> &Files {
        &self.storage
    }

    /// Its log, for reading.
    pub(crate) fn log(&self) -> Result<LocalLog<Files>, Failure> {
        LocalLog::open_read_only(self.storage.clone()).map_err(|error| log_not_opened(&error, &self.path))
    }

    /// Its log, for reading; of one that is damaged what stands before that, and why there is no more.
    pub(crate) fn readable(&self) -> Result<(LocalLog<Files>, Option<Failure>), Failure> {
        let damage = match self.log() {
            Ok(log) => return Ok((log, None)),
            Err(failure) if failure.exit == exit::CORRUPT => failure,
            Err(failure) => return Err(failure),
        };
        match LocalLog::open_front(self.storage.clone()).map_err(|error| log_not_opened(&error, &self.path))? {
            Some(front) => Ok((front, Some(damage))),
            None => Err(damage),
        }
    }

    /// Something in it cannot be read or does not fit together.
    pub(crate) fn corrupt(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        if let Some(fault) = fault_behind(error) {
            return Failure::new(exit::IO, Problem::new("io", fault.to_string()).at(self.place()));
        }
        Failure::new(exit::CORRUPT, Problem::new("corrupt-log", error.to_string()).at(self.place()))
    }

    /// The state at `moment`, with its modules ready to run; what does not load answers that it is not available. Only the log from the
    /// newest snapshot before it on is read.
    pub(crate) fn at_moment(&self, moment: Moment) -> Result<Engine, Failure> {
        let (log, newest) = self.near(moment)?;
        let start = self.start(&log, newest.map_or(0, |snapshot| snapshot.next_offset))?;
        let mut engine = state_at(&log, start, moment).map_err(|error| self.no_moment(&error))?;
        engine.load_modules();
        Ok(engine)
    }

    /// The newest snapshot that is not behind `moment`, if there is one, and the log from what it needs on.
    pub(crate) fn near(&self, moment: Moment) -> Result<(LocalLog<Files>, Option<Manifest>), Failure> {
        let failed = |error: std::io::Error| Failure::file(&self.path, &error);
        let newest = self.snapshots_beside_damage()?.newest(|one| moment.is_reached_from(one)).map_err(failed)?;
        let from = newest.as_ref().map_or(0, |one| one.events_from.offset.min(one.next_offset));
        match LocalLog::open_read_only_from(self.storage.clone(), from) {
            Ok(log) => Ok((log, newest)),
            Err(error) => {
                let damage = log_not_opened(&error, &self.path);
                let (front, _) = if damage.exit == exit::CORRUPT { self.readable()? } else { return Err(damage) };
                // What is asked for stands before the damage, or it is not known.
                let end = front.tail().next_offset;
                if matches!(moment, Moment::Behind(offset) if offset < end) { Ok((front, newest)) } else { Err(damage) }
            }
        }
    }

    /// Why there is nothing at a moment.
    pub(crate) fn no_moment(&self, error: &MomentError) -> Failure {
        match reports::no_moment(error) {
            Some(problem) => problem.into(),
            None if error.is_trimmed() => reports::trimmed(error).into(),
            None => self.corrupt(error),
        }
    }

    /// Where the files of its snapshots are.
    pub(crate) fn snapshot_files(&self) -> &Files {
        &self.snapshots
    }

    /// Its snapshots.
    pub(crate) fn snapshots(&self, log: &LocalLog<Files>) -> Snapshots<Files> {
        Snapshots::new(self.snapshots.clone(), log.log_id())
    }

    /// Its snapshots, where the log itself may not open: of the log that the first whole header of a segment names, else of
    /// the one that the node made.
    pub(crate) fn snapshots_beside_damage(&self) -> Result<Snapshots<Files>, Failure> {
        let found = salvage::log_id(&self.storage).map_err(|error| log_not_opened(&error, &self.path))?;
        let log_id = found.or_else(|| self.node_id()).unwrap_or(LogId([0; 16]));
        Ok(Snapshots::new(self.snapshots.clone(), log_id))
    }

    /// What `node.json` says: a log is named after the node that made it.
    fn node_id(&self) -> Option<LogId> {
        let text = std::fs::read_to_string(self.path.join("node.json")).ok()?;
        let file: serde_json::Value = serde_json::from_str(&text).ok()?;
        file["node"].as_str().and_then(decode_hex).map(LogId)
    }

    /// Its settings, if it has a file of them.
    pub(crate) fn settings(&self) -> Result<Option<Vec<u8>>, Failure> {
        let read = match &self.kind {
            Kind::Backup(backup) => backup.settings(),
            Kind::Node(settings) => Ok(settings.clone().map(String::into_bytes)),
            Kind::Directory => match std::fs::read(self.path.join(interstice::backup::SETTINGS_NAME)) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                read => read.map(Some),
            },
        };
        read.map_err(|error| Failure::file(&self.path, &error))
    }

    /// Where it is, for people.
    pub(crate) fn place(&self) -> String {
        let what = match self.kind {
            Kind::Directory => "data directory",
            Kind::Backup(_) => "backup",
            Kind::Node(_) => "node",
        };
        format!("{what} `{}`", self.path.display())
    }

    /// Its snapshots, to add one.
    pub(crate) fn make_snapshots(&self, log: &LocalLog<Files>) -> Result<Snapshots<Files>, Failure> {
        if matches!(self.kind, Kind::Backup(_)) {
            let hint = "restore it first: `interstice restore FILE --out DIR`";
            return Err(Failure::usage("nothing is added to a backup", hint));
        }
        let path = self.path.join(SNAPSHOTS);
        DirectoryStorage::create(&path).map_err(|error| Failure::file(&path, &error))?;
        Ok(self.snapshots(log))
    }

    /// Where the index of rows is; `None` of what has none of its own.
    pub(crate) fn index_files(&self) -> Option<DirectoryStorage> {
        matches!(self.kind, Kind::Directory).then(|| DirectoryStorage::at(&self.path.join(INDEX)))
    }

    /// As [`index_files`](Self::index_files), made if they are not there.
    pub(crate) fn make_index_files(&self) -> Option<std::io::Result<DirectoryStorage>> {
        matches!(self.kind, Kind::Directory).then(|| DirectoryStorage::create(&self.path.join(INDEX)))
    }

    /// The history of a row by the index, if there is one that reaches far enough and can say.
    pub(crate) fn row_history(&self, selector: &Selector, limit: usize) -> Option<Result<RowHistory, HistoryError>> {
        let files = self.index_files()?;
        let log = LocalLog::open_read_only_quickly(self.storage.clone()).ok()?;
        let base = Base::of(&log, &self.snapshots(&log)).ok()?;
        let mut index = Index::open(&log, (files, log.log_id()), &base, None).ok()?;
        let is_followed = index.is_near(&log) && index.follow(&log, u64::MAX).ok()?;
        match is_followed.then(|| index::row_history(&log, (&index, &base), (selector, limit)))? {
            Err(HistoryError::Index(_)) => None,
            told => told.transpose(),
        }
    }

    /// Takes the directory, so that no node begins to write it. Where nobody can write there is nothing to take.
    pub(crate) fn lock(&self) -> Result<<Files as Storage>::Lock, Failure> {
        match self.storage.try_lock() {
            Ok(Some(lock)) => Ok(lock),
            Ok(None) => Err(log_not_opened(&OpenError::InUse, &self.path)),
            Err(error) if error.kind() == std::io::ErrorKind::ReadOnlyFilesystem => Ok(None),
            Err(error) => Err(Failure::file(&self.path, &error)),
        }
    }

    /// A state with at most so many offsets behind it, from which its log goes on.
    pub(crate) fn start(&self, log: &LocalLog<Files>, most: Offset) -> Result<Start, Failure> {
        self.start_with(log, most, loader()?)
    }

    /// As [`start`](Self::start), with modules from `loader`.
    pub(crate) fn start_with(
        &self,
        log: &LocalLog<Files>,
        most: Offset,
        loader: Arc<dyn ModuleLoader>,
    ) -> Result<Start, Failure> {
        // A node beside may have made a snapshot of what this reader does not see yet.
        let most = most.min(log.tail().next_offset);
        let loaded = load_before(log, &self.snapshots(log), most, (loader, Limits::default()));
        if let Ok((start, left_aside)) = &loaded {
            let (from_snapshot, damaged) = (start.from_snapshot, left_aside.len());
            tracing::debug!(target: OWN_TARGET, place = self.place(), most, from_snapshot, damaged, "history begins");
        }
        match loaded {
            Ok((start, _)) => Ok(start),
            Err(error @ LoadError::NoBeginning { .. }) => Err(reports::trimmed(&error).into()),
            Err(error) => Err(self.corrupt(&error)),
        }
    }

    /// The first offset before which there is a state from which its log goes on.
    pub(crate) fn beginning(&self, log: &LocalLog<Files>) -> Result<Offset, Failure> {
        self.snapshots(log).earliest(log).map_err(|error| Failure::file(&self.path, &error))
    }

    /// The offsets before which there are snapshots, in order.
    pub(crate) fn starts(&self, log: &LocalLog<Files>) -> Result<Vec<Offset>, Failure> {
        self.snapshots(log).list().map_err(|error| Failure::file(&self.path, &error))
    }

    /// The state after its last transaction. Digests are compared on the way; no module is loaded.
    pub(crate) fn state(&self) -> Result<Engine, Failure> {
        let log = self.log()?;
        let Start { mut engine, position, .. } = self.start(&log, Offset::MAX)?;
        let frames = log.read(position).map_err(|error| self.corrupt(&error))?;
        for transaction in Transactions::new(frames) {
            let transaction = transaction.map_err(|error| self.corrupt(&error))?;
            engine.apply(&transaction).map_err(|error| self.corrupt(&error))?;
        }
        Ok(engine)
    }

    /// The state after its last transaction, with its modules ready to run; what does not load answers that it is not available.
    pub(crate) fn recover(&self) -> Result<Engine, Failure> {
        let mut engine = self.state()?;
        engine.load_modules();
        Ok(engine)
    }
}

/// Where something is asked: of a node, or of the files of one; now, or at a moment.
pub(crate) struct Place<'p> {
    pub(crate) node: &'p Node,
    pub(crate) data: Option<&'p Path>,
    pub(crate) at: Option<Moment>,
}

impl<'p> Place<'p> {
    /// On `node`, or in `data`; at the moment that `at` names.
    pub(crate) fn new(node: &'p Node, data: Option<&'p Path>, at: Option<&str>) -> Result<Self, Failure> {
        let parsed = at.map(str::parse).transpose();
        let at = parsed.map_err(|problem: Problem| Failure::new(exit::USAGE, problem))?;
        Ok(Self { node, data, at })
    }

    /// The state, with its modules ready to run, if files are asked; `None` if the node is.
    pub(crate) fn state(&self) -> Result<Option<Engine>, Failure> {
        let Some(data) = self.data else { return Ok(None) };
        let directory = Directory::open(data)?;
        self.at.map_or_else(|| directory.recover(), |moment| directory.at_moment(moment)).map(Some)
    }
}

/// The backups in the directory `path`.
pub(crate) fn repository(path: &Path) -> Result<Repository<DirectoryStorage>, Failure> {
    let missing = |error: std::io::Error| {
        let problem = Problem::new("no-backups", format!("`{}` has no backups: {error}", path.display()))
            .hint("name the directory that `interstice backup create --to` was given");
        Failure::new(exit::FAILED, problem)
    };
    let manifests = DirectoryStorage::open(path).map_err(missing)?;
    let files = DirectoryStorage::open(&path.join(FILES_DIRECTORY)).map_err(missing)?;
    Ok(Repository::new(manifests, files))
}

/// The backup whose manifest is at `path`.
pub(crate) fn open_backup(path: &Path) -> Result<Backup<DirectoryStorage>, Failure> {
    let (directory, name) = place_of(path)?;
    Ok(repository(&directory)?.open(&name)?)
}

/// The directory of backups that a manifest is in, and its name.
pub(crate) fn place_of(path: &Path) -> Result<(PathBuf, String), Failure> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name =
        name.ok_or_else(|| Failure::usage(format!("`{}` is no file", path.display()), "name one of a backup"))?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((directory.to_owned(), name.to_owned()))
}

/// What makes modules of artefacts.
pub(crate) fn loader() -> Result<Arc<dyn ModuleLoader>, Failure> {
    Ok(WasmEngine::Wasmtime.loader()?)
}
