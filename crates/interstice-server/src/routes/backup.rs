//! What is backed up, over HTTP: a list of files, and their bytes in bounded pieces. Commits wait for neither.

use super::records::on_a_thread;
use super::{Answered, Refusal, envelope};
use crate::log_access::BackupFile;
use crate::node::Node;
use crate::receipts::unreadable;
use crate::reports;
use crate::settings::SETTINGS_FILE;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use interstice_protocol::http::BackupSource;
use interstice_protocol::limits::MAX_PIECE_SIZE;
use interstice_types::problem::Problem;
use serde::Deserialize;
use std::io;
use std::sync::Arc;

pub(super) async fn source(State(node): State<Arc<Node>>) -> Answered<BackupSource> {
    Ok(envelope(on_a_thread(move || listed(&node)).await??))
}

fn listed(node: &Node) -> Result<BackupSource, Problem> {
    let files = node.log.backup_source().map_err(|error| unreadable(&error))?;
    let settings = match node.facts.data.as_ref().map(|data| std::fs::read_to_string(data.join(SETTINGS_FILE))) {
        Some(Ok(text)) => Some(text),
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(unreadable(&error)),
        _ => None,
    };
    Ok(reports::backup_source((&files.inventory, &files.sizes), &files.snapshots, settings))
}

#[derive(Deserialize)]
pub(super) struct Piece {
    from: Option<u64>,
    size: Option<u64>,
}

pub(super) async fn segment(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
    Query(piece): Query<Piece>,
) -> Result<Response, Refusal> {
    bytes(node, BackupFile::Segment(name), piece).await
}

pub(super) async fn snapshot(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
    Query(piece): Query<Piece>,
) -> Result<Response, Refusal> {
    bytes(node, BackupFile::Snapshot(name), piece).await
}

async fn bytes(node: Arc<Node>, file: BackupFile, Piece { from, size }: Piece) -> Result<Response, Refusal> {
    let most = MAX_PIECE_SIZE as u64;
    let piece = (from.unwrap_or(0), size.unwrap_or(most).min(most));
    let read = on_a_thread(move || node.log.read_file(&file, piece)).await?;
    let bytes = read.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Problem::new("trimmed", "the file is not there, or not any more")
            .hint("ask again which files there are: `/v1/backup`"),
        _ => unreadable(&error),
    })?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}
