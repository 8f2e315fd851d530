//! The log over HTTP: told, verified, run again, each on a thread of its own, for each walks over the whole log; and receipts.

use super::{Answered, Refusal, envelope, read_json};
use crate::log_access::PastError;
use crate::node::Node;
use crate::receipts::{self, unreadable};
use crate::reports;
use crate::snapshot_thread;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use interstice::snapshot::load::LoadError;
use interstice_protocol::http::{LogVerified, ReceiptChecked, ReplayChecked, SnapshotBuilt, SnapshotList};
use interstice_protocol::limits::MAX_PAGE_COUNT;
use interstice_protocol::problems;
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use serde::Deserialize;
use std::sync::Arc;

/// Transactions of a page that does not say how many it has.
const DEFAULT_TRANSACTION_COUNT: usize = 1000;

#[derive(Deserialize)]
pub(super) struct DumpQuery {
    from: Option<Offset>,
    limit: Option<usize>,
}

pub(super) async fn dump(
    State(node): State<Arc<Node>>,
    Query(DumpQuery { from, limit }): Query<DumpQuery>,
) -> Result<Response, Refusal> {
    let limit = limit.unwrap_or(DEFAULT_TRANSACTION_COUNT).min(MAX_PAGE_COUNT);
    let told = on_a_thread(move || node.log.describe(node.kit(), from.unwrap_or(0), limit)).await?;
    let told = told.map_err(|error| past(&error))?;
    let mut lines: Vec<_> = told.iter().map(|line| line.to_string()).collect();
    // Every line ends, the last one too.
    lines.push(String::new());
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], lines.join("\n")).into_response())
}

pub(super) async fn verify(State(node): State<Arc<Node>>) -> Answered<LogVerified> {
    let report = on_a_thread(move || node.log.verify()).await?.map_err(|error| unreadable(&error))?;
    Ok(envelope(reports::log_verified(&report)))
}

pub(super) async fn check(State(node): State<Arc<Node>>) -> Answered<ReplayChecked> {
    let report = on_a_thread(move || node.log.check(node.kit())).await?;
    let report = report.map_err(|error| past(&error))?;
    Ok(envelope(reports::replay_checked(&report)))
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

pub(super) async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    /// Running a log again runs modules: they need the stack that the engine has.
    const STACK_SIZE: usize = 16 << 20;
    let (done, receiver) = tokio::sync::oneshot::channel();
    let builder = std::thread::Builder::new().name("records".to_owned()).stack_size(STACK_SIZE);
    // Whoever asked may have gone.
    let started = builder.spawn(move || drop(done.send(work())));
    started.map_err(|error| problems::unavailable(&format!("no thread could be started: {error}")))?;
    receiver.await.map_err(|_| problems::unavailable("the thread ended by a bug"))
}

/// What is asked for is not there any more, or cannot be read.
fn past(error: &PastError) -> Problem {
    match error {
        PastError::Load(LoadError::NoBeginning { .. }) => reports::trimmed(error),
        _ => unreadable(error),
    }
}
