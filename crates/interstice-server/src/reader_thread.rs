//! The reader thread: queries, SQL and initial rows, on snapshots, away from the engine and the committer.

use crate::ask::{Ask, Batch, Finished, Format, Invocation, Look, Seat, SqlReply, Statement};
use crate::lifeline::FailOnPanic;
use crate::node::Node;
use crate::outbox::Outbox;
use crate::queue::{CloseOnDrop, Queue, Taken};
use crate::reports;
use crate::round::Read;
use crate::session::{InitialRows, Session};
use crate::signatures::Signatures;
use interstice::sql::Select;
use interstice_engine::read::{Reader, Snapshot};
use interstice_types::problem::Problem;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Something to read, on a snapshot all of which is durable.
pub(crate) struct Job {
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) snapshot: Box<Snapshot>,
    pub(crate) work: Work,
}

/// What to read.
pub(crate) enum Work {
    Query(Invocation, Seat),
    Sql { statement: Statement, reply: SqlReply },
    Look(Look),
    Initial { id: u32, format: Format, select: Arc<Select> },
}

impl From<Read> for Work {
    fn from(read: Read) -> Self {
        match read {
            Read::Query(query, seat) => Self::Query(query, seat),
            Read::Sql { statement, reply } => Self::Sql { statement, reply },
            Read::Look(look) => Self::Look(look),
        }
    }
}

/// Runs until the queue is closed and empty.
pub(crate) fn run(node: &Node, jobs: &Queue<Job>) {
    let _failing = FailOnPanic { lifeline: &node.lifeline, thread: "reader" };
    let _closing = CloseOnDrop(jobs);
    let mut reader = ReaderThread { node, reader: Reader::new(), signatures: Signatures::default() };
    let mut outbox = Outbox::default();
    while let Taken::Items(waiting) = jobs.take(None) {
        let mut flushed = Instant::now();
        for job in waiting {
            reader.work(job, &mut outbox);
            if flushed.elapsed() >= LONGEST_GATHERING {
                outbox.flush();
                flushed = Instant::now();
            }
        }
        outbox.flush();
    }
}

/// How long answers are gathered: short ones share a wake, and none waits for a long one behind it.
const LONGEST_GATHERING: Duration = Duration::from_millis(1);

struct ReaderThread<'n> {
    node: &'n Node,
    reader: Reader,
    signatures: Signatures,
}

impl ReaderThread<'_> {
    fn work(&mut self, job: Job, outbox: &mut Outbox) {
        let Job { session, snapshot, work } = job;
        match work {
            Work::Query(query, seat) => {
                let result = self.query(&snapshot, &query);
                match seat {
                    Seat::Standing(standing) => standing.answer(result, self.node),
                    seat => outbox.answer(session.as_ref(), seat, result),
                }
            }
            // Whoever asked may have gone.
            Work::Sql { statement: Statement { text, caller }, reply: SqlReply::Rows(reply) } => {
                drop(reply.send(reports::select(&snapshot, &text, Some(caller))));
            }
            Work::Sql { statement: Statement { text, caller }, reply: SqlReply::Explained(reply) } => {
                drop(reply.send(reports::explain(&snapshot, &text, Some(caller))));
            }
            Work::Look(look) => look(&snapshot),
            Work::Initial { id, format, select } => {
                let session = session.expect("invariant: a subscription has its session");
                self.initial(&snapshot, &session, (id, format), &select);
            }
        }
    }

    fn initial(&self, snapshot: &Snapshot, session: &Arc<Session>, (id, format): (u32, Format), select: &Select) {
        match select.rows(snapshot) {
            Ok(rows) => {
                let (offset, fields) = (reports::newest(snapshot), Arc::clone(select.fields()));
                session.start_initial(InitialRows { id, format, offset, fields, rows, sent: 0 });
            }
            // Its place among the standing queries is the committer's: it is taken away there, and answered there.
            Err(problem) => {
                let asks = vec![Ask::EndSubscription { id, format, problem }];
                // A node that takes nothing more ends the connection too.
                let _ = self.node.submit(Batch { session: Some(Arc::clone(session)), asks });
            }
        }
    }

    fn query(&mut self, snapshot: &Snapshot, query: &Invocation) -> Result<Finished, Problem> {
        self.signatures.check(&snapshot.catalog, query)?;
        let value = self.reader.query(snapshot, (&query.module, &query.function), &query.args, query.caller)?;
        Ok(Finished { offset: reports::newest(snapshot), value, changes: BTreeMap::new(), receipt: None })
    }
}
