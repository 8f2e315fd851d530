//! Data that an edit has no place for: what can be done, and doing it.
//!
//! * *migrate*: the types as they were are saved, and the migration is shown that is to be written.
//! * *replay*: history runs through the new code from its beginning, into new data.
//! * *wipe*: it begins anew.
//!
//! Nothing is ever lost: data that are not gone on from are kept aside.

use crate::args::OnBreak;
use crate::commands::{migrate, random, what_if};
use crate::directory::{Directory, loader};
use crate::failure::Failure;
use crate::node::Node;
use crate::output::Output;
use crate::project::Built;
use crate::unfinished::{Unfinished, not_written, write_settings};
use interstice::commit::Committer;
use interstice::opened::Start;
use interstice::what_if::{WhatIfReport, rewrite};
use interstice_engine::limits::Limits;
use interstice_engine::what_if::{Otherwise, Replacement, Way};
use interstice_log::frame::{Epoch, Lineage, Position};
use interstice_log::local::{DEFAULT_SEGMENT_SIZE, LocalLog, OpenOptions};
use interstice_log::log::CommitLog;
use interstice_log::storage::directory::DirectoryStorage;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Why a publish was refused for the data that there are.
const CODES: [&str; 6] =
    ["destructive", "no-migration-path", "migration-failed", "does-not-convert", "check-failed", "duplicate-key"];

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Migrate,
    Replay,
    Wipe,
    Keep,
}

/// Whether a publish was refused for the data that there are.
pub(super) fn is_breaking(failure: &Failure) -> bool {
    CODES.contains(&&*failure.problem.code)
}

/// What was said before, or is said now if there is somebody to ask.
pub(super) fn choose(on_break: OnBreak, output: &Output) -> Choice {
    match on_break {
        OnBreak::Migrate => Choice::Migrate,
        OnBreak::Replay => Choice::Replay,
        OnBreak::Wipe => Choice::Wipe,
        OnBreak::Keep => Choice::Keep,
        OnBreak::Ask => ask(output),
    }
}

fn ask(output: &Output) -> Choice {
    output.note(
        "the version before stays in force. What can be done:\n  \
         m  migrate: save the types as they were, and show the migration that is to be written\n  \
         r  replay:  run history through the new code into new data; the old ones are kept aside\n  \
         w  wipe:    begin anew; the old data are kept aside\n  \
         k  keep:    go on as it is, until the next save",
    );
    if !std::io::stdin().is_terminal() {
        output.note("nobody is there to ask: say `interstice dev --on-break migrate|replay|wipe`");
        return Choice::Keep;
    }
    output.note("[m/r/w/k]?");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    if std::io::stdin().read_line(&mut answer).is_err() {
        return Choice::Keep;
    }
    match answer.trim() {
        "m" | "migrate" => Choice::Migrate,
        "r" | "replay" => Choice::Replay,
        "w" | "wipe" => Choice::Wipe,
        _ => Choice::Keep,
    }
}

/// Saves the types as they are in force; says what is to be written.
pub(super) fn migration(node: &Node, project: &Path, output: &Output) -> Result<String, Failure> {
    let report = migrate::new(node, None, project, output)?;
    Ok(format!("{}\nwrite it, and save: the rows come along", report.text))
}

/// Runs history through the new code into new data, and keeps the old ones aside.
pub(super) fn replay(data: &Path, built: &Built, output: &Output) -> Result<String, Failure> {
    let unfinished = Unfinished::make(data).map_err(|error| not_written(data, &error))?;
    let report = written_anew(data, built, unfinished.path(), output)?;
    // It is of use only if it recovers: better to know now.
    Directory::open(unfinished.path())?.state()?;
    let aside = put_aside(data)?;
    unfinished.finish(data).map_err(|error| not_written(data, &error))?;
    let total = report.total();
    let text = format!("history ran through the new code: {} same · {} differ", total.of(Way::Same), total.otherwise());
    Ok(format!("{text}\nthe data before are in {}", aside.display()))
}

fn written_anew(data: &Path, built: &Built, out: &Path, output: &Output) -> Result<WhatIfReport, Failure> {
    let (directory, loader) = (Directory::open(data)?, loader()?);
    let log = directory.log()?;
    let loaded = loader.load(&built.wasm).map_err(|error| error.problem)?;
    let module = Some(Replacement { artefact: built.wasm.clone(), loaded });
    let failed = |error| not_written(out, &error);
    let storage = DirectoryStorage::create(&out.join("log")).map_err(failed)?;
    let options = OpenOptions {
        segment_size: DEFAULT_SEGMENT_SIZE,
        log_id: log.log_id(),
        lineage: Lineage(random()?),
        salt_seed: random()?,
    };
    let unopened = |error: interstice_log::local::OpenError| crate::failure::log_not_opened(&error, out);
    let (mut to, _) = LocalLog::open(storage, options).map_err(unopened)?;
    let claimed = to.claim(Position(0), Epoch(1)).map_err(|error| failed(std::io::Error::other(error.to_string())))?;
    let mut committer = Committer::new(claimed);
    let progress = output.progress("transactions run through the new code", log.tail().next_offset);
    let (start, otherwise) = (Start::empty(loader, Limits::default()), Otherwise { module, ..Otherwise::default() });
    let rewritten = rewrite(&log, start, (otherwise, &mut committer), &|more| progress.advance(more));
    progress.end();
    let report = rewritten.map_err(|error| what_if::not_found(&directory, error))?;
    write_settings(directory.settings()?, &DirectoryStorage::at(out)).map_err(failed)?;
    Ok(report)
}

/// Keeps the data aside, so that there are none.
pub(super) fn wipe(data: &Path) -> Result<String, Failure> {
    let settings = Directory::open(data)?.settings()?;
    let aside = put_aside(data)?;
    DirectoryStorage::create(data)
        .and_then(|top| write_settings(settings, &top))
        .map_err(|error| not_written(data, &error))?;
    Ok(format!("it begins anew; the data before are in {}", aside.display()))
}

/// Gives data another name, which nobody has: `DATA.before-1`, or a higher number.
fn put_aside(data: &Path) -> Result<PathBuf, Failure> {
    let name = |number: u32| {
        let mut name = data.as_os_str().to_owned();
        name.push(format!(".before-{number}"));
        PathBuf::from(name)
    };
    let aside = (1..=u32::MAX).map(name).find(|path| !path.exists()).expect("invariant: some number is free");
    std::fs::rename(data, &aside).map_err(|error| Failure::file(data, &error))?;
    Ok(aside)
}
