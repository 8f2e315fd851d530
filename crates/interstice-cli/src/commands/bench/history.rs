//! History: run again beside the pace at which it was made.

use super::figure::{self, Figure, figure};
use super::layers::{ACCOUNTS, Bank, Length};
use super::log::{failed, make_a_million_rows, write_transfers};
use super::median;
use crate::commands::fork::fork;
use crate::commands::{index, replay};
use crate::directory::{Directory, loader};
use crate::failure::Failure;
use crate::output::Output;
use crate::report::Report;
use interstice::check::Scope;
use interstice::history::index::{Base, row_history};
use interstice::history::row::{self, DEFAULT_LIMIT, selector};
use interstice::snapshot::build::build;
use interstice_log::log::CommitLog;
use interstice_log::storage::{Storage, StorageFile};
use interstice_wasm::wasm_engine::WasmEngine;
use std::path::Path;
use std::time::Instant;

/// Transfers that are run again.
const CHECKED: u64 = 2_000_000;
/// Transfers among which the changes of a row are looked for.
const INDEXED: u64 = 10_000_000;
/// Rows that are looked for.
const ROWS: u64 = 21;
/// How often each is measured, in turn.
const ROUNDS: usize = 3;

pub(super) fn run(artefact: &[u8], directory: &Path, output: &Output) -> Result<Report, Failure> {
    let mut figures = Vec::new();
    output.note("measuring: transactions made, and run again");
    again(artefact, &directory.join("again"), output, &mut figures)?;
    output.note("measuring: the history of a row among ten million transactions");
    rows(artefact, &directory.join("indexed"), &mut figures)?;
    output.note("measuring: forks of a million rows");
    forks(artefact, directory, &mut figures)?;
    Ok(figure::report("history", &figures))
}

/// Forks of a million rows at their head, beside a copy of the newest snapshot's bytes alone, made durable too: what the disk gives.
fn forks(artefact: &[u8], directory: &Path, figures: &mut Vec<Figure>) -> Result<(), Failure> {
    let data = directory.join("rows");
    let rows = make_a_million_rows(artefact, &data)?;
    let (mut forks, mut copies, mut bytes) = (Vec::new(), Vec::new(), 0);
    for round in 0..ROUNDS {
        let started = Instant::now();
        fork(&Directory::open(&data)?, ("head", false), &directory.join(format!("fork{round}")))?;
        forks.push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        bytes = copy_newest(&data.join("snapshots"), &directory.join("copy"))
            .map_err(|error| Failure::file(&data, &error))?;
        copies.push(started.elapsed().as_secs_f64());
    }
    figures.push(figure("rows that are forked", rows as f64, "", ""));
    figures.push(figure("bytes of their snapshot", bytes as f64, "", ""));
    figures.push(figure("a copy of these alone", median(&mut copies), "s", ""));
    figures.push(figure("`fork --at head`", median(&mut forks), "s", "at most 1"));
    Ok(())
}

/// The history of accounts by the index: on a log that is open, as a node has it, and on the files of one; beside going over everything.
fn rows(artefact: &[u8], data: &Path, figures: &mut Vec<Figure>) -> Result<(), Failure> {
    let mut bank = Bank::new(loader()?, artefact)?;
    write_transfers(&mut bank, &data.join("log"), INDEXED, &|| Ok(())).map_err(failed)?;
    let directory = Directory::open(data)?;
    let log = directory.log()?;
    let started = Instant::now();
    let (made, _) = index::make(&directory, &log, &|_| ())?;
    let building = started.elapsed().as_secs_f64();
    let base = Base::of(&log, &directory.snapshots(&log)).map_err(|error| failed(error.into()))?;
    let (mut open, mut files, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROWS {
        let key = (1 + round * ACCOUNTS / ROWS).to_string();
        let selector = selector("bank.account", &key)?;
        let started = Instant::now();
        let told = row_history(&log, (&made, &base), (&selector, DEFAULT_LIMIT));
        open.push(started.elapsed().as_secs_f64() * 1e3);
        let started = Instant::now();
        let again = Directory::open(data)?.row_history(&selector, DEFAULT_LIMIT);
        files.push(started.elapsed().as_secs_f64() * 1e3);
        let told = told.map_err(|error| failed(error.into()))?;
        let again = again.transpose().map_err(|error| failed(error.into()))?;
        let (told, again) = told.zip(again).ok_or_else(|| failed("the index could not say".into()))?;
        assert_eq!(told.entries, again.entries, "invariant: the same index tells the same");
        changes.push(told.entries.len() as f64);
    }
    let started = Instant::now();
    let all = row::row_history(&log, directory.start(&log, 0)?, &selector("bank.account", "1")?, DEFAULT_LIMIT);
    let walk = started.elapsed().as_secs_f64();
    all.map_err(|error| failed(error.into()))?;
    let (_, entries, bytes) = made.size();
    figures.push(figure("transactions under an index", log.tail().next_offset as f64, "", ""));
    let sizes = log.segments().into_iter().map(|segment| log.storage().open(&segment.name())?.size());
    let size: u64 = sizes.sum::<std::io::Result<_>>().map_err(|error| Failure::file(data, &error))?;
    figures.push(figure("bytes of the log", size as f64, "", ""));
    figures.push(figure("bytes of the index", bytes as f64, "", ""));
    figures.push(figure("entries of the index", entries as f64, "", ""));
    figures.push(figure("making the index", log.tail().next_offset as f64 / building, "transactions a second", ""));
    figures.push(figure("changes of an account", median(&mut changes), "", ""));
    figures.push(figure("history of an account, log and index open", median(&mut open), "ms", "at most 100"));
    figures.push(figure("history of an account, opening a data directory", median(&mut files), "ms", "at most 100"));
    figures.push(figure("history of an account, going over everything", walk * 1e3, "ms", ""));
    Ok(())
}

/// Copies the last file of a directory, durably; gives its size.
fn copy_newest(from: &Path, to: &Path) -> std::io::Result<u64> {
    let files = std::fs::read_dir(from)?.map(|entry| entry.map(|entry| entry.path()));
    let newest = files.collect::<Result<Vec<_>, _>>()?.into_iter().max().ok_or(std::io::ErrorKind::NotFound)?;
    let bytes = std::fs::copy(newest, to)?;
    std::fs::File::open(to)?.sync_all()?;
    Ok(bytes)
}

/// Transfers run again from a log, beside transfers made in memory: on one thread, and on two.
fn again(artefact: &[u8], data: &Path, output: &Output, figures: &mut Vec<Figure>) -> Result<(), Failure> {
    // As a node makes them: there is one somewhere in the middle.
    let snapshot = || {
        let directory = Directory::open(data)?;
        let log = directory.log()?;
        let built = build(&log, &directory.make_snapshots(&log)?, &|| Ok(()));
        built.map(drop).map_err(|error| failed(error.into()))
    };
    let mut bank = Bank::new(loader()?, artefact)?;
    let (first, _) = write_transfers(&mut bank, &data.join("log"), CHECKED, &snapshot).map_err(failed)?;
    let directory = Directory::open(data)?;
    let log = directory.log()?;
    let (mut made, mut both, mut paces) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
    let ways = [(1, WasmEngine::Wasmtime), (2, WasmEngine::Wasmtime), (1, WasmEngine::Wasmi)];
    for _ in 0..ROUNDS {
        made.push(Bank::new(loader()?, artefact)?.transfers(Length::Transfers(CHECKED)));
        let mut banks = [Bank::new(loader()?, artefact)?, Bank::new(loader()?, artefact)?];
        both.push(std::thread::scope(|threads| {
            let banks = banks.iter_mut().map(|bank| threads.spawn(|| bank.transfers(Length::Transfers(CHECKED / 2))));
            let banks: Vec<_> = banks.collect();
            banks.into_iter().map(|bank| bank.join().expect("invariant: transfers do not panic")).sum::<f64>()
        }));
        for ((jobs, engine), paces) in ways.into_iter().zip(&mut paces) {
            let scope = Scope { from: first, to: first + CHECKED, fresh: false };
            let started = Instant::now();
            let report = replay::run(&directory, &log, (scope, jobs, engine), &output.progress("", CHECKED))?;
            paces.push(report.checked as f64 / started.elapsed().as_secs_f64());
            assert_eq!((report.checked, report.divergent), (CHECKED, 0), "invariant: transfers come out as recorded");
        }
    }
    let ratio =
        |over: &[f64], under: &[f64]| median(&mut over.iter().zip(under).map(|(a, b)| a / b).collect::<Vec<_>>());
    let [one, two, interpreted] = &mut paces;
    let (of_made, of_one, machine) = (ratio(one, &made), ratio(two, one), ratio(&both, &made));
    figures.push(figure("transfers made, in-process wasm, no log", median(&mut made), "a second", ""));
    figures.push(figure("transfers run again, one thread", median(one), "a second", ""));
    figures.push(figure("transfers run again, two threads", median(two), "a second", ""));
    figures.push(figure("transfers run again by wasmi, one thread", median(interpreted), "a second", ""));
    figures.push(figure("one thread, of those made", of_made, "", "at least 0.5"));
    figures.push(figure("two threads, of one", of_one, "", "nearly 2"));
    figures.push(figure(
        "two threads that make transfers, each in its own bank, of one: what the machine gives",
        machine,
        "",
        "",
    ));
    Ok(())
}
