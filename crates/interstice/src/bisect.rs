//! Bisecting: the first transaction at which the answer to a statement becomes another one.
//!
//! The answer may change and change back, so that halving would find some change, not the first: history is walked once. The statement
//! is asked again only behind a transaction that changed a row which it lets in, before or behind, so that a walk costs about what
//! applying the transactions does.

use crate::framing::{Transactions, UnpackError};
use crate::history::describe::describe;
use crate::opened::Start;
use crate::sql::Select;
use interstice_engine::engine::Engine;
use interstice_engine::recorded::RecordedError;
use interstice_log::log::CommitLog;
use interstice_store::table::Table;
use interstice_types::change::Change;
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use interstice_types::row::RowBytes;
use interstice_types::transaction::{Cause, Transaction};
use interstice_types::ty::Field;
use serde_json::Value as Json;
use std::sync::Arc;

/// What a statement is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The columns.
    pub fields: Arc<[Field]>,
    /// The rows.
    pub rows: Vec<RowBytes>,
}

/// The transaction at which an answer became another one.
#[derive(Debug)]
pub struct Turn {
    /// Its offset.
    pub offset: Offset,
    /// It, told as JSON.
    pub transaction: Json,
    /// The answer before it; why there was none where the statement could not be asked.
    pub before: Result<Answer, Problem>,
    /// The answer behind it.
    pub behind: Result<Answer, Problem>,
}

/// Why history cannot be walked over.
#[derive(Debug, thiserror::Error)]
pub enum BisectError {
    /// The log cannot be read.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// What it records does not fit together.
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    /// The statement cannot be asked at any offset.
    #[error("{0}")]
    Statement(Problem),
}

impl BisectError {
    /// Whether what was read was given up meanwhile.
    pub fn is_trimmed(&self) -> bool {
        matches!(self, Self::Unpack(error) if error.is_trimmed())
    }
}

/// The first transaction from offset `from` on, and before `to`, behind which `statement` is answered otherwise than before `from`.
/// `None` if there is none.
///
/// # Errors
/// [`BisectError`].
pub fn bisect<L: CommitLog>(
    log: &L,
    start: Start,
    statement: &str,
    (from, to): (Offset, Offset),
) -> Result<Option<Turn>, BisectError> {
    let Start { mut engine, position, .. } = start;
    let mut asked: Option<Asked> = None;
    for transaction in Transactions::new(log.read(position).map_err(UnpackError::from)?) {
        let transaction = transaction?;
        if transaction.offset >= to {
            break;
        }
        if transaction.offset < from {
            engine.apply(&transaction)?;
            continue;
        }
        let reference = asked.get_or_insert_with(|| Asked::of(statement, &engine));
        let concerns = is_concerned(reference.select.as_ref(), &transaction, &engine);
        let told = concerns.then(|| describe(&transaction, &engine));
        engine.apply(&transaction)?;
        if let Some(told) = told {
            let again = Asked::of(statement, &engine);
            if again.answer != reference.answer {
                let (before, behind) = (reference.answer.clone(), again.answer);
                return Ok(Some(Turn { offset: transaction.offset, transaction: told, before, behind }));
            }
            *reference = again;
        }
    }
    match asked.unwrap_or_else(|| Asked::of(statement, &engine)).answer {
        Ok(_) => Ok(None),
        Err(problem) => Err(BisectError::Statement(problem)),
    }
}

/// A statement, and its answer.
struct Asked {
    select: Option<Select>,
    answer: Result<Answer, Problem>,
}

impl Asked {
    fn of(statement: &str, engine: &Engine) -> Self {
        let snapshot = engine.snapshot();
        match Select::parse(statement, &snapshot) {
            Err(problem) => Self { select: None, answer: Err(problem) },
            Ok(select) => {
                let answer = select.rows(&snapshot).map(|rows| Answer { fields: Arc::clone(select.fields()), rows });
                Self { select: Some(select), answer }
            }
        }
    }
}

/// Whether `transaction`, which is made on `before`, may change the answer to a statement; `None` where it cannot be asked before.
pub(crate) fn is_concerned(select: Option<&Select>, transaction: &Transaction, before: &Engine) -> bool {
    if matches!(transaction.cause, Cause::Publish { .. } | Cause::Genesis { .. } | Cause::Configure) {
        return true;
    }
    let Some(select) = select else { return false };
    let Some(table) = before.store().table(select.table()) else { return false };
    let changes = transaction.changes.iter().filter(|change| change.table() == select.table());
    changes.into_iter().any(|change| is_let_in(change, table, select))
}

/// Whether a statement lets a row in that `change` puts there or takes away.
fn is_let_in(change: &Change, table: &Table, select: &Select) -> bool {
    let there = |key: &[u8]| {
        let key = table.lookup_key(key, &mut Vec::new()).ok();
        key.and_then(|key| table.get(&key)).is_some_and(|row| select.matches(row))
    };
    match change {
        Change::Insert { row, .. } => select.matches(row),
        Change::Update { new, .. } => select.matches(new) || there(&table.primary_key_values(new)),
        Change::Delete { key, .. } => there(key),
        Change::Sequence { .. } => false,
        Change::CreateTable { .. }
        | Change::AlterTable { .. }
        | Change::ClearTable { .. }
        | Change::DropTable { .. } => true,
    }
}
