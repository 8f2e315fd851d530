//! Opening: recover what the log holds, claim it, begin it if it is new.
//!
//! The parts that come of it stand apart: [`Database`](crate::database::Database) puts them together for one thread, a node
//! gives the engine and the committer a thread each.

use crate::commit::{Committer, SettleError};
use crate::framing::{FrameBuilder, Transactions, UnpackError};
use interstice_engine::engine::{Engine, Input, Request};
use interstice_engine::limits::Limits;
use interstice_engine::module::{LoadError, ModuleLoader};
use interstice_engine::recorded::RecordedError;
use interstice_log::frame::{Epoch, Position};
use interstice_log::log::{ClaimError, CommitLog, ReadError};
use interstice_types::id::Offset;
use interstice_types::time::Timestamp;
use std::sync::Arc;

/// The parts of an open database.
pub struct Opened<L: CommitLog> {
    /// The state after the last transaction in the log.
    pub engine: Engine,
    /// To read what is durable.
    pub log: L,
    /// To make more durable.
    pub committer: Committer<L::Writer>,
    /// What opening found.
    pub report: OpenReport,
}

/// Where recovery begins.
pub struct Start {
    /// The state there.
    pub engine: Engine,
    /// The frame behind it.
    pub position: Position,
    /// The count of offsets of the snapshot that it was loaded from, if it was.
    pub from_snapshot: Option<Offset>,
}

impl Start {
    /// At the beginning of the log.
    pub fn empty(loader: Arc<dyn ModuleLoader>, limits: Limits) -> Self {
        Self { engine: Engine::new(loader, limits), position: Position(0), from_snapshot: None }
    }
}

/// Time and randomness for what the database does by itself while it opens.
#[derive(Debug, Clone, Copy)]
pub struct Birth {
    /// Names the node, if the log is new.
    pub node: [u8; 16],
    /// The wall clock.
    pub now: Timestamp,
    /// Fresh random bytes.
    pub seed: [u8; 16],
}

/// What opening found.
#[derive(Debug, Default)]
pub struct OpenReport {
    /// Transactions that were read from the log.
    pub recovered: u64,
    /// The count of offsets of the snapshot that they came behind.
    pub from_snapshot: Option<Offset>,
    /// Modules that could not be loaded, and why. Everything that does not need them works.
    pub unavailable: Vec<(String, LoadError)>,
}

/// Why a database does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log cannot be read.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// What it records does not fit together.
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    /// Somebody else writes it.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The first transaction could not be made durable.
    #[error(transparent)]
    Settle(#[from] SettleError),
}

impl<L: CommitLog> Opened<L> {
    /// Recovers what is in `log` behind `start`, claims it, and makes the system tables that it has not.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(mut log: L, start: Start, birth: Birth) -> Result<Self, OpenError> {
        let Start { mut engine, position, from_snapshot } = start;
        let recovered = recover(&log, &mut engine, position)?;
        let tail = log.tail();
        let writer = log.claim(tail.position, Epoch(tail.epoch.0 + 1))?;
        let unavailable = engine.load_modules();
        let mut committer = Committer::new(writer);
        let request = match engine.next_offset() {
            0 => Request::Genesis { node: birth.node },
            _ => Request::Configure,
        };
        begin(&mut engine, &mut committer, (request, birth))?;
        Ok(Self { engine, log, committer, report: OpenReport { recovered, from_snapshot, unavailable } })
    }
}

/// Makes the system tables, or those that are missing; a log that has them all stays as it is.
fn begin<W: interstice_log::log::CommitLogWriter>(
    engine: &mut Engine,
    committer: &mut Committer<W>,
    (request, birth): (Request, Birth),
) -> Result<(), SettleError> {
    let before = Arc::clone(engine.catalog());
    let output = engine.step(Input { now: birth.now, seed: birth.seed, request });
    let Some(transaction) = &output.transaction else { return Ok(()) };
    let mut frames = FrameBuilder::default();
    frames.push(transaction, &before);
    committer.append(&frames.take());
    committer.settle().map(|_| ())
}

/// Applies what is in `log` from frame `from` on; returns how many transactions there were.
fn recover<L: CommitLog>(log: &L, engine: &mut Engine, from: Position) -> Result<u64, OpenError> {
    let mut recovered = 0;
    for transaction in Transactions::new(log.read(from).map_err(UnpackError::from)?) {
        engine.apply(&transaction?)?;
        recovered += 1;
    }
    Ok(recovered)
}

/// All transactions of `log`.
///
/// # Errors
/// [`ReadError`] if its beginning is gone.
pub fn transactions<L: CommitLog>(log: &L) -> Result<Transactions<L::Frames>, UnpackError> {
    let frames = log.read(Position(0)).map_err(|error: ReadError| UnpackError::Read(error))?;
    Ok(Transactions::new(frames))
}
