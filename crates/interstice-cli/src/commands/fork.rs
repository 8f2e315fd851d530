//! `fork` and `replay run`: the beginning of a history as a new data directory, which goes on as another history.
//!
//! 1. Find where the moment is, and what it needs: the newest snapshot that is not behind it, and the log from there on; for
//!    `replay run` all of the log.
//! 2. Write that, cut at the moment, beside the place that was asked for.
//! 3. Recover from it, every digest compared; only then does it get its name.

use super::random;
use crate::directory::Directory;
use crate::failure::{Failure, exit, log_not_opened};
use crate::node::Node;
use crate::report::{Report, columns};
use crate::unfinished::{Unfinished, not_written, refuse_used, write_settings};
use interstice::fork::{Plan, PlanError};
use interstice::moment::{Moment, end_of};
use interstice::snapshot::Manifest;
use interstice_engine::engine::Engine;
use interstice_log::frame::{Lineage, Position};
use interstice_log::storage::directory::DirectoryStorage;
use interstice_types::id::{Offset, to_hex};
use serde_json::json;
use std::io;
use std::path::Path;

/// Forks at `moment`: no more of the log goes along than recovery needs, unless `whole`.
pub(crate) fn fork(directory: &Directory, (moment, whole): (&str, bool), out: &Path) -> Result<Report, Failure> {
    let moment: Moment = moment.parse().map_err(|problem| Failure::new(exit::USAGE, problem))?;
    refuse_used(out)?;
    let (log, newest) = directory.near(moment)?;
    let start = newest.as_ref().map_or((0, Position(0)), |snapshot| (snapshot.next_offset, snapshot.end()));
    let to = end_of(&log, start, moment).map_err(|error| directory.no_moment(&error))?;
    let needed = newest.as_ref().map_or(Position(0), begins);
    let from = if whole { Position(0) } else { needed };
    write(directory, ("fork", from, to), newest.as_slice(), out)
}

/// The frame from which on a snapshot needs the log.
fn begins(snapshot: &Manifest) -> Position {
    Position(snapshot.events_from.position).min(snapshot.end())
}

/// Rebuilds everything up to offset `to`, the one behind the last: all of the log that there is.
pub(crate) fn run(node: &Node, data: Option<&Path>, to: Offset, out: &Path) -> Result<Report, Failure> {
    let directory = Directory::at(node, data)?;
    refuse_used(out)?;
    let log = directory.log()?;
    let moment = Moment::Behind(to.saturating_sub(1));
    let first = directory.beginning(&log)?;
    end_of(&log, (first, Position(0)), moment).map_err(|error| directory.no_moment(&error))?;
    // Only what it cannot do without: the others are of states behind its beginning.
    let manifests = directory.snapshots(&log).look(false).map_err(|error| Failure::file(out, &error))?;
    let manifests = manifests.into_iter().filter_map(|looked| looked.manifest.ok());
    let snapshots: Vec<_> = manifests.filter(|manifest| manifest.next_offset == first).collect();
    write(&directory, ("replay", Position(0), to), &snapshots, out)
}

/// Writes the log from frame `from` up to offset `to`, and the snapshots, as a history that says what made it.
fn write(
    directory: &Directory,
    (cause, from, to): (&str, Position, Offset),
    snapshots: &[Manifest],
    out: &Path,
) -> Result<Report, Failure> {
    let plan = Plan::new(directory.storage(), (from, to), snapshots).map_err(|error| match error {
        PlanError::Log(error) => log_not_opened(&error, out),
        PlanError::Unpack(error) => directory.corrupt(&error),
    })?;
    let plan = plan.expect("invariant: the log was just read up to there");
    let unfinished = Unfinished::make(out).map_err(|error| not_written(out, &error))?;
    let lineage = random()?;
    let written = write_files(directory, (&plan, cause), unfinished.path(), (Lineage(lineage), random()?));
    written.map_err(|error| not_written(out, &error))?;
    // It is of use only if it recovers: better to know now.
    let engine = Directory::open(unfinished.path())?.state()?;
    assert_eq!(engine.next_offset(), plan.to, "invariant: it ends where it was asked to");
    unfinished.finish(out).map_err(|error| not_written(out, &error))?;
    Ok(report(&plan, &engine, (cause, out), lineage))
}

fn write_files(
    directory: &Directory,
    (plan, cause): (&Plan, &str),
    path: &Path,
    history: (Lineage, [u8; 16]),
) -> io::Result<()> {
    let (top, log) = (DirectoryStorage::at(path), DirectoryStorage::create(&path.join("log"))?);
    let snapshots = DirectoryStorage::create(&path.join("snapshots"))?;
    let cut = plan.cut();
    let origin = json!({
        "cause": cause, "at": plan.to, "parent": to_hex(&cut.lineage.0), "cut_offset": cut.next_offset,
        "chain": to_hex(&cut.chain),
    });
    let from = (directory.storage(), directory.snapshot_files());
    plan.write(from, (&log, &snapshots), history, &origin.to_string())?;
    let settings = directory.settings().map_err(|failure| io::Error::other(failure.problem.to_string()))?;
    write_settings(settings, &top)
}

fn report(plan: &Plan, engine: &Engine, (cause, out): (&str, &Path), lineage: [u8; 16]) -> Report {
    let (first, to) = (plan.first_offset(), plan.to);
    let rows: usize = engine.store().tables().map(|table| table.count()).sum();
    let digest = format!("{:032x}", engine.store().digest());
    let document = json!({
        "schema": format!("interstice.{cause}/v1"), "out": out.display().to_string(), "lineage": to_hex(&lineage),
        "from": first.to_string(), "to": to.to_string(), "time": engine.time().to_string(), "rows": rows, "digest": digest,
        "snapshots": plan.snapshots.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    let line = |name: &str, value: String| vec![name.to_owned(), value];
    let mut lines = vec![
        line("state", format!("behind offset {}, {}: {rows} rows, digest {digest}", to - 1, engine.time())),
        line("into", out.display().to_string()),
        line("log", format!("transactions {first}..{to}, {} snapshots", plan.snapshots.len())),
        line("history", format!("{}, another one from here on", to_hex(&lineage))),
    ];
    lines.push(line("start it", format!("interstice start --data {}", out.display())));
    Report::new(document, columns(&lines))
}
