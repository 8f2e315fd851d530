//! Schedules over HTTP: those that have still to run, and what somebody who runs the node does with one.

use super::{Answered, answer, caller, envelope};
use crate::ask::{Ask, Batch};
use crate::node::Node;
use crate::reports;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use interstice_protocol::http::{ScheduleControlled, ScheduleList, ScheduleSelection};
use interstice_protocol::problems;
use interstice_types::id::ScheduleId;
use interstice_types::problem::Problem;
use interstice_types::transaction::ScheduleAction;
use std::sync::Arc;
use tokio::sync::oneshot;

pub(super) async fn list(
    State(node): State<Arc<Node>>,
    selection: Result<Query<ScheduleSelection>, QueryRejection>,
) -> Answered<ScheduleList> {
    let Query(selection) = selection.map_err(|error| problems::invalid_message(error.body_text()))?;
    let (reply, receiver) = oneshot::channel();
    let ask = Ask::Look(Box::new(move |snapshot| {
        // Whoever asked may have gone.
        let _ = reply.send(reports::schedule_list(snapshot, &selection));
    }));
    node.submit(Batch::of_one(ask)).map_err(|(_, problem)| problem)?;
    let list = receiver.await.map_err(|_| problems::unavailable("the node has failed"))?;
    Ok(envelope(list))
}

pub(super) async fn control(
    State(node): State<Arc<Node>>,
    Path((id, action)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answered<ScheduleControlled> {
    let caller = caller(&headers)?;
    let schedule = schedule_id(&id)?;
    let known = ScheduleAction::ALL.into_iter().find(|known| known.name() == action);
    let action = known.ok_or_else(|| {
        let names = ScheduleAction::ALL.map(ScheduleAction::name);
        Problem::new("unknown-route", format!("nothing is called `{action}` that is done with a schedule"))
            .did_you_mean(&action, names)
    })?;
    let (reply, receiver) = oneshot::channel();
    let ask = Ask::Control { action, schedule, caller, reply };
    node.submit(Batch::of_one(ask)).map_err(|(_, problem)| problem)?;
    let finished = answer(receiver).await?;
    let receipt = finished.receipt.expect("invariant: an acknowledgement has its receipt");
    Ok(envelope(ScheduleControlled { offset: finished.offset, schedule: schedule.0, action, receipt }))
}

fn schedule_id(text: &str) -> Result<ScheduleId, Problem> {
    text.parse().map(ScheduleId).map_err(|_| {
        Problem::new("unknown-schedule", format!("`{text}` is not the number of a schedule"))
            .hint("list those that are still to run with `interstice schedule list`")
    })
}
