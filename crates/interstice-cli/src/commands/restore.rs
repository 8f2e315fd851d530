//! `restore`: a backup, or its beginning, as a new data directory.
//!
//! 1. Look at every byte of the backup; find where to cut.
//! 2. Write log, snapshots and settings beside the place that was asked for.
//! 3. Recover from that, every digest compared; only then does it get its name.

use super::random;
use crate::directory::{Directory, open_backup};
use crate::failure::{Failure, exit, log_not_opened};
use crate::report::{Report, columns};
use crate::unfinished::{Unfinished, not_written, refuse_used, write_settings};
use interstice::backup::Backup;
use interstice::backup::restore::RestoreError;
use interstice::fork::{Plan, PlanError};
use interstice_log::frame::Lineage;
use interstice_log::local::OpenError;
use interstice_log::storage::directory::DirectoryStorage;
use interstice_types::id::{Offset, to_hex};
use interstice_types::problem::Problem;
use serde_json::json;
use std::io;
use std::path::Path;

pub(crate) fn run(file: &Path, out: &Path, to: Option<Offset>) -> Result<Report, Failure> {
    if !file.is_file() {
        let hint = "name a file `….json` of a directory of backups: `interstice backup list DIR`";
        let problem = Problem::new("no-backup", format!("`{}` is no file", file.display())).hint(hint);
        return Err(problem.into());
    }
    let backup = open_backup(file)?;
    refuse_used(out)?;
    let plan = backup.plan(to).map_err(|error| not_restored(error, (file, out)))?;
    let unfinished = Unfinished::make(out).map_err(|error| not_written(out, &error))?;
    let lineage = random()?;
    write(&backup, &plan, unfinished.path(), lineage).map_err(|error| not_restored(error, (file, out)))?;
    // It is of use only if it recovers: better to know now.
    let restored = Directory::open(unfinished.path())?.state()?.next_offset();
    assert_eq!(restored, plan.to, "invariant: what is restored ends where it was asked to");
    unfinished.finish(out).map_err(|error| not_written(out, &error))?;
    Ok(report(&backup, &plan, out, lineage))
}

fn write(backup: &Backup<DirectoryStorage>, plan: &Plan, path: &Path, lineage: [u8; 16]) -> Result<(), RestoreError> {
    let (top, log) = (DirectoryStorage::at(path), DirectoryStorage::create(&path.join("log"))?);
    let snapshots = DirectoryStorage::create(&path.join("snapshots"))?;
    let salt_seed = random().map_err(|failure| RestoreError::Io(io::Error::other(failure.problem.message.clone())))?;
    backup.write(plan, (&log, &snapshots), (Lineage(lineage), salt_seed))?;
    Ok(write_settings(backup.settings()?, &top)?)
}

fn not_restored(error: RestoreError, (file, out): (&Path, &Path)) -> Failure {
    let said = error.to_string();
    let damaged = || {
        let hint = format!("see every fault with `interstice backup verify {}`", file.display());
        Failure::new(exit::CORRUPT, Problem::new("damaged-backup", &said).hint(hint))
    };
    match error {
        RestoreError::Manifest(error) => error.into(),
        RestoreError::Log(error @ (OpenError::NewerFormat { .. } | OpenError::Io { .. }))
        | RestoreError::Plan(PlanError::Log(error @ (OpenError::NewerFormat { .. } | OpenError::Io { .. }))) => {
            log_not_opened(&error, file)
        }
        // A medium that cannot be read is not damage: what it holds may be good.
        RestoreError::Damaged { fault, .. } if fault.kind == "io" => {
            Failure::new(exit::IO, Problem::new("io", said).hint("look at the disk of the backup, then begin again"))
        }
        RestoreError::Damaged { .. } | RestoreError::Log(_) | RestoreError::Plan(_) => damaged(),
        RestoreError::OutOfReach { first, end, .. } => {
            Failure::usage(said, format!("`--to` may be from {first} to {end}: the offset behind the last"))
        }
        RestoreError::Io(error) => not_written(out, &error),
    }
}

fn report(backup: &Backup<DirectoryStorage>, plan: &Plan, out: &Path, lineage: [u8; 16]) -> Report {
    let (first, end) = (backup.manifest.first_offset, backup.manifest.next_offset);
    let document = json!({
        "schema": "interstice.restore/v1", "backup": backup.name, "out": out.display().to_string(),
        "lineage": to_hex(&lineage), "from": first.to_string(), "to": plan.to.to_string(),
        "snapshots": plan.snapshots.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "left_out": { "from": plan.to.to_string(), "to": end.to_string() },
    });
    let line = |name: &str, value: String| vec![name.to_owned(), value];
    let mut lines = vec![
        line("restored", format!("transactions {first}..{}, {} snapshots", plan.to, plan.snapshots.len())),
        line("into", out.display().to_string()),
    ];
    if plan.to < end {
        lines.push(line("left out", format!("transactions {}..{end}", plan.to)));
    }
    lines.push(line("history", format!("{}: clients with newer receipts hear `history-diverged`", to_hex(&lineage))));
    Report::new(document, columns(&lines))
}
