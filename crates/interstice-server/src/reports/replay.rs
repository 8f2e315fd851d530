//! What running history again found.

use interstice::check::{CheckReport, Incomparable};
use interstice_engine::recheck::{Divergence, Reason};
use interstice_protocol::http::{DivergenceFound, HostCallsFound, IncomparableFound, ReplayChecked};
use interstice_types::problem::Problem;

/// The report of a check as it is shown.
pub fn replay_checked(report: &CheckReport) -> ReplayChecked {
    ReplayChecked {
        ok: report.divergent == 0,
        checked: report.checked,
        versions: report.modules + report.published,
        divergent: report.divergent,
        divergences: report.divergences.iter().map(divergence).collect(),
        incomparable: report.incomparable,
        incomparables: report.incomparables.iter().map(incomparable).collect(),
    }
}

fn divergence(found: &Divergence) -> DivergenceFound {
    let host_calls = found.host_calls.as_ref().map(|calls| HostCallsFound {
        first: calls.first,
        last: calls.last,
        name: calls.name.to_owned(),
    });
    DivergenceFound {
        offset: found.offset,
        function: found.function.clone(),
        kind: found.kind.name().to_owned(),
        table: found.table.clone(),
        key: found.key.clone(),
        column: found.column.clone(),
        host_calls,
        instances: found.instances.name().to_owned(),
        recorded: found.recorded.clone(),
        replayed: found.replayed.clone(),
        text: found.to_string(),
    }
}

fn incomparable(found: &Incomparable) -> IncomparableFound {
    let (reason, problem) = match &found.reason {
        Reason::Ephemeral => ("ephemeral", None),
        Reason::ResourceLimit(problem) => ("resource-limit", Some(Problem::clone(problem))),
        Reason::Unavailable(problem) => ("module-unavailable", Some(Problem::clone(problem))),
    };
    IncomparableFound { offset: found.offset, function: found.function.clone(), reason: reason.to_owned(), problem }
}
