//! A database on one thread: an engine whose transactions are durable before anyone hears of them.

use crate::commit::{Committer, SettleError};
use crate::framing::FrameBuilder;
use crate::opened::{Birth, OpenError, OpenReport, Opened, Start};
use interstice_engine::engine::{Engine, Input, Output};
use interstice_engine::read::Snapshot;
use interstice_log::frame::Position;
use interstice_log::log::{CommitLog, Preparation, Receipt, TrimError};
use interstice_types::id::Offset;
use std::sync::Arc;

/// An engine on a commit log.
pub struct Database<L: CommitLog> {
    engine: Engine,
    log: L,
    committer: Committer<L::Writer>,
    frames: FrameBuilder,
    waiting: Vec<Output>,
}

impl<L: CommitLog> Database<L> {
    /// Recovers what is in `log` behind `start`, claims it, and makes the system tables that it has not.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(log: L, start: Start, birth: Birth) -> Result<(Self, OpenReport), OpenError> {
        let Opened { engine, log, committer, report } = Opened::open(log, start, birth)?;
        Ok((Self { engine, log, committer, frames: FrameBuilder::default(), waiting: Vec::new() }, report))
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
        self.committer.append(&self.frames.take());
        self.committer.settle()?;
        let durable = self.committer.durable();
        let outputs = std::mem::take(&mut self.waiting);
        let covered = outputs.iter().all(|output| output.rests_on <= durable);
        assert!(covered, "invariant: nothing leaves before it is durable");
        Ok(outputs)
    }

    /// Work ahead of need that the log would like to have done on another thread, if there is some. Ask after each
    /// [`settle`](Self::settle).
    pub fn prepare(&mut self) -> Option<Preparation> {
        self.committer.prepare()
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The log, to read.
    pub fn log(&self) -> &L {
        &self.log
    }

    /// Gives up the log before frame `up_to`, as far as whole segments allow.
    ///
    /// # Errors
    /// [`TrimError`].
    pub fn trim(&self, up_to: Position) -> Result<(), TrimError> {
        self.log.trim(up_to)
    }

    /// The state now, with what is not yet durable.
    pub fn snapshot(&self) -> Snapshot {
        self.engine.snapshot()
    }

    /// Count of offsets that are durable.
    pub fn durable(&self) -> Offset {
        self.committer.durable()
    }

    /// Proof of the newest durable frame of this run.
    pub fn receipt(&self) -> Option<Receipt> {
        self.committer.receipt()
    }
}
