//! The log and the snapshots: beside the disk alone, verified, recovered from, restarted on, written while one is made.

use super::figure::{self, Figure, figure};
use super::layers::{Bank, Draw};
use super::median;
use super::sockets::{Load, Target, start_to_first_call};
use crate::directory::loader;
use crate::failure::Failure;
use crate::output::Output;
use crate::project;
use crate::report::{Report, columns};
use interstice::commit::Committer;
use interstice::framing::{FrameBuilder, Transactions};
use interstice::opened::Start;
use interstice_engine::limits::Limits;
use interstice_log::frame::{Epoch, FRAME_HEADER_SIZE, Frame, Lineage, MAX_FRAME_PAYLOAD, Position};
use interstice_log::local::{DEFAULT_SEGMENT_SIZE, LocalLog, OpenOptions};
use interstice_log::log::CommitLog;
use interstice_log::segment::LogId;
use interstice_log::storage::directory::DirectoryStorage;
use interstice_log::verify::verify;
use interstice_types::problem::Problem;
use interstice_types::transaction::Part;
use serde_json::{Value, json};
use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bytes that are made durable at a time.
const BATCHES: [usize; 3] = [4 << 10, 64 << 10, 448 << 10];
/// How often each is measured, in turn with the disk alone.
const ROUNDS: usize = 5;
/// Transfers that are recovered.
const RECOVERED: u64 = 500_000;
/// Transfers that are made durable at a time meanwhile.
const RECOVERED_BATCH: u64 = 1_000;
/// Banks of 100,000 accounts in the snapshot that a node starts on.
const BANKS: u64 = 10;
/// Calls in flight while a snapshot is made.
const WINDOW: u32 = 512;

pub(super) fn run(artefact: &[u8], directory: &Path, span: Duration, output: &Output) -> Result<Report, Failure> {
    let mut figures = Vec::new();
    output.note("measuring: the log beside the disk alone");
    for batch in BATCHES {
        figures.extend(appending(directory, batch, span).map_err(failed)?);
    }
    output.note("measuring: recovery and verification");
    let parts = recovering(artefact, &directory.join("recovered"), &mut figures).map_err(failed)?;
    output.note("measuring: a node with a million rows");
    snapshots(artefact, &directory.join("rows"), span, &mut figures)?;
    Ok(report(&figures, &parts))
}

pub(super) fn failed(error: Box<dyn Error>) -> Failure {
    Problem::new("bench", error.to_string()).into()
}

fn options() -> OpenOptions {
    let (log_id, lineage) = (LogId([1; 16]), Lineage([2; 16]));
    OpenOptions { segment_size: DEFAULT_SEGMENT_SIZE, log_id, lineage, salt_seed: [3; 16] }
}

/// The log beside a plain loop of `write` and `fdatasync` with the same batches.
fn appending(directory: &Path, batch: usize, span: Duration) -> Result<[Figure; 3], Box<dyn Error>> {
    let (mut ratios, mut plain, mut logged) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let disk = plain_loop(&directory.join("plain"), batch, span)?;
        let log = log_loop(&directory.join("appended"), batch, span)?;
        ratios.push(log / disk);
        plain.push(disk);
        logged.push(log);
    }
    let each = |what: &str| format!("{what}, {} KiB at a time", batch >> 10);
    Ok([
        figure(each("write and fdatasync"), median(&mut plain), "MB/s", ""),
        figure(each("the log"), median(&mut logged), "MB/s", ""),
        figure(each("the log, of that"), median(&mut ratios), "", "at least 0.7"),
    ])
}

/// Megabytes a second.
fn plain_loop(path: &Path, batch: usize, span: Duration) -> io::Result<f64> {
    let block = vec![7; batch];
    let (started, mut bytes) = (Instant::now(), 0);
    while started.elapsed() < span {
        let mut file = File::create(path)?;
        let mut size = 0;
        while size < DEFAULT_SEGMENT_SIZE && started.elapsed() < span {
            file.write_all(&block)?;
            file.sync_data()?;
            size += batch as u64;
        }
        bytes += size;
    }
    let pace = bytes as f64 / started.elapsed().as_secs_f64() / 1e6;
    std::fs::remove_file(path)?;
    Ok(pace)
}

/// Megabytes of payload a second.
fn log_loop(path: &Path, batch: usize, span: Duration) -> Result<f64, Box<dyn Error>> {
    let (mut log, _) = LocalLog::open(DirectoryStorage::create(path)?, options())?;
    let mut committer = Committer::new(log.claim(Position(0), Epoch(1))?);
    let block = vec![7; batch];
    let (started, mut frames) = (Instant::now(), 0);
    while started.elapsed() < span {
        committer.append(&[Frame::transactions(frames, 1, block.clone())]);
        settle(&mut committer)?;
        frames += 1;
    }
    let pace = (frames * batch as u64) as f64 / started.elapsed().as_secs_f64() / 1e6;
    drop((committer, log));
    std::fs::remove_dir_all(path)?;
    Ok(pace)
}

/// As a node does: the next segment is made on another thread.
fn settle<W: interstice_log::log::CommitLogWriter>(committer: &mut Committer<W>) -> Result<(), Box<dyn Error>> {
    committer.settle()?;
    if let Some(work) = committer.prepare() {
        std::thread::spawn(work);
    }
    Ok(())
}

/// The offset of the first transfer in a log, and the bytes of the parts of one.
type Written = (u64, Vec<(Part, u64)>);

/// Writes `count` transfers to a log at `path`; does `halfway` when half of them are there.
pub(super) fn write_transfers(
    bank: &mut Bank,
    path: &Path,
    count: u64,
    halfway: &dyn Fn() -> Result<(), Failure>,
) -> Result<Written, Box<dyn Error>> {
    let (mut log, _) = LocalLog::open(DirectoryStorage::create(path)?, options())?;
    let mut committer = Committer::new(log.claim(Position(0), Epoch(1))?);
    let first = bank.log_opening(&mut committer)?;
    let (mut draw, mut parts) = (Draw::new(5), Vec::new());
    let batches = count / RECOVERED_BATCH;
    for batch in 0..batches {
        if batch == batches / 2 {
            halfway().map_err(|failure| failure.problem.to_string())?;
        }
        let mut frames = FrameBuilder::default();
        for _ in 0..RECOVERED_BATCH {
            let transaction = bank.transfer(&mut draw);
            frames.push(&transaction, bank.catalog());
            parts = transaction.sizes(|_| false);
        }
        committer.append(&frames.take());
        settle(&mut committer)?;
    }
    Ok((first, parts))
}

/// Logs transfers, then recovers and verifies them; returns the bytes of the parts of a transfer.
fn recovering(artefact: &[u8], path: &Path, figures: &mut Vec<Figure>) -> Result<Vec<(Part, u64)>, Box<dyn Error>> {
    let mut bank = Bank::new(loader().map_err(|failure| failure.problem.to_string())?, artefact)
        .map_err(|problem| problem.to_string())?;
    let (first, parts) = write_transfers(&mut bank, path, RECOVERED, &|| Ok(()))?;
    let storage = DirectoryStorage::open(path)?;
    let log = LocalLog::open_read_only(storage.clone())?;
    let Start { mut engine, position, .. } = Start::empty(bank.loader(), Limits::default());
    let mut started = Instant::now();
    for transaction in Transactions::new(log.read(position)?) {
        let transaction = transaction?;
        if transaction.offset == first {
            started = Instant::now();
        }
        engine.apply(&transaction)?;
    }
    let pace = RECOVERED as f64 / started.elapsed().as_secs_f64();
    figures.push(figure("recovery from the files", pace, "transfers/s", "at least 500000"));

    let started = Instant::now();
    let report = verify(&storage)?;
    assert!(report.is_ok(), "invariant: what was just written is whole");
    let bytes: u64 = report.segments.iter().map(|segment| segment.bytes).sum();
    figures.push(figure("verification", bytes as f64 / started.elapsed().as_secs_f64() / 1e6, "MB/s", "at least 500"));
    Ok(parts)
}

/// A node with a million rows in a snapshot: starting on it, and writing while the next one is made.
fn snapshots(artefact: &[u8], data: &Path, span: Duration, figures: &mut Vec<Figure>) -> Result<(), Failure> {
    let rows = make_a_million_rows(artefact, data)?;
    figures.push(figure("rows in the snapshot", rows as f64, "", ""));
    let mut starts = (0..3).map(|_| start_to_first_call(data)).collect::<Result<Vec<_>, _>>()?;
    figures.push(figure("start on it to the first call", median(&mut starts).as_secs_f64(), "s", "at most 2"));

    let target = Target::start(Some(data))?;
    let (mut alone, mut beside, mut made) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        alone.push(target.pace(Load::Transfer, WINDOW, span)?.per_second);
        let ended = AtomicBool::new(false);
        let pace = std::thread::scope(|scope| {
            let making = scope.spawn(|| {
                let mut made = 0;
                while !ended.load(Ordering::Relaxed) {
                    made += u32::from(target.make_snapshot()?.created);
                }
                Ok::<_, Failure>(made)
            });
            let pace = target.pace(Load::Transfer, WINDOW, span);
            ended.store(true, Ordering::Relaxed);
            made += making.join().expect("invariant: making a snapshot does not panic")?;
            pace
        })?;
        beside.push(pace.per_second);
    }
    target.stop()?;
    let mut ratios: Vec<_> = alone.iter().zip(&beside).map(|(alone, beside)| beside / alone).collect();
    figures.push(figure("durable transfers", median(&mut alone), "a second", ""));
    figures.push(figure("durable transfers while snapshots are made", median(&mut beside), "a second", ""));
    figures.push(figure("the second, of the first", median(&mut ratios), "", "at least 0.9"));
    figures.push(figure("snapshots that were made meanwhile", f64::from(made), "", ""));
    Ok(())
}

/// A data directory with a snapshot at its head; gives how many rows there are.
pub(super) fn make_a_million_rows(artefact: &[u8], data: &Path) -> Result<u64, Failure> {
    let target = Target::start(Some(data))?;
    target.publish(artefact)?;
    for number in 1..BANKS {
        target.publish(&project::renamed(artefact, &format!("bank{number}"))?)?;
    }
    let built = target.make_snapshot()?;
    target.stop()?;
    Ok(built.rows)
}

fn report(figures: &[Figure], parts: &[(Part, u64)]) -> Report {
    let mut bytes = vec![["a logged transfer", "bytes"].map(str::to_owned).to_vec()];
    bytes.extend(parts.iter().map(|(part, size)| vec![part.name().to_owned(), size.to_string()]));
    let record: u64 = parts.iter().map(|(_, size)| size).sum();
    let in_frame = (MAX_FRAME_PAYLOAD as u64 / record).max(1);
    let share = FRAME_HEADER_SIZE as f64 / in_frame as f64;
    bytes.push(vec!["share of a full frame's header".to_owned(), format!("{share:.2}")]);
    bytes.push(vec!["all of it".to_owned(), format!("{:.2}", record as f64 + share)]);
    let parts: Vec<Value> = parts.iter().map(|(part, size)| json!({"part": part.name(), "bytes": size})).collect();
    let Report { mut document, text, .. } = figure::report("log", figures);
    document["transfer"] = json!({"record_bytes": record, "header_share": share, "parts": parts});
    Report::new(document, format!("{text}\n\n{}", columns(&bytes))).items("lines")
}
