//! Lines that functions logged, over HTTP: those that are kept, and those that are still to come.

use super::{Answered, envelope};
use crate::node::Node;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use interstice_protocol::http::{LineSelection, Lines};
use interstice_protocol::problems;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for a line.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

pub(super) async fn list(
    State(node): State<Arc<Node>>,
    selection: Result<Query<LineSelection>, QueryRejection>,
) -> Answered<Lines> {
    let Query(LineSelection { from, wait }) =
        selection.map_err(|error| problems::invalid_message(error.body_text()))?;
    let (mut next, mut closing) = (node.lines.watch(), node.closing.subscribe());
    let wait = Duration::from_millis(wait).min(LONGEST_WAIT);
    // Whichever comes first: what there is then is the answer.
    tokio::select! {
        _ = next.wait_for(|next| *next > from) => {}
        _ = closing.wait_for(|closing| *closing) => {}
        () = tokio::time::sleep(wait) => {}
    }
    Ok(envelope(node.lines.page(from)))
}
