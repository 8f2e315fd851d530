//! What sockets ask of the engine, and where the answer goes.

use crate::session::Session;
use crate::standing::StandingQuery;
use interstice_engine::module::Loaded;
use interstice_engine::publish::PublishOptions;
use interstice_engine::read::Snapshot;
use interstice_protocol::http::{ChangeCounts, Explained, RowSet};
use interstice_protocol::receipt::Receipt;
use interstice_types::id::{Identity, Offset, ScheduleId, TableId};
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use interstice_types::schema::signature::Signature;
use interstice_types::transaction::ScheduleAction;
use interstice_types::ty::Type;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What one wake-up of one socket asks, in order.
pub(crate) struct Batch {
    /// Where the answers go; `None` for HTTP, where each carries its own way back.
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) asks: Vec<Ask>,
}

/// One thing asked.
pub(crate) enum Ask {
    Call(Invocation, Seat),
    Query(Invocation, Seat),
    Sql {
        statement: Statement,
        reply: SqlReply,
    },
    /// Look at a snapshot.
    Look(Look),
    Publish(Publish),
    /// Do something with a schedule.
    Control {
        action: ScheduleAction,
        schedule: ScheduleId,
        caller: Identity,
        reply: Reply<Finished>,
    },
    Subscribe(Subscribe),
    SubscribeQuery(Arc<StandingQuery>),
    Unsubscribe {
        id: u32,
        format: Format,
    },
    /// The reader cannot give a subscription its rows: it ends, with why.
    EndSubscription {
        id: u32,
        format: Format,
        problem: Problem,
    },
    /// The session has begun, for this caller.
    Arrive(Identity),
    /// The session has ended.
    Leave,
}

/// Something to do with a snapshot all of which is durable, on the reader thread. Dropped undone where there is none.
pub(crate) type Look = Box<dyn FnOnce(&Snapshot) + Send>;

/// Text of SQL, and who asks.
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) caller: Identity,
}

/// A function, what it is called with, and by whom.
#[derive(Clone)]
pub(crate) struct Invocation {
    pub(crate) module: Arc<str>,
    pub(crate) function: Arc<str>,
    pub(crate) args: Vec<u8>,
    pub(crate) signature: Signature,
    pub(crate) caller: Identity,
}

/// A checked and compiled artefact on its way.
pub(crate) struct Publish {
    pub(crate) artefact: Vec<u8>,
    pub(crate) loaded: Loaded,
    pub(crate) caller: Identity,
    pub(crate) options: PublishOptions,
    pub(crate) reply: Reply<Finished>,
}

/// A standing query.
pub(crate) struct Subscribe {
    pub(crate) id: u32,
    pub(crate) sql: String,
    pub(crate) caller: Identity,
    pub(crate) initial: bool,
    pub(crate) format: Format,
}

/// Binary messages, or JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Binary,
    Text,
}

/// Carries one answer back to a waiting HTTP request.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Problem>>;

/// What is wanted of a `SELECT`, and where it goes.
pub(crate) enum SqlReply {
    Rows(Reply<RowSet>),
    /// How it is answered.
    Explained(Reply<Explained>),
}

impl SqlReply {
    /// Whoever asked may have gone.
    pub(crate) fn refuse(self, problem: Problem) {
        match self {
            Self::Rows(reply) => drop(reply.send(Err(problem))),
            Self::Explained(reply) => drop(reply.send(Err(problem))),
        }
    }
}

/// Where the answer of a call or a query goes.
pub(crate) enum Seat {
    /// To the session, under this id.
    Binary(u32),
    /// To the session, under this id, as JSON of the function's answer.
    Text(u32, Returns),
    /// To a waiting HTTP request.
    Once(Reply<Finished>),
    /// To whoever subscribed to the query.
    Standing(Arc<StandingQuery>),
}

/// The type of a function's answer. A signature holds it together with the function that runs.
#[derive(Clone)]
pub(crate) struct Returns {
    pub(crate) schema: Arc<Schema>,
    pub(crate) function: usize,
}

impl Returns {
    pub(crate) fn ty(&self) -> &Type {
        &self.schema.functions[self.function].returns
    }
}

/// What came of a call, a query or a publish.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finished {
    pub(crate) offset: Offset,
    pub(crate) value: Vec<u8>,
    pub(crate) changes: BTreeMap<TableId, ChangeCounts>,
    /// `None` of a query.
    pub(crate) receipt: Option<Receipt>,
}

impl Batch {
    /// Of an HTTP request.
    pub(crate) fn of_one(ask: Ask) -> Self {
        Self { session: None, asks: vec![ask] }
    }
}
