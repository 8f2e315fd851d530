//! What tools found, in the shapes that it is shown in: the same from a node and from a data directory.

use interstice::check::CheckReport;
use interstice::sql::Select;
use interstice_engine::catalog::Catalog;
use interstice_engine::read::Snapshot;
use interstice_engine::recheck::Divergence;
use interstice_log::verify::{SegmentReport, VerifyReport};
use interstice_protocol::http::{DivergenceFound, FaultFound, LogVerified, ReplayChecked, RowSet, SegmentVerified};
use interstice_types::id::{Offset, to_hex};
use interstice_types::problem::Problem;
use interstice_types::{codec, json};

/// The report of a verification as it is shown.
pub fn log_verified(report: &VerifyReport) -> LogVerified {
    let segment = |segment: &SegmentReport| SegmentVerified {
        name: segment.name.clone(),
        first_offset: segment.first_offset,
        next_offset: segment.next_offset,
        sealed: segment.sealed,
        bytes: segment.bytes,
        ok: segment.faults.is_empty(),
        torn_tail_bytes: segment.torn_tail_bytes,
        faults: segment.faults.iter().map(fault).collect(),
    };
    LogVerified {
        ok: report.is_ok(),
        transactions: report.transactions,
        head: to_hex(&report.head),
        segments: report.segments.iter().map(segment).collect(),
    }
}

fn fault(fault: &interstice_log::verify::Fault) -> FaultFound {
    FaultFound { kind: fault.kind.to_owned(), byte: fault.byte, offset: fault.offset, evidence: fault.evidence.clone() }
}

/// The report of a check as it is shown.
pub fn replay_checked(report: &CheckReport) -> ReplayChecked {
    let divergences: Vec<_> = report.divergences.iter().map(|divergence| found(divergence, &report.catalog)).collect();
    ReplayChecked { ok: divergences.is_empty(), checked: report.checked, divergences, incomparable: 0 }
}

fn found(divergence: &Divergence, catalog: &Catalog) -> DivergenceFound {
    let table = divergence.table.and_then(|id| catalog.table_name(id));
    DivergenceFound {
        offset: divergence.offset,
        function: divergence.function.clone(),
        kind: divergence.kind.to_owned(),
        table: table.map(|(module, table)| format!("{module}.{table}")),
        recorded: divergence.recorded.clone(),
        replayed: divergence.replayed.clone(),
    }
}

/// The newest transaction that a snapshot includes. There is one: genesis comes before any socket.
pub fn newest(snapshot: &Snapshot) -> Offset {
    snapshot.next_offset - 1
}

/// The rows of the `SELECT` in `text`.
///
/// # Errors
/// Why there are none: see [`Select::parse`].
pub fn select(snapshot: &Snapshot, text: &str) -> Result<RowSet, Problem> {
    let select = Select::parse(text, snapshot)?;
    let fields = select.fields();
    let to_json = |row: &[u8]| -> Vec<serde_json::Value> {
        let types = fields.iter().map(|field| &field.ty);
        let values = codec::decode_all(types, row).expect("invariant: a projected row has the columns' types");
        fields.iter().zip(&values).map(|(field, value)| json::to_json(&field.ty, value)).collect()
    };
    let rows = select.rows(snapshot)?.iter().map(|row| to_json(row)).collect();
    Ok(RowSet { offset: newest(snapshot), columns: fields.to_vec(), rows })
}
