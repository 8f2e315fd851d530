//! `log repair`: a new data directory of what can be gone on with, and a record in it of what was given up.
//!
//! 1. If a snapshot is good and the log is whole from there on, only history before it is lost, and no state.
//! 2. Else the log is kept up to the damage, with the snapshots that stand before it; what was committed behind is given up.
//! 3. Either way another history begins behind what is kept: whoever holds a receipt of what was given up is told so.

use crate::directory::Directory;
use crate::failure::{Failure, exit};
use crate::report::{Report, columns};
use interstice::snapshot::{Manifest, Snapshots};
use interstice_log::frame::{Lineage, Position};
use interstice_log::local::{DEFAULT_SEGMENT_SIZE, LocalLog};
use interstice_log::retention::copy;
use interstice_log::salvage::{self, NewHistory, Salvage};
use interstice_log::snapshot::name_of;
use interstice_log::storage::directory::DirectoryStorage;
use interstice_log::verify::{VerifyReport, verify};
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
    /// What is wrong.
    damage: Vec<String>,
}

pub(crate) fn run(data: &Path, out: &Path, (yes, dry_run): (bool, bool)) -> Result<Report, Failure> {
    let directory = Directory::open(data)?;
    let _lock = directory.lock()?;
    let found = verify(directory.storage()).map_err(|error| Failure::file(data, &error))?;
    if LocalLog::open_read_only(directory.storage().clone()).is_ok() && found.is_ok() {
        let document = json!({ "schema": "interstice.log-repair/v1", "repaired": false });
        return Ok(Report::new(document, "nothing to repair: the log is whole"));
    }
    if out.exists() {
        let hint = "name a directory that is not there yet: nothing is ever repaired in place";
        return Err(Failure::usage(format!("`{}` is there already", out.display()), hint));
    }
    let plan = plan(&directory, &found)?;
    if dry_run || !yes {
        return unconfirmed(&plan, (data, out), dry_run);
    }
    let lineage = write(&directory, data, out, &plan)?;
    // It is of use only if it opens: better to know now.
    Directory::open(out)?.recover()?;
    let document = document(&plan, Some((out, &lineage)));
    Ok(Report::new(document, text(&plan, out)))
}

fn unconfirmed(plan: &Plan, (data, out): (&Path, &Path), dry_run: bool) -> Result<Report, Failure> {
    if dry_run {
        return Ok(Report::new(document(plan, None), text(plan, out)));
    }
    let (data, out) = (data.display(), out.display());
    let problem =
        Problem::new("needs-yes", format!("transactions {}..{} would be given up", plan.given_up.0, plan.given_up.1))
            .hint(format!(
                "look at the plan with `--dry-run`, then: `interstice log repair --data {data} --out {out} --yes`"
            ));
    Err(Failure::new(exit::DESTRUCTIVE, problem))
}

fn plan(directory: &Directory, found: &VerifyReport) -> Result<Plan, Failure> {
    let storage = directory.storage();
    let unreadable = |error: &(dyn std::error::Error + 'static)| directory.corrupt(error);
    let good = good_snapshots(directory);
    let damage: Vec<_> = found
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
    for (number, manifest) in good.iter().enumerate().rev() {
        let needed = Position(manifest.events_from.position).min(manifest.end());
        if !salvage::is_whole_from(storage, needed).map_err(|error| unreadable(&error))? {
            continue;
        }
        let kept = salvage::plan(storage, needed).map_err(|error| unreadable(&error))?;
        let Some(salvage) = kept.filter(|kept| stands_before(manifest, kept)) else { continue };
        let behind = good[number..].iter().filter(|manifest| stands_before(manifest, &salvage));
        let snapshots = behind.map(|manifest| manifest.next_offset).collect();
        let given_up = (0, salvage.first_offset().unwrap_or(salvage.tail.next_offset));
        return Ok(Plan { salvage, snapshots, given_up, damage });
    }
    let kept = salvage::plan(storage, Position(0)).map_err(|error| unreadable(&error))?;
    let salvage = kept.ok_or_else(|| nothing_left(directory))?;
    let tail = salvage.tail;
    let before = good.iter().filter(|manifest| stands_before(manifest, &salvage));
    let snapshots: Vec<_> = before.map(|manifest| manifest.next_offset).collect();
    if salvage.first_offset() != Some(0) && snapshots.is_empty() {
        return Err(nothing_left(directory));
    }
    Ok(Plan { salvage, snapshots, given_up: (tail.next_offset, end.max(tail.next_offset)), damage })
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

/// Manifests of snapshots every byte of which holds, the oldest first.
fn good_snapshots(directory: &Directory) -> Vec<Manifest> {
    let looked = directory.snapshots_of_any_log().look(true).unwrap_or_default();
    looked.into_iter().filter_map(|looked| looked.manifest.ok()).collect()
}

fn write(directory: &Directory, data: &Path, out: &Path, plan: &Plan) -> Result<[u8; 16], Failure> {
    let failed = |error: std::io::Error| Failure::file(out, &error);
    let (mut lineage, mut salt_seed) = ([0; 16], [0; 16]);
    let random =
        |bytes: &mut [u8; 16]| getrandom::fill(bytes).map_err(|error| failed(std::io::Error::other(error.to_string())));
    random(&mut lineage)?;
    random(&mut salt_seed)?;
    DirectoryStorage::create(out).map_err(failed)?;
    for name in COMPANIONS {
        if data.join(name).exists() {
            std::fs::copy(data.join(name), out.join(name)).map_err(failed)?;
        }
    }
    let target = DirectoryStorage::create(&out.join("snapshots")).map_err(failed)?;
    let source: Snapshots<DirectoryStorage> = directory.snapshots_of_any_log();
    for next_offset in &plan.snapshots {
        copy(source.storage(), &target, &name_of(*next_offset)).map_err(failed)?;
    }
    let loss = loss(plan).to_string();
    let segment_size = DEFAULT_SEGMENT_SIZE;
    let history = NewHistory { lineage: Lineage(lineage), salt_seed, segment_size, loss: loss.as_bytes() };
    let target = DirectoryStorage::create(&out.join("log")).map_err(failed)?;
    salvage::write(directory.storage(), &target, &plan.salvage, &history).map_err(failed)?;
    Ok(lineage)
}

/// What stands in the new log for good.
fn loss(plan: &Plan) -> Value {
    let tail = plan.salvage.tail;
    json!({
        "parent": to_hex(&tail.lineage.0), "cut_offset": tail.next_offset, "chain": to_hex(&tail.chain),
        "given_up": { "from": plan.given_up.0, "to": plan.given_up.1 }, "damage": plan.damage.first(),
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
        "snapshots": plan.snapshots.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "damage": plan.damage,
    })
}

fn text(plan: &Plan, out: &Path) -> String {
    let line = |name: &str, value: String| vec![name.to_owned(), value];
    let kept = (plan.salvage.first_offset().unwrap_or(0), plan.salvage.tail.next_offset);
    let mut lines: Vec<_> = plan.damage.iter().map(|damage| line("damage", damage.clone())).collect();
    lines.push(line("keep", format!("transactions {}..{}, {} snapshots", kept.0, kept.1, plan.snapshots.len())));
    let what = if plan.given_up.0 == 0 && !plan.snapshots.is_empty() { "history of" } else { "transactions" };
    lines.push(line("give up", format!("{what} {}..{}", plan.given_up.0, plan.given_up.1)));
    lines.push(line("into", out.display().to_string()));
    columns(&lines)
}
