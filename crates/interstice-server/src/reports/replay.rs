//! What running history again found.

use interstice::check::{CheckReport, Incomparable};
use interstice::what_if::{Tally, WhatIfReport};
use interstice_engine::recheck::{Divergence, Reason};
use interstice_engine::what_if::{Compared, RowDifference, TableDifference, Told, Way};
use interstice_protocol::http::{
    DivergenceFound, FunctionWhatIf, HostCallsFound, IncomparableFound, ReplayChecked, RowWhatIf, TableWhatIf,
    TransactionWhatIf, WhatIfFound,
};
use interstice_types::problem::Problem;
use interstice_wasm::wasm_engine::WasmEngine;

/// The report of a check as it is shown; the code of modules ran on `engine`.
pub fn replay_checked(report: &CheckReport, engine: WasmEngine) -> ReplayChecked {
    ReplayChecked {
        ok: report.divergent == 0,
        engine: engine.name().to_owned(),
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

/// What would have been otherwise, as it is shown.
pub fn what_if(report: &WhatIfReport) -> WhatIfFound {
    let total = report.total();
    WhatIfFound {
        ok: report.is_same(),
        same: total.of(Way::Same),
        otherwise: total.otherwise(),
        functions: report.functions.iter().map(function).collect(),
        transactions: report.told.iter().map(transaction).collect(),
        tables: report.tables.iter().map(table).collect(),
        uncompared: report.uncompared.clone(),
    }
}

fn function((function, tally): (&String, &Tally)) -> FunctionWhatIf {
    FunctionWhatIf {
        function: function.clone(),
        same: tally.of(Way::Same),
        differs: tally.of(Way::Differs),
        carried: tally.of(Way::Carried),
        dropped: tally.of(Way::Dropped),
        missing: tally.of(Way::Missing),
        extra: tally.of(Way::Extra),
        incomparable: tally.of(Way::Incomparable),
    }
}

fn transaction(compared: &Compared) -> TransactionWhatIf {
    let (recorded, replayed) = compared.outcome.clone().unwrap_or_default();
    TransactionWhatIf {
        offset: compared.offset,
        function: compared.function.clone(),
        way: compared.way.name().to_owned(),
        recorded,
        replayed,
        rows: compared.rows.iter().map(row).collect(),
        differences: compared.count as u64,
        text: compared.to_string(),
    }
}

fn row(found: &RowDifference) -> RowWhatIf {
    let json = |told: &Option<Told>| told.as_ref().map(|told| told.json.clone()).unwrap_or_default();
    RowWhatIf {
        table: found.table.clone(),
        key: found.key.json.clone(),
        column: found.column.clone(),
        recorded: json(&found.recorded),
        replayed: json(&found.replayed),
        carried: found.carried,
        text: found.to_string(),
    }
}

fn table(found: &TableDifference) -> TableWhatIf {
    TableWhatIf {
        table: found.table.clone(),
        only_recorded: found.only_recorded,
        only_replayed: found.only_replayed,
        changed: found.changed,
        rows: found.rows.iter().map(row).collect(),
    }
}
