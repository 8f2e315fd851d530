//! A database: an engine whose transactions are durable before anyone hears of them.

use crate::framing::{FrameBuilder, Transactions, UnpackError};
use interstice_engine::engine::{Engine, Input, Output, RecordedError, Request};
use interstice_engine::limits::Limits;
use interstice_engine::module::{LoadError, ModuleLoader};
use interstice_engine::read::Snapshot;
use interstice_log::frame::{Epoch, Position};
use interstice_log::log::{ClaimError, CommitLog, CommitLogWriter, Preparation, ReadError, Receipt, Resolution};
use interstice_types::id::Offset;
use interstice_types::time::Timestamp;
use std::sync::Arc;

/// An engine on a commit log.
pub struct Database<L: CommitLog> {
    engine: Engine,
    log: L,
    writer: L::Writer,
    frames: FrameBuilder,
    waiting: Vec<Output>,
    durable: Offset,
    receipt: Option<Receipt>,
    failed: bool,
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
    /// Transactions that were in the log.
    pub recovered: u64,
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

/// Why nothing more can be made durable. What was waiting may or may not have happened: its callers hear `unknown`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log does not take commits any more: {reason}")]
pub struct SettleError {
    /// What the log says.
    pub reason: String,
}

impl<L: CommitLog> Database<L> {
    /// Recovers what is in `log`, claims it, and makes the system tables if it is new.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        mut log: L,
        loader: Arc<dyn ModuleLoader>,
        limits: Limits,
        birth: Birth,
    ) -> Result<(Self, OpenReport), OpenError> {
        let mut engine = Engine::new(loader, limits);
        let recovered = recover(&log, &mut engine)?;
        let tail = log.tail();
        let writer = log.claim(tail.position, Epoch(tail.epoch.0 + 1))?;
        let unavailable = engine.load_modules();
        let durable = engine.next_offset();
        let mut database = Self {
            engine,
            log,
            writer,
            frames: FrameBuilder::default(),
            waiting: Vec::new(),
            durable,
            receipt: None,
            failed: false,
        };
        if recovered == 0 {
            database.step(Input { now: birth.now, seed: birth.seed, request: Request::Genesis { node: birth.node } });
            database.settle()?;
        }
        Ok((database, OpenReport { recovered, unavailable }))
    }

    /// Does one thing. Its output waits for [`settle`](Self::settle).
    pub fn step(&mut self, input: Input) {
        let before = Arc::clone(self.engine.catalog());
        let output = self.engine.step(input);
        if let Some(transaction) = &output.transaction {
            self.frames.push(transaction, &before);
        }
        self.waiting.push(output);
    }

    /// Makes all that was done durable, and gives out what waited for it, in order.
    ///
    /// # Errors
    /// [`SettleError`], now and from now on: what waited is lost to its callers.
    pub fn settle(&mut self) -> Result<Vec<Output>, SettleError> {
        let refused = |reason: &str| SettleError { reason: reason.to_owned() };
        if self.failed {
            return Err(refused("a write or sync failed before"));
        }
        for frame in self.frames.take() {
            let position = self.writer.tail().position;
            self.writer.append(position, &frame);
        }
        for (_, resolution) in self.writer.settle() {
            match resolution {
                Resolution::Durable(receipt) => {
                    self.durable = receipt.next_offset;
                    self.receipt = Some(receipt);
                }
                Resolution::Fenced { reason } | Resolution::Indeterminate { reason } => {
                    self.failed = true;
                    return Err(SettleError { reason });
                }
                Resolution::Poisoned => {
                    self.failed = true;
                    return Err(refused("an earlier append failed"));
                }
            }
        }
        let outputs = std::mem::take(&mut self.waiting);
        let covered = outputs.iter().all(|output| output.rests_on <= self.durable);
        assert!(covered, "invariant: nothing leaves before it is durable");
        Ok(outputs)
    }

    /// Work ahead of need that the log would like to have done on another thread, if there is some. Ask after each
    /// [`settle`](Self::settle).
    pub fn prepare(&mut self) -> Option<Preparation> {
        self.writer.prepare()
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The log, to read.
    pub fn log(&self) -> &L {
        &self.log
    }

    /// The state now, with what is not yet durable.
    pub fn snapshot(&self) -> Snapshot {
        self.engine.snapshot()
    }

    /// Count of offsets that are durable.
    pub fn durable(&self) -> Offset {
        self.durable
    }

    /// Proof of the newest durable frame of this run.
    pub fn receipt(&self) -> Option<Receipt> {
        self.receipt
    }
}

/// Applies all of `log` to `engine`; returns how many transactions there were.
fn recover<L: CommitLog>(log: &L, engine: &mut Engine) -> Result<u64, OpenError> {
    let mut recovered = 0;
    for transaction in transactions(log)? {
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
