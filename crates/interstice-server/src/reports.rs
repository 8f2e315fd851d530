//! What tools found, in the shapes that it is shown in: the same from a node and from a data directory.

mod lines;
mod replay;

pub use lines::entry_lines;
pub use replay::{replay_checked, what_if};

use interstice::history::{FunctionStats, Stats, TableStats};
use interstice::moment::MomentError;
use interstice::snapshot::Looked;
use interstice::snapshot::build::Built;
use interstice::sql::Select;
use interstice_engine::catalog::Catalog;
use interstice_engine::read::{Reader, Snapshot};
use interstice_engine::system;
use interstice_engine::system::schedule::ScheduleRow;
use interstice_log::backup::Inventory;
use interstice_log::segment::SegmentHeader;
use interstice_log::verify::{SegmentReport, VerifyReport};
use interstice_protocol::http::{
    Answer, BackupSource, ChangeCounts, EndListed, Explained, FaultFound, FunctionCounted, LogStats, LogVerified,
    PartCounted, RowSet, ScheduleFound, ScheduleList, ScheduleSelection, SegmentListed, SegmentVerified, SnapshotBuilt,
    SnapshotFound, SnapshotList, SnapshotListed,
};
use interstice_types::id::{Identity, Offset, to_hex};
use interstice_types::problem::Problem;
use interstice_types::row::RowBytes;
use interstice_types::schema::{FunctionKind, signature};
use interstice_types::time::Timestamp;
use interstice_types::ty::Field;
use interstice_types::{codec, json};
use std::collections::BTreeMap;

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
        notices: segment.notices.iter().map(|notice| notice.text.clone()).collect(),
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

/// What a log is made of as it is shown.
pub fn log_stats(stats: &Stats) -> LogStats {
    let counts =
        |counts: &BTreeMap<&'static str, u64>| counts.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    let function = |(name, counted): (&String, &FunctionStats)| {
        let FunctionStats { ok, rejected, trapped, fuel, host_calls, bytes } = *counted;
        FunctionCounted { function: name.clone(), ok, rejected, trapped, fuel, host_calls, bytes }
    };
    let table = |(name, counted): (&String, &TableStats)| {
        let TableStats { insert, update, delete } = *counted;
        (name.clone(), ChangeCounts { insert, update, delete })
    };
    let [first, last] = [0, 1].map(|end| stats.ends.map(|ends| ends[end]));
    LogStats {
        transactions: stats.transactions,
        first_offset: first.map(|(offset, _)| offset.to_string()),
        last_offset: last.map(|(offset, _)| offset.to_string()),
        first_time: first.map(|(_, time)| time.to_string()),
        last_time: last.map(|(_, time)| time.to_string()),
        causes: counts(&stats.causes),
        functions: stats.functions.iter().map(function).collect(),
        tables: stats.tables.iter().map(table).collect(),
        bytes: stats.bytes(),
        parts: stats
            .parts
            .iter()
            .map(|(part, bytes)| PartCounted { part: part.name().to_owned(), bytes: *bytes })
            .collect(),
        frames: counts(&stats.frames),
        frame_bytes: stats.frame_bytes,
        payload_bytes: stats.payload_bytes,
    }
}

/// The beginning of the log was given up, and what is asked for with it.
pub fn trimmed(error: &dyn std::fmt::Display) -> Problem {
    Problem::new("trimmed", error.to_string()).hint(
        "`interstice snapshot list` says from which offset on history is kept; older segments may be in the archive",
    )
}

/// History does not reach to the moment that is asked for; `None` if something else is wrong.
pub fn no_moment(error: &MomentError) -> Option<Problem> {
    let hint = match error {
        MomentError::Outside { .. } => "`interstice status` says how many transactions there are",
        MomentError::Before { .. } => "`interstice log stats` says when the first transaction was",
        MomentError::Unpack(_) | MomentError::Recorded(_) => return None,
    };
    Some(Problem::new("unknown-offset", error.to_string()).hint(hint))
}

/// Snapshots as they are shown.
pub fn snapshot_list(looked: &[Looked]) -> SnapshotList {
    let found = |looked: &Looked| {
        let manifest = looked.manifest.as_ref();
        SnapshotFound {
            next_offset: looked.next_offset,
            time: manifest.ok().map(|manifest| Timestamp(manifest.time).to_string()),
            rows: manifest.map_or(0, |manifest| manifest.tables.iter().map(|table| table.rows).sum()),
            bytes: looked.bytes,
            ok: manifest.is_ok(),
            fault: manifest.err().map(ToString::to_string),
        }
    };
    let snapshots: Vec<_> = looked.iter().map(found).collect();
    SnapshotList { ok: snapshots.iter().all(|snapshot| snapshot.ok), snapshots }
}

/// What came of building a snapshot, if the log had more than the newest one; `end` is where the log ends.
pub fn snapshot_built(built: Option<Built>, end: Offset) -> SnapshotBuilt {
    let nothing = SnapshotBuilt { created: false, next_offset: end, rows: 0, bytes: 0, folded: 0 };
    built.map_or(nothing, |built| SnapshotBuilt {
        created: true,
        next_offset: built.next_offset,
        rows: built.rows,
        bytes: built.size,
        folded: built.folded,
    })
}

/// What there is to be backed up: the log with the size of each segment, snapshots with theirs, and the settings.
///
/// # Panics
/// If the log has no segment.
pub fn backup_source(
    (inventory, sizes): (&Inventory, &[u64]),
    snapshots: &[(Offset, u64)],
    settings: Option<String>,
) -> BackupSource {
    let segment = |(header, bytes): (&SegmentHeader, &u64)| SegmentListed {
        first_offset: header.first_offset,
        first_frame: header.first_frame.0,
        lineage: to_hex(&header.lineage.0),
        chain: to_hex(&header.chain),
        salt: to_hex(&header.salt),
        bytes: *bytes,
    };
    let end = &inventory.end;
    BackupSource {
        log: to_hex(&inventory.segments[0].log_id.0),
        segments: inventory.segments.iter().zip(sizes).map(segment).collect(),
        end: EndListed {
            next_offset: end.next_offset,
            position: end.position.0,
            epoch: end.epoch.0,
            lineage: to_hex(&end.lineage.0),
            chain: to_hex(&end.chain),
        },
        snapshots: snapshots
            .iter()
            .map(|(next_offset, bytes)| SnapshotListed { next_offset: *next_offset, bytes: *bytes })
            .collect(),
        settings,
    }
}

/// The schedules of `snapshot` that are asked for.
pub fn schedule_list(snapshot: &Snapshot, selection: &ScheduleSelection) -> ScheduleList {
    let table = snapshot.catalog.schedules().and_then(|id| snapshot.store.table(id));
    let Some(table) = table else { return ScheduleList { total: 0, schedules: Vec::new() } };
    let wanted = |row: &ScheduleRow| selection.module.as_ref().is_none_or(|module| row.module == *module);
    let rows = system::schedule::all(table).filter(wanted).take(selection.limit);
    let schedules = rows.map(|row| schedule_found(row, &snapshot.catalog)).collect();
    ScheduleList { total: table.count() as u64, schedules }
}

fn schedule_found(row: ScheduleRow, catalog: &Catalog) -> ScheduleFound {
    let function = catalog.module(&row.module).and_then(|(_, entry)| entry.schema.function(&row.function));
    let takes = function.filter(|(_, schema)| signature::of_arguments(schema) == row.shape);
    let args = takes.and_then(|(_, schema)| json::record_to_json(&schema.args, &row.args).ok());
    ScheduleFound {
        id: row.id.0,
        args: args.unwrap_or_else(|| to_hex(&row.args).into()),
        module: row.module,
        function: row.function,
        due: row.due.to_string(),
        times: Some(row.times).filter(|times| !times.is_empty()),
        paused: row.paused,
    }
}

/// The newest transaction that a snapshot includes. There is one: genesis comes before any socket.
pub fn newest(snapshot: &Snapshot) -> Offset {
    snapshot.next_offset - 1
}

/// The answer of query `function` of `module`, whose modules are loaded, to arguments in JSON.
///
/// # Errors
/// There is no such query, the arguments are not its own, or it fails.
pub fn query(
    snapshot: &Snapshot,
    (module, function): (&str, &str),
    args: &serde_json::Value,
    caller: Identity,
) -> Result<Answer, Problem> {
    let found = snapshot.catalog.find(&FunctionKind::Query, module, function)?;
    let bytes = found.args_of_json(args)?;
    let answer = Reader::new().query(snapshot, (module, function), &bytes, caller)?;
    let value = json::value_to_json(&found.function().schema.returns, &answer);
    let value = value.expect("invariant: an answer is of the type that its query declares");
    Ok(Answer { offset: newest(snapshot), value })
}

/// The rows of the `SELECT` in `text`.
///
/// # Errors
/// Why there are none: see [`Select::parse`].
pub fn select(snapshot: &Snapshot, text: &str, caller: Option<Identity>) -> Result<RowSet, Problem> {
    let select = parse(snapshot, text, caller)?;
    Ok(row_set(newest(snapshot), select.fields(), &select.rows(snapshot)?))
}

/// Rows of the columns `fields`, as they were behind the transaction `offset`.
pub fn row_set(offset: Offset, fields: &[Field], rows: &[RowBytes]) -> RowSet {
    let to_json = |row: &RowBytes| -> Vec<serde_json::Value> {
        let types = fields.iter().map(|field| &field.ty);
        let values = codec::decode_all(types, row).expect("invariant: a projected row has the columns' types");
        fields.iter().zip(&values).map(|(field, value)| json::to_json(&field.ty, value)).collect()
    };
    RowSet { offset, columns: fields.to_vec(), rows: rows.iter().map(to_json).collect() }
}

/// Whoever has the files of a node may read all that is in them: `None`.
fn parse(snapshot: &Snapshot, text: &str, caller: Option<Identity>) -> Result<Select, Problem> {
    let select = Select::parse(text, snapshot)?;
    caller.map_or(Ok(()), |caller| select.check_caller(snapshot, caller))?;
    Ok(select)
}

/// How the `SELECT` in `text` is answered.
///
/// # Errors
/// See [`Select::parse`]; `result-too-large`.
pub fn explain(snapshot: &Snapshot, text: &str, caller: Option<Identity>) -> Result<Explained, Problem> {
    let found = parse(snapshot, text, caller)?.explain(snapshot)?;
    Ok(Explained {
        offset: newest(snapshot),
        index: found.index,
        keys: found.keys,
        backwards: found.backwards,
        filter: found.filter,
        sorted_by: found.sorted_by,
        examined: found.examined,
        returned: found.returned,
    })
}
