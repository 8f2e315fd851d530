//! Reading the log of a running node: telling it, verifying it, running it again.

use interstice::check::{CheckError, CheckReport, check};
use interstice::describe::{DescribeError, descriptions};
use interstice_engine::limits::Limits;
use interstice_engine::module::ModuleLoader;
use interstice_log::local::LocalLog;
use interstice_log::log::{CommitLog, ReadError, Receipt, Room, Standing, Tail};
use interstice_log::memory::MemoryLog;
use interstice_log::storage::Storage;
use interstice_log::verify::{VerifyReport, verify};
use interstice_types::id::Offset;
use serde_json::Value as Json;
use std::io;
use std::sync::Arc;

/// A commit log that a node can run on.
pub trait NodeLog: CommitLog<Writer: Send + 'static, Frames: Send> + Send + Sync + 'static {
    /// Looks at every byte and reports every fault.
    ///
    /// # Errors
    /// If the log cannot be listed.
    fn verify(&self) -> io::Result<VerifyReport>;
}

impl<S: Storage<Lock: Sync>> NodeLog for LocalLog<S> {
    fn verify(&self) -> io::Result<VerifyReport> {
        verify(self.storage())
    }
}

impl NodeLog for MemoryLog {
    fn verify(&self) -> io::Result<VerifyReport> {
        let tail = CommitLog::tail(self);
        Ok(VerifyReport { segments: Vec::new(), transactions: tail.next_offset, head: tail.chain })
    }
}

/// The same for any log, behind one pointer.
pub(crate) trait LogAccess: Send + Sync {
    /// Up to `limit` transactions from `from` on.
    fn describe(&self, loader: Arc<dyn ModuleLoader>, from: Offset, limit: usize) -> Result<Vec<Json>, DescribeError>;
    /// Runs everything again.
    fn check(&self, loader: Arc<dyn ModuleLoader>, limits: Limits) -> Result<CheckReport, CheckError>;
    /// Looks at every byte.
    fn verify(&self) -> io::Result<VerifyReport>;
    /// Whether its history is the one of `receipt`.
    fn standing(&self, receipt: &Receipt) -> Result<Standing, ReadError>;
    /// Where it ends.
    fn tail(&self) -> Tail;
    /// Space that it has reserved.
    fn room(&self) -> Option<Room>;
}

impl<L: NodeLog> LogAccess for L {
    fn describe(&self, loader: Arc<dyn ModuleLoader>, from: Offset, limit: usize) -> Result<Vec<Json>, DescribeError> {
        descriptions(self, loader, from)?.take(limit).collect()
    }

    fn check(&self, loader: Arc<dyn ModuleLoader>, limits: Limits) -> Result<CheckReport, CheckError> {
        check(self, loader, limits)
    }

    fn verify(&self) -> io::Result<VerifyReport> {
        NodeLog::verify(self)
    }

    fn standing(&self, receipt: &Receipt) -> Result<Standing, ReadError> {
        CommitLog::standing(self, receipt)
    }

    fn tail(&self) -> Tail {
        CommitLog::tail(self)
    }

    fn room(&self) -> Option<Room> {
        CommitLog::room(self)
    }
}
