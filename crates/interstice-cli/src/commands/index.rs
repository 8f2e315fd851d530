//! `log index`: the index of rows of a data directory on which no node runs, brought up to date, made again, compared.

use crate::directory::Directory;
use crate::failure::{Failure, exit};
use crate::output::Output;
use crate::remote::Files;
use crate::report::{FOUND, Report};
use interstice::history::index::{Base, Index, IndexError, STRETCH_SIZE};
use interstice_log::local::LocalLog;
use interstice_log::log::CommitLog;
use interstice_log::storage::Storage;
use interstice_log::storage::directory::DirectoryStorage;
use interstice_types::problem::Problem;
use serde_json::{Value, json};
use std::path::Path;

/// Bytes of log between two signs of life.
const PIECE_SIZE: u64 = 4 << 20;

pub(crate) fn run(data: &Path, (rebuild, verify): (bool, bool), output: &Output) -> Result<Report, Failure> {
    let directory = Directory::open(data)?;
    let files = files(&directory)?;
    let _lock = directory.lock()?;
    if rebuild {
        Index::remove(&files).map_err(|error| Failure::file(data, &error))?;
    }
    let log = directory.log()?;
    let progress = output.progress("transactions", log.tail().next_offset);
    let there = open(&directory, &log, None)?;
    let faults = if verify { there.verify(&log, &|more| progress.advance(more)) } else { Ok(Vec::new()) };
    let faults = faults.map_err(|error| failed(&directory, error))?;
    for (name, _) in &faults {
        files.remove(name).map_err(|error| Failure::file(data, &error))?;
    }
    let (index, added) = make(&directory, &log, &|more| progress.advance(more))?;
    progress.end();
    Ok(report(&index, added, &faults))
}

/// Brings the index up to date; `told` is told how many more transactions are in it. Beside it how many those are.
pub(super) fn make(
    directory: &Directory,
    log: &LocalLog<Files>,
    told: &dyn Fn(u64),
) -> Result<(Index<DirectoryStorage>, u64), Failure> {
    let failed = |error: IndexError| failed(directory, error);
    let mut index = open(directory, log, Some(STRETCH_SIZE))?;
    let from = index.next_offset();
    index.prune(log).map_err(|error| failed(error.into()))?;
    loop {
        let before = index.next_offset();
        let at_end = index.follow(log, PIECE_SIZE).map_err(failed)?;
        told(index.next_offset() - before);
        if at_end {
            break;
        }
    }
    index.keep().map_err(|error| failed(error.into()))?;
    let added = index.next_offset() - from;
    Ok((index, added))
}

fn open(
    directory: &Directory,
    log: &LocalLog<Files>,
    stretch_size: Option<u64>,
) -> Result<Index<DirectoryStorage>, Failure> {
    let base = Base::of(log, &directory.snapshots(log)).map_err(|error| failed(directory, error))?;
    let opened = Index::open(log, (files(directory)?, log.log_id()), &base, stretch_size);
    opened.map_err(|error| failed(directory, error))
}

/// Where its files are, made if it is not there.
fn files(directory: &Directory) -> Result<DirectoryStorage, Failure> {
    let files = directory.make_index_files().transpose();
    let files = files.map_err(|error| failed(directory, error.into()))?;
    let hint = "restore it first: `interstice restore FILE --out DIR`";
    files.ok_or_else(|| Failure::usage("a backup has no index", hint))
}

fn failed(directory: &Directory, error: IndexError) -> Failure {
    match error {
        IndexError::Io(error) => Failure::new(exit::IO, Problem::new("io", error.to_string()).at(directory.place())),
        error => directory.corrupt(&error),
    }
}

fn report(index: &Index<DirectoryStorage>, added: u64, faults: &[(String, String)]) -> Report {
    let (complete, entries, bytes) = index.size();
    let end = index.next_offset();
    let found: Vec<Value> = faults.iter().map(|(name, reason)| json!({"file": name, "reason": reason})).collect();
    let document = json!({
        "schema": "interstice.log-index/v1", "next_offset": end.to_string(), "added": added.to_string(),
        "complete": complete, "entries": entries, "bytes": bytes, "ok": faults.is_empty(), "faults": found,
    });
    let mut lines: Vec<_> =
        faults.iter().map(|(name, reason)| format!("index {name}: {reason}; it is made again")).collect();
    lines.push(format!(
        "index of {end} transactions, {added} of them new: {entries} entries, {bytes} bytes, {complete} complete files"
    ));
    Report::new(document, lines.join("\n")).items("faults").exit(if faults.is_empty() { 0 } else { FOUND })
}
