//! `log repair`: a new data directory of what can be gone on with, and a record in it of what was given up.
//!
//! 1. The log can be kept up to the first damage, with the snapshots that stand before it.
//! 2. It can be kept from a good snapshot on that stands behind a damage, up to the next one: history before it is lost, and no
//!    state. What reaches furthest is kept, and of two that reach as far the one with more history.
//! 3. A good snapshot that no event is pending at needs no log: where that ends before it, or none of it is whole, the new log
//!    begins right behind the snapshot.
//! 4. What was committed behind that is given up. Either way another history begins behind what is kept: whoever holds a
//!    receipt of what was given up is told so.

use super::random;
use crate::directory::Directory;
use crate::failure::{Failure, exit};
use crate::report::{Report, columns};
use crate::unfinished::Unfinished;
use interstice::snapshot::Manifest;
use interstice_log::frame::{Lineage, Position};
use interstice_log::local::LocalLog;
use interstice_log::log::CommitLog;
use interstice_log::retention::copy;
use interstice_log::salvage::{self, NewHistory, Salvage};
use interstice_log::snapshot::{SnapshotError, name_of};
use interstice_log::storage::directory::DirectoryStorage;
use interstice_log::verify::{VerifyReport, verify};
use interstice_server::settings::Settings;
use interstice_types::id::{Offset, to_hex};
use interstice_types::problem::Problem;
use serde_json::{Value, json};
use std::path::Path;

/// Files of a data directory that go along.
const COMPANIONS: [&str; 3] = ["node.json", "config.toml", "key"];

/// What is done about the damage.
struct Plan {
    salvage: Salvage,
    /// Good snapshots that can be begun with.
    snapshots: Vec<Offset>,
    /// From and to which offset transactions are given up.
    given_up: (Offset, Offset),
    /// From and to which offset a snapshot stands for transactions that cannot be told any more.
    history: (Offset, Offset),
    /// What is wrong.
    damage: Vec<String>,
}

pub(crate) fn run(data: &Path, out: &Path, (yes, dry_run): (bool, bool)) -> Result<Report, Failure> {
    let directory = Directory::open(data)?;
    let _lock = directory.lock()?;
    let found = verify(directory.storage()).map_err(|error| Failure::file(data, &error))?;
    refuse_newer(&directory, &found)?;
    let (good, bad) = snapshots(&directory)?;
    if LocalLog::open_read_only(directory.storage().clone()).is_ok_and(|log| is_behind_all(&log, &good))
        && found.is_ok()
    {
        let document = json!({ "schema": "interstice.log-repair/v1", "repaired": false });
        return Ok(Report::new(document, "nothing to repair: the log is whole"));
    }
    if out.exists() {
        let hint = "name a directory that is not there yet: nothing is ever repaired in place";
        return Err(Failure::usage(format!("`{}` is there already", out.display()), hint));
    }
    let mut plan = plan(&directory, &found, &good)?;
    plan.damage.extend(bad);
    if dry_run || !yes {
        return unconfirmed(&plan, (data, out), dry_run);
    }
    let failed = |error: std::io::Error| Failure::file(out, &error);
    let unfinished = Unfinished::make(out).map_err(failed)?;
    let lineage = write(&directory, data, unfinished.path(), &plan)?;
    // It is of use only if it opens: better to know now.
    Directory::open(unfinished.path())?.recover()?;
    unfinished.finish(out).map_err(failed)?;
    let document = document(&plan, Some((out, &lineage)));
    Ok(Report::new(document, text(&plan, out)))
}

/// What a newer version wrote is no damage.
fn refuse_newer(directory: &Directory, found: &VerifyReport) -> Result<(), Failure> {
    let mut faults = found.segments.iter().flat_map(|segment| &segment.faults);
    let Some(newer) = faults.find(|fault| fault.kind == "format") else { return Ok(()) };
    let problem = Problem::new("newer-format", newer.evidence.clone()).at(directory.place());
    Err(Failure::new(exit::NEWER_FORMAT, problem.hint("repair it with the version that wrote it, or a newer one")))
}

fn unconfirmed(plan: &Plan, (data, out): (&Path, &Path), dry_run: bool) -> Result<Report, Failure> {
    if dry_run {
        return Ok(Report::new(document(plan, None), text(plan, out)));
    }
    let (data, out) = (data.display(), out.display());
    let problem = Problem::new("needs-yes", format!("{} would be given up", losses(plan).join(" and "))).hint(format!(
        "look at the plan with `--dry-run`, then: `interstice log repair --data {data} --out {out} --yes`"
    ));
    Err(Failure::new(exit::DESTRUCTIVE, problem))
}

/// Whether the log holds what every snapshot was made of.
fn is_behind_all<L: CommitLog>(log: &L, good: &[Manifest]) -> bool {
    good.iter().all(|manifest| manifest.next_offset <= log.tail().next_offset)
}

fn plan(directory: &Directory, found: &VerifyReport, good: &[Manifest]) -> Result<Plan, Failure> {
    let storage = directory.storage();
    let unreadable = |error: &(dyn std::error::Error + 'static)| directory.corrupt(error);
    let mut damage: Vec<_> = found
        .segments
        .iter()
        .flat_map(|segment| {
            segment.faults.iter().map(|fault| format!("{} at byte {}: {}", segment.name, fault.byte, fault.evidence))
        })
        .collect();
    let ends = found
        .segments
        .iter()
        .flat_map(|segment| segment.faults.iter().map(|fault| fault.end_offset).chain([segment.next_offset]));
    let end = ends.max().unwrap_or(0);
    let keep = |from| salvage::plan(storage, from).map_err(|error| unreadable(&error));
    let from_beginning = keep(Position(0))?
        .filter(|kept| kept.first_offset() == Some(0) || good.iter().any(|manifest| stands_before(manifest, kept)));
    // Behind a damage only snapshots stand for what was before: these, and not the ones in front of it.
    let (mut best, mut snapshots) = (from_beginning, good);
    for (number, manifest) in good.iter().enumerate() {
        let needed = Position(manifest.events_from.position).min(manifest.end());
        let reach = best.as_ref().map(|best| best.tail.next_offset);
        let further = |kept: &Salvage| stands_before(manifest, kept) && Some(kept.tail.next_offset) > reach;
        if let Some(kept) = keep(needed)?.filter(further) {
            (best, snapshots) = (Some(kept), &good[number..]);
        }
    }
    if let Some((number, salvage)) = behind_a_snapshot(directory, good)? {
        let reach = best.as_ref().map(|best| best.tail.next_offset);
        if Some(salvage.tail.next_offset) > reach {
            damage.push(format!("the log does not reach to snapshot {}", salvage.tail.next_offset));
            (best, snapshots) = (Some(salvage), &good[number..]);
        }
    }
    let salvage = best.ok_or_else(|| nothing_left(directory))?;
    let (first, tail) = (found.segments.first().map_or(0, |segment| segment.first_offset), salvage.tail.next_offset);
    let snapshots = snapshots.iter().filter(|manifest| stands_before(manifest, &salvage));
    Ok(Plan {
        snapshots: snapshots.map(|manifest| manifest.next_offset).collect(),
        given_up: (tail, end.max(tail)),
        history: (first, salvage.first_offset().unwrap_or(tail).max(first)),
        salvage,
        damage,
    })
}

/// No log but what is new, right behind the newest snapshot that no event is pending at, and its number.
fn behind_a_snapshot(directory: &Directory, good: &[Manifest]) -> Result<Option<(usize, Salvage)>, Failure> {
    let needs_no_log = |manifest: &&Manifest| manifest.events_from.offset == manifest.next_offset;
    let Some(number) = good.iter().rposition(|manifest| needs_no_log(&manifest)) else { return Ok(None) };
    let log_id = directory.snapshots_beside_damage()?.log_id();
    Ok(Some((number, Salvage::nothing(log_id, &good[number].receipt(), good[number].end()))))
}

/// Whether what is kept of the log reaches to where a snapshot was made.
fn stands_before(manifest: &Manifest, kept: &Salvage) -> bool {
    manifest.next_offset <= kept.tail.next_offset && manifest.end() <= kept.tail.position
}

fn nothing_left(directory: &Directory) -> Failure {
    let problem = Problem::new("nothing-left", "neither the log's beginning nor a snapshot that goes with it is whole")
        .hint("restore a backup, or copy segments from the archive into the log and try again");
    Failure::new(exit::CORRUPT, problem.at(directory.place()))
}

/// Manifests of snapshots every byte of which holds, the oldest first; and what is wrong with the others. One that cannot be
/// read, or that a newer version wrote, may be good: nothing is given up for it.
fn snapshots(directory: &Directory) -> Result<(Vec<Manifest>, Vec<String>), Failure> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let looked = directory.snapshots_beside_damage()?.look(true).map_err(|error| directory.corrupt(&error))?;
    for looked in looked {
        match looked.manifest {
            Ok(manifest) => good.push(manifest),
            Err(error @ SnapshotError::Damaged { .. }) => bad.push(error.to_string()),
            Err(error @ SnapshotError::NewerFormat { .. }) => {
                let problem = Problem::new("newer-format", error.to_string()).at(directory.place());
                return Err(Failure::new(exit::NEWER_FORMAT, problem));
            }
            Err(error @ SnapshotError::Io { .. }) => return Err(directory.corrupt(&error)),
        }
    }
    Ok((good, bad))
}

fn write(directory: &Directory, data: &Path, out: &Path, plan: &Plan) -> Result<[u8; 16], Failure> {
    let failed = |error: std::io::Error| Failure::file(out, &error);
    let (lineage, salt_seed) = (random()?, random()?);
    let top = DirectoryStorage::at(out);
    for name in COMPANIONS {
        if data.join(name).exists() {
            copy(&DirectoryStorage::at(data), &top, name).map_err(failed)?;
        }
    }
    let target = DirectoryStorage::create(&out.join("snapshots")).map_err(failed)?;
    let source = directory.snapshots_beside_damage()?;
    for next_offset in &plan.snapshots {
        copy(source.storage(), &target, &name_of(*next_offset)).map_err(failed)?;
    }
    let loss = loss(plan).to_string();
    // Settings that make no sense are for the node to refuse.
    let segment_size = Settings::read(data).unwrap_or_default().log.segment;
    let history = NewHistory { lineage: Lineage(lineage), salt_seed, segment_size, loss: loss.as_bytes(), frames: &[] };
    let target = DirectoryStorage::create(&out.join("log")).map_err(failed)?;
    salvage::write(directory.storage(), &target, &plan.salvage, &history).map_err(failed)?;
    Ok(lineage)
}

/// What stands in the new log for good.
fn loss(plan: &Plan) -> Value {
    let tail = plan.salvage.tail;
    json!({
        "cause": "repair", "parent": to_hex(&tail.lineage.0), "cut_offset": tail.next_offset, "chain": to_hex(&tail.chain),
        "given_up": { "from": plan.given_up.0, "to": plan.given_up.1 },
        "history": { "from": plan.history.0, "to": plan.history.1 }, "damage": plan.damage.first(),
    })
}

fn document(plan: &Plan, written: Option<(&Path, &[u8; 16])>) -> Value {
    let kept = (plan.salvage.first_offset().unwrap_or(0), plan.salvage.tail.next_offset);
    json!({
        "schema": "interstice.log-repair/v1",
        "repaired": written.is_some(),
        "out": written.map(|(out, _)| out.display().to_string()),
        "lineage": written.map(|(_, lineage)| to_hex(lineage)),
        "kept": { "from": kept.0.to_string(), "to": kept.1.to_string() },
        "given_up": { "from": plan.given_up.0.to_string(), "to": plan.given_up.1.to_string() },
        "history": { "from": plan.history.0.to_string(), "to": plan.history.1.to_string() },
        "snapshots": plan.snapshots.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "damage": plan.damage,
    })
}

/// What is given up, for people.
fn losses(plan: &Plan) -> Vec<String> {
    let of = |what: &str, (from, to): (Offset, Offset)| (from < to).then(|| format!("{what} {from}..{to}"));
    let losses: Vec<_> =
        of("the history of", plan.history).into_iter().chain(of("transactions", plan.given_up)).collect();
    if losses.is_empty() { vec!["no transaction".to_owned()] } else { losses }
}

fn text(plan: &Plan, out: &Path) -> String {
    let line = |name: &str, value: String| vec![name.to_owned(), value];
    let kept = (plan.salvage.first_offset().unwrap_or(0), plan.salvage.tail.next_offset);
    let mut lines: Vec<_> = plan.damage.iter().map(|damage| line("damage", damage.clone())).collect();
    lines.push(line("keep", format!("transactions {}..{}, {} snapshots", kept.0, kept.1, plan.snapshots.len())));
    lines.extend(losses(plan).into_iter().map(|loss| line("give up", loss)));
    lines.push(line("into", out.display().to_string()));
    columns(&lines)
}
