//! `backup create`, `backup list` and `backup verify`.

use crate::directory::{Directory, place_of, repository};
use crate::failure::{Failure, exit};
use crate::node::Node;
use crate::remote::{Files, NodeFiles, network_error};
use crate::report::{FOUND, Report, columns};
use interstice::backup::create::{CreateError, Created, Source};
use interstice::backup::verify::{Verified, Verifier};
use interstice::backup::{FILES_DIRECTORY, Manifest, ManifestError, Repository};
use interstice_log::backup::{CopyError, Inventory};
use interstice_log::frame::{Epoch, Lineage, Position};
use interstice_log::log::Tail;
use interstice_log::segment::{LogId, SegmentHeader};
use interstice_log::snapshot::SnapshotError;
use interstice_log::storage::Storage;
use interstice_log::storage::directory::DirectoryStorage;
use interstice_protocol::http::BackupSource;
use interstice_types::id::decode_hex;
use interstice_types::problem::Problem;
use interstice_types::time::Timestamp;
use serde_json::{Value, json};
use std::io;
use std::path::Path;

/// Times that a backup is begun anew because log was given up meanwhile.
const MAX_TRIES: usize = 5;

pub(crate) fn create(node: &Node, data: Option<&Path>, to: &Path) -> Result<Report, Failure> {
    let place = data.map_or_else(|| format!("node `{}`", node.url()), |data| format!("`{}`", data.display()));
    let repository = open_or_make(to)?;
    let created = match data {
        Some(data) => repeated(&repository, (&place, to), || of_directory(data))?,
        None => repeated(&repository, (&place, to), || of_node(node))?,
    };
    Ok(created_report(&created, to))
}

/// Makes a backup of what `source` gives, and of what it gives then if some of that is given up meanwhile.
fn repeated<S: Storage>(
    repository: &Repository<DirectoryStorage>,
    (place, to): (&str, &Path),
    source: impl Fn() -> Result<Source<S>, Failure>,
) -> Result<Created, Failure> {
    let mut tries = 1;
    loop {
        match repository.create(&source()?) {
            Ok(created) => return Ok(created),
            Err(error) if is_gone(&error) && tries < MAX_TRIES => tries += 1,
            Err(error) => return Err(not_created(error, (place, to))),
        }
    }
}

/// Whether what was listed is not there any more.
fn is_gone(error: &CreateError) -> bool {
    let gone = |source: &io::Error| source.kind() == io::ErrorKind::NotFound;
    match error {
        CreateError::Copy(CopyError::Read { source, .. }) | CreateError::Snapshot(SnapshotError::Io { source, .. }) => {
            gone(source)
        }
        _ => false,
    }
}

fn open_or_make(to: &Path) -> Result<Repository<DirectoryStorage>, Failure> {
    let failed = |error: io::Error| unwritable(to, &error);
    let files = to.join(FILES_DIRECTORY);
    let other = to.exists() && !files.exists() && std::fs::read_dir(to).map_err(failed)?.next().is_some();
    if other {
        let hint = "name one that is not there yet, or that `backup create` made";
        return Err(Failure::usage(format!("`{}` is no directory of backups, and not empty", to.display()), hint));
    }
    Ok(Repository::new(
        DirectoryStorage::create(to).map_err(failed)?,
        DirectoryStorage::create(&files).map_err(failed)?,
    ))
}

fn of_directory(data: &Path) -> Result<Source<Files>, Failure> {
    let directory = Directory::open(data)?;
    let snapshots = directory.snapshots_beside_damage()?;
    // Before the log: it is behind each of them then.
    let offsets = snapshots.list().map_err(|error| Failure::file(data, &error))?;
    let log = directory.log()?;
    Ok(Source {
        inventory: log.inventory(),
        log: directory.storage().clone(),
        snapshots: snapshots.storage().clone(),
        offsets,
        settings: directory.settings()?,
    })
}

fn of_node(node: &Node) -> Result<Source<crate::remote::RemoteStorage>, Failure> {
    let NodeFiles { listed, log, snapshots } = node.files()?;
    let not_understood = || -> Failure {
        let problem = Problem::new("invalid-answer", "the node's list of files is not understood");
        problem.hint("the command and the node may be of different versions").into()
    };
    Ok(Source {
        log,
        inventory: inventory(&listed).ok_or_else(not_understood)?,
        snapshots,
        offsets: listed.snapshots.iter().map(|snapshot| snapshot.next_offset).collect(),
        settings: listed.settings.map(String::into_bytes),
    })
}

/// What a node lists, as the log says it; `None` if it makes no sense.
fn inventory(listed: &BackupSource) -> Option<Inventory> {
    let log_id = LogId(decode_hex(&listed.log)?);
    let mut segments = Vec::new();
    for segment in &listed.segments {
        segments.push(SegmentHeader {
            log_id,
            lineage: Lineage(decode_hex(&segment.lineage)?),
            first_offset: segment.first_offset,
            first_frame: Position(segment.first_frame),
            chain: decode_hex(&segment.chain)?,
            salt: decode_hex(&segment.salt)?,
        });
    }
    let end = Tail {
        position: Position(listed.end.position),
        next_offset: listed.end.next_offset,
        epoch: Epoch(listed.end.epoch),
        chain: decode_hex(&listed.end.chain)?,
        lineage: Lineage(decode_hex(&listed.end.lineage)?),
    };
    Some(Inventory { byte: listed.segments.last()?.bytes, segments, end })
}

fn not_created(error: CreateError, (place, to): (&str, &Path)) -> Failure {
    let said = error.to_string();
    let corrupt = |hint: &str| Failure::new(exit::CORRUPT, Problem::new("corrupt-log", &said).at(place).hint(hint));
    let look = "see every fault with `interstice log verify`, then `interstice log repair`; the backups before are as they were";
    match error {
        CreateError::InUse => {
            let hint = "wait until it has ended, and begin again";
            Failure::new(exit::IN_USE, Problem::new("in-use", said).at(backups(to)).hint(hint))
        }
        CreateError::Manifest(error) => error.into(),
        CreateError::AnotherLog { .. } => {
            let problem = Problem::new("another-log", said).at(backups(to));
            problem.hint("name another directory: one is for the backups of one log").into()
        }
        CreateError::Copy(CopyError::Read { source, .. }) => match network_error(source) {
            Ok(error) => error.into(),
            Err(_) => Failure::new(exit::IO, Problem::new("io", said).at(place)),
        },
        CreateError::Copy(CopyError::Write { source, .. }) | CreateError::Io(source) => unwritable(to, &source),
        CreateError::Snapshot(SnapshotError::Io { source, .. }) => match network_error(source) {
            Ok(error) => error.into(),
            Err(_) => Failure::new(exit::IO, Problem::new("io", said).at(place)),
        },
        CreateError::Snapshot(SnapshotError::NewerFormat { .. }) => {
            Failure::new(exit::NEWER_FORMAT, Problem::new("newer-format", said).at(place))
        }
        CreateError::NoBeginning { .. } => corrupt("make a snapshot first: `interstice snapshot create`"),
        CreateError::Copy(_) | CreateError::Unpack { .. } | CreateError::Snapshot(_) => corrupt(look),
        CreateError::Empty => Problem::new("empty-log", said).at(place).into(),
    }
}

/// The directory of backups cannot be written.
fn unwritable(to: &Path, error: &io::Error) -> Failure {
    if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return Failure::file(to, error);
    }
    let problem = Problem::new("disk-full", format!("there is no space left: {error}")).at(backups(to));
    let hint = format!("the backups before are as they were; make room and begin again: `df -h {}`", to.display());
    Failure::new(exit::IO, problem.hint(hint))
}

fn backups(to: &Path) -> String {
    format!("directory of backups `{}`", to.display())
}

fn created_report(created: &Created, to: &Path) -> Report {
    let Created { name, manifest, copied, there, copied_bytes, notices, .. } = created;
    let document = json!({
        "schema": "interstice.backup-create/v1", "backup": name, "file": to.join(name).display().to_string(),
        "created": created.created, "from": manifest.first_offset.to_string(), "to": manifest.next_offset.to_string(),
        "chain": manifest.chain, "bytes": manifest.size(), "notices": notices,
        "segments": { "copied": copied, "there": there }, "copied_bytes": copied_bytes,
        "snapshots": manifest.snapshots.len(),
    });
    let head = if created.created { "backup" } else { "nothing is new since backup" };
    let mut lines = vec![
        format!("{head} {}", to.join(name).display()),
        format!("transactions {}..{}", manifest.first_offset, manifest.next_offset),
        format!("{copied} segments copied, {there} there already; {copied_bytes} bytes copied"),
    ];
    lines.extend(notices.iter().map(|notice| format!("note: {notice}")));
    Report::new(document, lines.join("\n"))
}

pub(crate) fn list(path: &Path) -> Result<Report, Failure> {
    let repository = repository(path)?;
    let names = repository.list().map_err(|error| Failure::file(path, &error))?;
    let found: Vec<_> = names.into_iter().map(|name| (repository.open(&name).map(|it| it.manifest), name)).collect();
    let backups: Vec<_> = found.iter().map(|(manifest, name)| listed(name, manifest.as_ref())).collect();
    let mut lines =
        vec![["backup", "transactions", "last", "segments", "snapshots", "bytes"].map(str::to_owned).to_vec()];
    lines.extend(found.iter().map(|(manifest, name)| line(name, manifest.as_ref())));
    let document = json!({ "schema": "interstice.backups/v1", "backups": backups });
    Ok(Report::new(document, columns(&lines)).items("backups"))
}

fn listed(name: &str, manifest: Result<&Manifest, &ManifestError>) -> Value {
    match manifest {
        Err(error) => json!({ "backup": name, "fault": error.to_string() }),
        Ok(manifest) => json!({
            "backup": name, "fault": null, "log": manifest.log, "lineage": manifest.lineage, "chain": manifest.chain,
            "from": manifest.first_offset.to_string(), "to": manifest.next_offset.to_string(),
            "time": Timestamp(manifest.time).to_string(), "segments": manifest.segments.len(),
            "snapshots": manifest.snapshots.len(), "bytes": manifest.size(),
        }),
    }
}

fn line(name: &str, manifest: Result<&Manifest, &ManifestError>) -> Vec<String> {
    match manifest {
        Err(error) => vec![name.to_owned(), error.to_string()],
        Ok(manifest) => vec![
            name.to_owned(),
            format!("{}..{}", manifest.first_offset, manifest.next_offset),
            Timestamp(manifest.time).to_string(),
            manifest.segments.len().to_string(),
            manifest.snapshots.len().to_string(),
            manifest.size().to_string(),
        ],
    }
}

/// Verifies all backups of a directory, or one.
pub(crate) fn verify(path: &Path) -> Result<Report, Failure> {
    let (directory, one) = if path.is_dir() {
        (path.to_owned(), None)
    } else {
        let (directory, name) = place_of(path)?;
        (directory, Some(name))
    };
    let repository = repository(&directory)?;
    let all = || repository.list().map_err(|error| Failure::file(path, &error));
    let names = one.map_or_else(all, |name| Ok(vec![name]))?;
    let mut verifier = Verifier::new(&repository);
    let mut found = Vec::new();
    for name in names {
        let verified = verifier.verify(&name);
        match verified.backup {
            // What cannot be read is not said to be damaged.
            Err(error @ (ManifestError::NewerFormat { .. } | ManifestError::Io { .. })) => return Err(error.into()),
            _ => found.push(verified),
        }
    }
    let ok = found.iter().all(|verified| verified.faults.is_empty());
    let backups: Vec<_> = found.iter().map(verified).collect();
    let document = json!({ "schema": "interstice.backup-verify/v1", "ok": ok, "backups": backups });
    let mut lines: Vec<_> = found.iter().flat_map(verified_lines).collect();
    lines.push(format!("{}: {} backups", if ok { "ok" } else { "damaged" }, found.len()));
    let exit = if ok { 0 } else { FOUND };
    Ok(Report::new(document, lines.join("\n")).items("backups").exit(exit))
}

fn verified<T: Storage>(verified: &Verified<T>) -> Value {
    let fault = |fault: &interstice::backup::verify::Fault| json!({ "file": fault.file, "kind": fault.kind, "byte": fault.byte, "evidence": fault.evidence });
    let faults: Vec<_> = verified.faults.iter().map(fault).collect();
    json!({ "backup": verified.name, "ok": faults.is_empty(), "faults": faults })
}

fn verified_lines<T: Storage>(verified: &Verified<T>) -> Vec<String> {
    let what = verified.backup.as_ref().map_or_else(
        |_| String::new(),
        |backup| format!("  transactions {}..{}", backup.manifest.first_offset, backup.manifest.next_offset),
    );
    let verdict = if verified.faults.is_empty() { "ok" } else { "damaged" };
    let head = format!("{}{what}  {verdict}", verified.name);
    let faults = verified.faults.iter();
    let faults =
        faults.map(|fault| format!("  {} in {} at byte {}: {}", fault.kind, fault.file, fault.byte, fault.evidence));
    std::iter::once(head).chain(faults).collect()
}
