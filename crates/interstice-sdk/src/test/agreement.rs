//! Native code and compiled code do the same, or the test fails and says what differs.
//!
//! Compared are the answer or the error's code and data, the changes of rows, and what was logged. Not compared: fuel, which native code
//! does not burn; where a panic was, which only compiled code knows; the rows in which the artefacts stand.

use super::run::{Run, Step};
use interstice_engine::engine::Request;
use interstice_engine::execution::LogLine;
use interstice_types::change::Change;
use interstice_types::json;
use interstice_types::problem::Problem;
use interstice_types::schema::SYSTEM_MODULE;

/// System tables whose rows name artefacts, or say in words how a function failed.
const APART: [&str; 6] = ["module", "table", "artefact", "version", "migration", "dead_letter"];
/// Characters that are shown of what differs.
const SHOWN: usize = 400;

type Reply = Result<Vec<u8>, Problem>;

/// What is asked for, as a message calls it.
pub(super) fn name_of(request: &Request) -> String {
    match request {
        Request::Call { module, function, .. } => format!("`{module}.{function}`"),
        Request::Publish { loaded, .. } => format!("publishing `{}`", loaded.schema.module),
        Request::NextEvent => "the next event".to_owned(),
        Request::NextSchedule => "the next schedule".to_owned(),
        Request::Connect { .. } => "connecting".to_owned(),
        Request::Disconnect { connection } => format!("disconnecting {connection}"),
        Request::Genesis { .. } | Request::Configure | Request::Control { .. } => "the node".to_owned(),
    }
}

/// # Panics
/// If the two are not the same.
pub(super) fn assert_steps(name: &str, (native, step): (&Run, &Step), (compiled, again): (&Run, &Step)) {
    assert_answers(name, &step.reply, &again.reply);
    let (changes, again_changes) = (compared_of(native, step), compared_of(compiled, again));
    for (what, at) in [("change", 0), ("change in no log", 1)] {
        if let Some(number) = first_difference(&changes[at], &again_changes[at]) {
            let shown = |run, changes: &[&Change]| changes.get(number).map(|change| told(run, change));
            let sides = [shown(native, &changes[at]), shown(compiled, &again_changes[at])];
            differ(name, &format!("{what} {}", number + 1), &sides.map(Option::unwrap_or_default));
        }
    }
    let lines =
        |step: &Step| step.log.iter().map(|LogLine { level, text, .. }| (*level, text.clone())).collect::<Vec<_>>();
    if let Some(number) = first_difference(&lines(step), &lines(again)) {
        let sides = [step, again].map(|step| lines(step).get(number).map(|(_, text)| text.clone()));
        differ(name, &format!("line {} that it logs", number + 1), &sides.map(Option::unwrap_or_default));
    }
}

/// # Panics
/// If the two are not the same.
pub(super) fn assert_answers(name: &str, native: &Reply, compiled: &Reply) {
    let told = |reply: &Reply| reply.clone().map_err(|problem| (problem.code.to_string(), problem.data.clone()));
    if told(native) != told(compiled) {
        differ(name, "its answer", &[native, compiled].map(|reply| format!("{reply:?}")));
    }
}

/// What is compared of a step: changes that are in the log, and those that are not.
fn compared_of<'r>(run: &'r Run, step: &'r Step) -> [Vec<&'r Change>; 2] {
    [run.changes_of(step), &step.unlogged.changes].map(|changes| compared(run, changes))
}

fn compared<'c>(run: &Run, changes: &'c [Change]) -> Vec<&'c Change> {
    let is_compared = |change: &&Change| {
        let table = run.engine().store().table(change.table());
        !table.is_some_and(|table| **table.module() == *SYSTEM_MODULE && APART.contains(&&*table.schema().name))
    };
    changes.iter().filter(is_compared).collect()
}

fn first_difference<T: PartialEq>(native: &[T], compiled: &[T]) -> Option<usize> {
    (0..native.len().max(compiled.len())).find(|at| native.get(*at) != compiled.get(*at))
}

/// A change of a row as people write it.
fn told(run: &Run, change: &Change) -> String {
    let table = run.engine().store().table(change.table());
    let (word, row) = match change {
        Change::Insert { row, .. } => ("insert", Some(row)),
        Change::Update { new, .. } => ("update", Some(new)),
        Change::Delete { old, .. } => ("delete", old.as_ref()),
        _ => ("", None),
    };
    let row = table.zip(row).and_then(|(table, row)| json::record_to_json(&table.schema().fields(), row).ok());
    match (table, row) {
        (Some(table), Some(row)) => format!("{word} {}.{} {row}", table.module(), table.schema().name),
        _ => format!("{change:?}"),
    }
}

/// Fails the test; the sides are what came out natively and compiled, empty where nothing did.
fn differ(name: &str, what: &str, sides: &[String; 2]) -> ! {
    let shown = |side: &String| match side.chars().take(SHOWN).collect::<String>() {
        side if side.is_empty() => "nothing".to_owned(),
        side => side,
    };
    let [native, compiled] = sides.each_ref().map(shown);
    panic!("{name} does not do the same natively and in WebAssembly: {what}\n  native: {native}\n  wasm:   {compiled}")
}
