//! `schedule`: what runs at a time of its own, on a node or in a data directory, and what is done with it.

use super::log::document;
use crate::args::Schedule as Command;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::node::{Node, body};
use crate::report::{Report, cell, columns};
use interstice_protocol::http::{ScheduleControlled, ScheduleFound, ScheduleList, ScheduleSelection, route};
use interstice_server::reports;
use interstice_types::transaction::ScheduleAction;
use serde_json::Value;
use std::path::Path;

pub(crate) fn run(node: &Node, command: &Command) -> Result<Report, Failure> {
    let (action, id) = match command {
        Command::List { module, limit, data } => {
            let selection = ScheduleSelection { module: module.clone(), limit: *limit };
            return list(node, data.as_deref(), &selection);
        }
        Command::Run { id } => (ScheduleAction::Run, id),
        Command::Pause { id } => (ScheduleAction::Pause, id),
        Command::Resume { id } => (ScheduleAction::Resume, id),
        Command::Cancel { id } => (ScheduleAction::Cancel, id),
    };
    let document = node.post(&format!("{}/{id}/{}", route::SCHEDULES, action.name()), &Value::Null)?;
    let done: ScheduleControlled = body(&document)?;
    let became = match action {
        ScheduleAction::Run => "runs now",
        ScheduleAction::Pause => "is paused",
        ScheduleAction::Resume => "runs again",
        ScheduleAction::Cancel => "is gone",
    };
    Ok(Report::new(document, format!("schedule {id} {became}, offset {}", done.offset)))
}

fn list(node: &Node, data: Option<&Path>, selection: &ScheduleSelection) -> Result<Report, Failure> {
    let document = match data {
        None => {
            let parameters =
                serde_urlencoded::to_string(selection).expect("invariant: a selection is names with values");
            node.get(&format!("{}?{parameters}", route::SCHEDULES))?
        }
        Some(data) => document(reports::schedule_list(&Directory::open(data)?.state()?.snapshot(), selection)),
    };
    let found: ScheduleList = body(&document)?;
    let mut rows = vec![["schedule", "due", "reducer", "times", "state"].map(str::to_owned).to_vec()];
    rows.extend(found.schedules.iter().map(line));
    let shown = found.schedules.len();
    let more = if shown == selection.limit && (shown as u64) < found.total {
        format!("\n{shown} of {}: `--limit` shows more", found.total)
    } else {
        String::new()
    };
    let text = columns(&rows) + &more;
    Ok(Report::new(document, text).items("schedules"))
}

fn line(schedule: &ScheduleFound) -> Vec<String> {
    let args = match &schedule.args {
        Value::Object(args) if args.is_empty() => "()".to_owned(),
        args => cell(args),
    };
    vec![
        schedule.id.to_string(),
        schedule.due.clone(),
        format!("{}.{}{args}", schedule.module, schedule.function),
        schedule.times.clone().unwrap_or_else(|| "once".to_owned()),
        if schedule.paused { "paused" } else { "waits" }.to_owned(),
    ]
}
