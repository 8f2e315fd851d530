//! History over HTTP: what is selected of it, told line by line as it is walked over, and counted.

use super::records::{on_history, past, reading, worker};
use super::{Answered, Refusal, envelope};
use crate::node::Node;
use crate::reports;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use interstice::history::{self, Selection, Selector};
use interstice_protocol::http::{Envelope, Failed, LogStats, RowHistory};
use interstice_protocol::limits::MAX_PAGE_COUNT;
use interstice_protocol::problems;
use interstice_types::problem::Problem;
use serde::Deserialize;
use serde_json::Value as Json;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

/// Bytes of lines that are handed over at a time, at least.
const PIECE_SIZE: usize = 64 << 10;
/// Pieces that wait for the socket.
const WAITING_PIECES: usize = 4;
/// For so long a reader may take nothing: the log that it reads is kept meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a worker sends. One that breaks off without an end has told a part only.
enum Piece {
    Lines(Bytes),
    Failed(Problem),
    End,
}

pub(super) async fn dump(
    State(node): State<Arc<Node>>,
    selection: Result<Query<Selection>, QueryRejection>,
) -> Result<Response, Refusal> {
    let selector = selector(selection)?;
    let (sender, mut pieces) = channel(WAITING_PIECES);
    let runtime = Handle::current();
    let reading = reading(&node).await?;
    worker(move || {
        Lines::new(runtime, sender, PATIENCE).write(&node, &selector);
        drop(reading);
    })?;
    // What fails before the first piece has a status of its own.
    let first = match received(&mut pieces).await {
        Piece::Failed(problem) => return Err(problem.into()),
        first => first,
    };
    let rest = stream::unfold(Some((Some(first), pieces)), next_piece);
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], Body::from_stream(rest)).into_response())
}

pub(super) async fn stats(
    State(node): State<Arc<Node>>,
    selection: Result<Query<Selection>, QueryRejection>,
) -> Answered<LogStats> {
    let selector = selector(selection)?;
    let stats = on_history(node, move |node| node.log.stats(node.kit(), &selector)).await?;
    Ok(envelope(reports::log_stats(&stats.map_err(|error| past(&error))?)))
}

/// Which row, and how many of its changes.
#[derive(Deserialize)]
pub(super) struct OfRow {
    key: String,
    limit: Option<usize>,
}

pub(super) async fn row(
    State(node): State<Arc<Node>>,
    Path((module, table)): Path<(String, String)>,
    of: Result<Query<OfRow>, QueryRejection>,
) -> Answered<RowHistory> {
    let Query(OfRow { key, limit }) = of.map_err(|error| problems::invalid_message(error.body_text()))?;
    let selector = history::row::selector(&format!("{module}.{table}"), &key)?;
    let limit = limit.unwrap_or(history::row::DEFAULT_LIMIT).min(MAX_PAGE_COUNT);
    let found = on_history(node, move |node| node.log.row_history(node.kit(), &selector, limit)).await?;
    let history::row::RowHistory { entries, more } = found.map_err(|error| past(&error))?;
    Ok(envelope(RowHistory { entries, more }))
}

fn selector(selection: Result<Query<Selection>, QueryRejection>) -> Result<Selector, Problem> {
    let Query(selection) = selection.map_err(|error| problems::invalid_message(error.body_text()))?;
    selection.selector()
}

/// The next piece, if it is known already, and where others come from.
type Pieces = (Option<Piece>, Receiver<Piece>);

/// What fails behind the first piece is the last line.
async fn next_piece(pieces: Option<Pieces>) -> Option<(Result<Bytes, Infallible>, Option<Pieces>)> {
    let (ready, mut pieces) = pieces?;
    let piece = match ready {
        Some(piece) => piece,
        None => received(&mut pieces).await,
    };
    match piece {
        Piece::Lines(lines) => Some((Ok(lines), Some((None, pieces)))),
        Piece::Failed(error) => {
            let failed = serde_json::to_string(&Envelope::new(Failed { error }));
            Some((Ok((failed.expect("invariant: a problem has a JSON form") + "\n").into()), None))
        }
        Piece::End => None,
    }
}

async fn received(pieces: &mut Receiver<Piece>) -> Piece {
    let piece = pieces.recv().await;
    piece.unwrap_or_else(|| Piece::Failed(problems::unavailable("what follows was not told: the reader was too slow")))
}

/// Lines on their way to whoever asked for them.
struct Lines {
    runtime: Handle,
    sender: Sender<Piece>,
    waiting: Vec<u8>,
    /// How long one piece may wait to be taken.
    patience: Duration,
    /// Whether a piece was not taken: what comes behind it must not look like all there is.
    broken: bool,
}

impl Lines {
    fn new(runtime: Handle, sender: Sender<Piece>, patience: Duration) -> Self {
        Self { runtime, sender, waiting: Vec::new(), patience, broken: false }
    }

    /// Writes all of them, or until nobody takes them any more.
    fn write(mut self, node: &Node, selector: &Selector) {
        let gone = self.sender.clone();
        let told = node.log.tell(node.kit(), selector, &|| !gone.is_closed(), &mut |told| self.push(told));
        self.end(told.map_err(|error| past(&error)));
    }

    fn end(mut self, told: Result<(), Problem>) {
        let _ = self.flush();
        if !self.broken {
            // Nobody may be there any more to be told.
            let _ = self.send(told.map_or_else(Piece::Failed, |()| Piece::End));
        }
    }

    fn push(&mut self, told: &Json) -> ControlFlow<()> {
        serde_json::to_writer(&mut self.waiting, told).expect("invariant: a buffer takes all");
        self.waiting.push(b'\n');
        if self.waiting.len() < PIECE_SIZE { ControlFlow::Continue(()) } else { self.flush() }
    }

    fn flush(&mut self) -> ControlFlow<()> {
        let piece = std::mem::take(&mut self.waiting);
        if piece.is_empty() { ControlFlow::Continue(()) } else { self.send(Piece::Lines(piece.into())) }
    }

    fn send(&mut self, piece: Piece) -> ControlFlow<()> {
        let sent = self.runtime.block_on(async { timeout(self.patience, self.sender.send(piece)).await });
        self.broken |= !matches!(sent, Ok(Ok(())));
        if self.broken { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines that are all taken end; of lines that were not the last thing said is that some are missing.
    #[test]
    fn a_reader_that_is_too_slow_is_told_so_and_never_that_this_was_all() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let long = Json::String("x".repeat(PIECE_SIZE));
        for (lines, complete) in [(WAITING_PIECES - 1, true), (WAITING_PIECES + 1, false)] {
            let (sender, mut pieces) = channel(WAITING_PIECES);
            let mut writer = Lines::new(runtime.handle().clone(), sender, Duration::from_millis(50));
            let taken = (0..lines).take_while(|_| writer.push(&long).is_continue()).count();
            assert_eq!(taken, lines.min(WAITING_PIECES));
            writer.end(Ok(()));
            // It begins to read only now.
            let mut last = None;
            for _ in 0..=lines {
                last = Some(runtime.block_on(received(&mut pieces)));
            }
            match last {
                Some(Piece::End) => assert!(complete),
                Some(Piece::Failed(problem)) => assert!(!complete && problem.message.contains("too slow"), "{problem}"),
                _ => panic!("no end"),
            }
        }
    }
}
