//! The log over HTTP: verified, run again, each on a thread of its own, for each walks over the whole log; and receipts.

use super::{Answered, envelope, read_json};
use crate::log_access::PastError;
use crate::node::Node;
use crate::receipts::{self, unreadable};
use crate::reports;
use crate::snapshot_thread;
use axum::body::Body;
use axum::extract::State;
use interstice::history::HistoryError;
use interstice::snapshot::load::LoadError;
use interstice_protocol::http::{LogVerified, ReceiptChecked, ReplayChecked, SnapshotBuilt, SnapshotList};
use interstice_protocol::problems;
use interstice_types::problem::Problem;
use interstice_wasm::wasm_engine::WasmEngine;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

pub(super) async fn verify(State(node): State<Arc<Node>>) -> Answered<LogVerified> {
    let report = on_a_thread(move || node.log.verify()).await?.map_err(|error| unreadable(&error))?;
    Ok(envelope(reports::log_verified(&report)))
}

pub(super) async fn check(State(node): State<Arc<Node>>) -> Answered<ReplayChecked> {
    let report = on_history(node, |node| node.log.check(node.kit())).await?;
    let report = report.map_err(|error| past(&error))?;
    Ok(envelope(reports::replay_checked(&report, WasmEngine::Wasmtime)))
}

pub(super) async fn snapshots(State(node): State<Arc<Node>>) -> Answered<SnapshotList> {
    look(node, false).await
}

pub(super) async fn verify_snapshots(State(node): State<Arc<Node>>) -> Answered<SnapshotList> {
    look(node, true).await
}

async fn look(node: Arc<Node>, whole: bool) -> Answered<SnapshotList> {
    let looked = on_a_thread(move || node.log.snapshots(whole)).await?;
    let looked = looked.unwrap_or_else(|| Ok(Vec::new())).map_err(|error| unreadable(&error))?;
    Ok(envelope(reports::snapshot_list(&looked)))
}

pub(super) async fn make_snapshot(State(node): State<Arc<Node>>) -> Answered<SnapshotBuilt> {
    let (built, newest) = on_a_thread(move || {
        let built = snapshot_thread::make(&node);
        (built, node.background.snapshot().unwrap_or(0))
    })
    .await?;
    Ok(envelope(reports::snapshot_built(built?, newest)))
}

pub(super) async fn receipt(State(node): State<Arc<Node>>, body: Body) -> Answered<ReceiptChecked> {
    let standing = receipts::check(&node, read_json(body).await?).await?;
    Ok(envelope(ReceiptChecked { standing }))
}

/// Waits for leave to walk over history: each walk has a state of its own in memory.
pub(super) async fn reading(node: &Node) -> Result<OwnedSemaphorePermit, Problem> {
    let leave = Arc::clone(&node.history_readers).acquire_owned().await;
    leave.map_err(|_| problems::unavailable("the node stops"))
}

/// Does `work`, which walks over history, once there is leave for it.
pub(super) async fn on_history<T: Send + 'static>(
    node: Arc<Node>,
    work: impl FnOnce(&Node) -> T + Send + 'static,
) -> Result<T, Problem> {
    let leave = reading(&node).await?;
    let done = on_a_thread(move || {
        let done = work(&node);
        drop(leave);
        done
    });
    done.await
}

pub(super) async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let (done, receiver) = tokio::sync::oneshot::channel();
    // Whoever asked may have gone.
    worker(move || drop(done.send(work())))?;
    receiver.await.map_err(|_| problems::unavailable("the thread ended by a bug"))
}

/// Starts a thread for `work`.
pub(super) fn worker(work: impl FnOnce() + Send + 'static) -> Result<(), Problem> {
    /// Running a log again runs modules: they need the stack that the engine has.
    const STACK_SIZE: usize = 16 << 20;
    let builder = std::thread::Builder::new().name("records".to_owned()).stack_size(STACK_SIZE);
    let started = builder.spawn(work);
    started.map(drop).map_err(|error| problems::unavailable(&format!("no thread could be started: {error}")))
}

/// What is asked for is not there any more, or cannot be read.
pub(super) fn past(error: &PastError) -> Problem {
    match error {
        PastError::Load(LoadError::NoBeginning { .. }) => reports::trimmed(error),
        PastError::History(told) if told.is_trimmed() => reports::trimmed(error),
        PastError::Check(checked) if checked.is_trimmed() => reports::trimmed(error),
        PastError::Moment(moment) if moment.is_trimmed() => reports::trimmed(error),
        PastError::Moment(moment) => reports::no_moment(moment).unwrap_or_else(|| unreadable(error)),
        PastError::History(HistoryError::NoSuchRow(problem)) => Problem::clone(problem),
        _ => unreadable(error),
    }
}
