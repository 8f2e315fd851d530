//! What the engine thread hands to the committer: frames to make durable, and what may leave once they are.

use crate::ask::{Finished, Format, Invocation, Look, Reply, Seat, SqlReply, Statement, Subscribe};
use crate::session::Session;
use crate::standing::StandingQuery;
use interstice_engine::engine::Output;
use interstice_engine::read::Snapshot;
use interstice_log::frame::Frame;
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use std::sync::Arc;

/// A part of the one order of everything that was done.
#[derive(Default)]
pub(crate) struct Round {
    pub(crate) frames: Vec<Frame>,
    pub(crate) groups: Vec<Group>,
    count: usize,
}

/// Things done for one session, one after the other.
pub(crate) struct Group {
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) done: Vec<Done>,
}

/// One thing done. It leaves when everything before it is durable.
pub(crate) enum Done {
    Called {
        output: Output,
        seat: Seat,
    },
    /// An event or a schedule.
    Unasked(Output),
    Published {
        output: Output,
        snapshot: Option<Box<Snapshot>>,
        reply: Reply<Finished>,
    },
    Read {
        read: Read,
        snapshot: Box<Snapshot>,
    },
    Subscribed {
        subscribe: Subscribe,
        snapshot: Box<Snapshot>,
    },
    SubscribedQuery {
        query: Arc<StandingQuery>,
        snapshot: Box<Snapshot>,
    },
    Unsubscribed {
        id: u32,
        format: Format,
        offset: Offset,
    },
    /// A subscription that ends with a problem.
    Ended {
        id: u32,
        format: Format,
        problem: Problem,
    },
    Left,
}

/// Something that only looks at a snapshot.
pub(crate) enum Read {
    Query(Invocation, Seat),
    Sql { statement: Statement, reply: SqlReply },
    Look(Look),
}

impl Round {
    /// What is pushed from now on is for `session`.
    pub(crate) fn group(&mut self, session: Option<&Arc<Session>>) {
        let id = |session: Option<&Arc<Session>>| session.map(|session| session.id);
        if self.groups.last().is_none_or(|group| id(group.session.as_ref()) != id(session)) {
            self.groups.push(Group { session: session.cloned(), done: Vec::new() });
        }
    }

    /// Adds something done for the session of the last [`group`](Self::group).
    pub(crate) fn push(&mut self, done: Done) {
        if self.groups.is_empty() {
            self.groups.push(Group { session: None, done: Vec::new() });
        }
        self.groups.last_mut().expect("invariant: just pushed").done.push(done);
        self.count += 1;
    }

    /// How many things were done.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Bytes that its frames take in the log.
    pub(crate) fn frames_size(&self) -> u64 {
        self.frames.iter().map(Frame::size).sum()
    }

    /// How much it weighs in the queue, in bytes.
    pub(crate) fn weight(&self) -> usize {
        /// What one thing costs beside its frame.
        const OVERHEAD: usize = 256;
        self.count * OVERHEAD + self.frames.iter().map(|frame| frame.payload.len()).sum::<usize>()
    }
}
