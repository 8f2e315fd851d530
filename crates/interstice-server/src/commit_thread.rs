//! The committer thread: one sync for everything that waits, then the answers, in order.
//!
//! One turn:
//! 1. Take all rounds that wait, append their frames, settle: one write, one sync.
//! 2. Walk over what was done: updates to subscribers, then the answer to whoever asked; reads go on to the reader.
//! 3. Hand each session what it gets.
//!
//! If settling fails nothing more is promised: what would have left is answered with `unknown`, the node ends.

use crate::ask::{Finished, Format, Seat};
use crate::lifeline::FailOnPanic;
use crate::moment;
use crate::node::Node;
use crate::outbox::Outbox;
use crate::queue::{CloseOnDrop, Queue, Taken};
use crate::reader_thread::{Job, Work};
use crate::receipts::Given;
use crate::round::{Done, Round};
use crate::session::{Piece, Session};
use crate::standing::{StandingQueries, StandingQuery};
use crate::subscriptions::Subscriptions;
use interstice::commit::{Committer, SettleError};
use interstice_engine::engine::{Output, Unlogged};
use interstice_engine::read::Snapshot;
use interstice_log::frame::{Frame, FrameKind};
use interstice_log::log::CommitLogWriter;
use interstice_log::planted::{self, Bug};
use interstice_protocol::http::ChangeCounts;
use interstice_protocol::{problems, reply, text};
use interstice_types::change::Change;
use interstice_types::id::{Offset, TableId};
use interstice_types::problem::Problem;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Silence after which a seal certifies the newest frames: until then only they themselves say that they were synced.
const IDLE_BEFORE_SEAL: Duration = Duration::from_millis(5);

/// The log's writer and everything that waits for it.
pub(crate) struct CommitThread<W> {
    committer: Committer<W>,
    node: Arc<Node>,
    rounds: Arc<Queue<Round>>,
    jobs: Arc<Queue<Job>>,
    subscriptions: Subscriptions,
    standing: StandingQueries,
    outbox: Outbox,
    /// Reads of this round: they go to the reader when the answers before them are out, so that they do not overtake those.
    reads: Vec<Job>,
    /// Whether the newest frames are certified by nothing but themselves.
    unsealed: bool,
}

impl<W: CommitLogWriter> CommitThread<W> {
    pub(crate) fn new(
        committer: Committer<W>,
        node: Arc<Node>,
        rounds: Arc<Queue<Round>>,
        jobs: Arc<Queue<Job>>,
    ) -> Self {
        let (subscriptions, standing) = (Subscriptions::default(), StandingQueries::default());
        let (outbox, reads) = (Outbox::default(), Vec::new());
        Self { committer, node, rounds, jobs, subscriptions, standing, outbox, reads, unsealed: true }
    }

    /// Works until the engine thread has ended and everything is answered.
    pub(crate) fn run(mut self) {
        let (node, rounds, jobs) = (Arc::clone(&self.node), Arc::clone(&self.rounds), Arc::clone(&self.jobs));
        let _failing = FailOnPanic { lifeline: &node.lifeline, thread: "committer" };
        let _closing = (CloseOnDrop(&node.inbox), CloseOnDrop(&rounds), CloseOnDrop(&jobs));
        // A log that was full when it was closed has no room for the first call.
        self.prepare();
        loop {
            let patience = if self.unsealed { Some(IDLE_BEFORE_SEAL) } else { node.reserve.next_look() };
            match rounds.take(patience) {
                Taken::Items(rounds) => self.commit(rounds),
                Taken::Nothing if self.unsealed => self.seal(),
                Taken::Nothing => self.prepare(),
                Taken::Closed => break,
            }
        }
        if self.unsealed {
            self.seal();
        }
    }

    fn seal(&mut self) {
        self.unsealed = false;
        let size = Frame::marker(FrameKind::Seal, 0).size();
        if self.node.log.room().is_some_and(|room| !room.holds(size)) {
            // It certifies, and that is not worth the end of a node that waits for space: the next frame certifies too.
            return;
        }
        if let Err(error) = self.committer.seal() {
            self.fail(&error);
        }
    }

    fn commit(&mut self, rounds: Vec<Round>) {
        let size = rounds.iter().map(Round::frames_size).sum();
        for round in &rounds {
            self.committer.append(&round.frames);
            self.unsealed |= !round.frames.is_empty();
        }
        if planted::is(Bug::UpdateBeforeDurable) {
            let done = rounds.iter().flat_map(|round| &round.groups).flat_map(|group| &group.done);
            let outputs =
                done.filter_map(|done| if let Done::Called { output, .. } = done { Some(output) } else { None });
            let transactions = outputs.filter_map(|output| output.transaction.as_ref());
            transactions.for_each(|transaction| {
                self.subscriptions.tell((transaction.offset, 0), &transaction.changes, &mut self.outbox);
            });
            self.outbox.flush();
        }
        let mut given = match self.committer.settle() {
            Ok(receipts) => {
                tracing::debug!(bytes = size, durable = self.committer.durable(), "synced");
                self.node.receipts.note(&receipts);
                self.node.reserve.settled(size);
                Some(Given::new(receipts))
            }
            Err(error) => {
                self.fail(&error);
                None
            }
        };
        for group in rounds.into_iter().flat_map(|round| round.groups) {
            for done in group.done {
                match &mut given {
                    Some(given) => self.release(group.session.as_ref(), done, given),
                    None => self.lose(group.session.as_ref(), done),
                }
            }
        }
        self.outbox.flush();
        self.send_reads();
        self.standing.ask(&self.node);
        self.prepare();
    }

    /// Has the next segment made on a thread of its own, when the log asks for that. A disk that fails while it is made has
    /// failed; one that is full is asked again.
    fn prepare(&mut self) {
        if let Some(reason) = self.node.reserve.fault() {
            return self.fail(&SettleError { reason, out_of_space: false });
        }
        if !self.node.reserve.is_due() {
            return;
        }
        let Some(work) = self.committer.prepare() else { return };
        let reserve = Arc::clone(&self.node.reserve);
        reserve.begin();
        let making = Arc::clone(&reserve);
        let thread = std::thread::Builder::new().name("next-segment".to_owned());
        if let Err(error) = thread.spawn(move || making.finish(work())) {
            reserve.finish(Err(error));
        }
    }

    fn fail(&mut self, error: &SettleError) {
        self.unsealed = false;
        let problem = if error.out_of_space {
            Problem::new("disk-full", error.reason.clone())
                .hint("nothing acknowledged is lost: make space on the disk of the data directory, then start again")
        } else {
            Problem::new("fenced", error.to_string())
                .hint("nothing acknowledged is lost: look at the disk, then start again")
        };
        self.node.lifeline.fail(problem);
        self.node.inbox.close();
    }

    /// Lets out what was done, for everything that it rests on is durable.
    fn release(&mut self, session: Option<&Arc<Session>>, done: Done, given: &mut Given) {
        match done {
            Done::Called { mut output, seat } => {
                self.tell(&mut output);
                self.answer(session, seat, output, given);
            }
            Done::Unasked(mut output) => self.tell(&mut output),
            Done::Published { mut output, snapshot, reply } => {
                self.tell(&mut output);
                if let Some(snapshot) = snapshot {
                    self.node.set_catalog(Arc::clone(&snapshot.catalog));
                    self.subscriptions.republish(&snapshot, &mut self.outbox);
                    self.standing.republish(&snapshot, &mut self.outbox);
                }
                self.answer(None, Seat::Once(reply), output, given);
            }
            Done::Read { read, snapshot } => {
                assert!(
                    snapshot.next_offset <= self.committer.durable(),
                    "invariant: nothing leaves before it is durable"
                );
                self.reads.push(Job { session: session.cloned(), snapshot, work: read.into() });
            }
            Done::Subscribed { subscribe, snapshot } => {
                let session = session.expect("invariant: a subscription has its session");
                self.subscribe(session, subscribe, snapshot);
            }
            Done::SubscribedQuery { query, snapshot } => {
                let session = session.expect("invariant: a subscription has its session");
                self.subscribe_query(session, &query, snapshot);
            }
            Done::Unsubscribed { id, format, offset } => {
                let session = session.expect("invariant: a subscription has its session");
                self.remove(session, Some(id));
                session.end_subscription(id);
                self.outbox.push(session, ended(id, format, offset));
            }
            Done::Ended { id, format, problem } => {
                let session = session.expect("invariant: a subscription has its session");
                self.remove(session, Some(id));
                session.end_subscription(id);
                self.outbox.push(session, refusal(id, format, &problem));
            }
            Done::Left => {
                let session = session.expect("invariant: a session leaves");
                self.remove(session, None);
            }
        }
    }

    /// Takes one subscription of a session away, or all of them.
    fn remove(&mut self, session: &Session, id: Option<u32>) {
        self.subscriptions.remove(session.id, id);
        self.standing.remove(session.id, id);
    }

    fn tell(&mut self, output: &mut Output) {
        assert!(output.rests_on <= self.committer.durable(), "invariant: nothing leaves before it is durable");
        self.node.lines.note(output, moment::now);
        let Unlogged { changes: unlogged, next_offset, number } = &output.unlogged;
        self.standing.note(output);
        match &output.transaction {
            Some(transaction) if unlogged.is_empty() => {
                self.subscriptions.tell((transaction.offset, 0), &transaction.changes, &mut self.outbox);
            }
            // One transaction is one update, whatever tables it is about.
            Some(transaction) => {
                let all = [&*transaction.changes, unlogged].concat();
                self.subscriptions.tell((transaction.offset, 0), &all, &mut self.outbox);
            }
            None if unlogged.is_empty() => {}
            None => self.subscriptions.tell((next_offset.saturating_sub(1), *number), unlogged, &mut self.outbox),
        }
    }

    fn answer(&mut self, session: Option<&Arc<Session>>, seat: Seat, output: Output, given: &mut Given) {
        let Output { transaction, reply, unlogged, .. } = output;
        match (reply, transaction, seat, session) {
            (Ok(value), Some(transaction), Seat::Binary(id), Some(session)) => {
                self.outbox.ok(session, id, (transaction.offset, &value), &given.of(transaction.offset));
            }
            (Ok(value), Some(transaction), seat, session) => {
                let changes =
                    if matches!(seat, Seat::Once(_)) { counts(&transaction.changes) } else { BTreeMap::new() };
                let (offset, receipt) = (transaction.offset, Some(given.of(transaction.offset)));
                let finished = Finished { offset, value, changes, receipt };
                self.outbox.answer(session, seat, Ok(finished));
            }
            (Err(problem), _, seat, session) => self.outbox.answer(session, seat, Err(problem)),
            (Ok(value), None, seat, session) => {
                let changes = if matches!(seat, Seat::Once(_)) { counts(&unlogged.changes) } else { BTreeMap::new() };
                let (offset, receipt) = (unlogged.next_offset.saturating_sub(1), self.node.receipts.newest());
                self.outbox.answer(session, seat, Ok(Finished { offset, value, changes, receipt }));
            }
        }
    }

    fn subscribe(&mut self, session: &Arc<Session>, ask: crate::ask::Subscribe, snapshot: Box<Snapshot>) {
        let crate::ask::Subscribe { id, initial, format, .. } = ask;
        match self.subscriptions.add(session, &ask, &snapshot) {
            Err(problem) => {
                session.end_subscription(id);
                self.outbox.push(session, refusal(id, format, &problem));
            }
            Ok(select) => {
                self.outbox.push(session, columns(id, format, select.fields()));
                if initial {
                    session.hold(id);
                    let work = Work::Initial { id, format, select };
                    self.reads.push(Job { session: Some(Arc::clone(session)), snapshot, work });
                }
            }
        }
    }

    fn subscribe_query(&mut self, session: &Arc<Session>, query: &Arc<StandingQuery>, snapshot: Box<Snapshot>) {
        if let Err(problem) = self.standing.add(query, &snapshot) {
            session.end_subscription(query.id());
            return self.outbox.push(session, refusal(query.id(), query.format(), &problem));
        }
        let (question, seat) = query.begin().expect("invariant: what was just added was not asked yet");
        self.reads.push(Job { session: Some(Arc::clone(session)), snapshot, work: Work::Query(question, seat) });
    }

    fn send_reads(&mut self) {
        for job in std::mem::take(&mut self.reads) {
            if let Err(job) = self.jobs.push(job, 1) {
                self.lose_job(job);
            }
        }
        // What was lost is answered too.
        self.outbox.flush();
    }

    /// Answers what was done and may be lost.
    fn lose(&mut self, session: Option<&Arc<Session>>, done: Done) {
        let fate = |output: &Output| {
            if output.transaction.is_some() && !planted::is(Bug::UnknownIsRefused) {
                problems::unknown()
            } else {
                problems::unavailable("the node has failed")
            }
        };
        match done {
            Done::Called { output, seat } => self.outbox.answer(session, seat, Err(fate(&output))),
            Done::Published { output, reply, .. } => self.outbox.answer(None, Seat::Once(reply), Err(fate(&output))),
            Done::Read { read, snapshot } => {
                self.lose_job(Job { session: session.cloned(), snapshot, work: read.into() });
            }
            Done::Unasked(_)
            | Done::Subscribed { .. }
            | Done::SubscribedQuery { .. }
            | Done::Unsubscribed { .. }
            | Done::Ended { .. }
            | Done::Left => {}
        }
    }

    fn lose_job(&mut self, job: Job) {
        let problem = problems::unavailable("the node has failed");
        match job.work {
            Work::Query(_, seat) => self.outbox.answer(job.session.as_ref(), seat, Err(problem)),
            Work::Sql { reply, .. } => reply.refuse(problem),
            // Whoever waits for a look hears that it was dropped.
            Work::Initial { .. } | Work::Look(_) => {}
        }
    }
}

/// Rows changed by table.
fn counts(changes: &[Change]) -> BTreeMap<TableId, ChangeCounts> {
    let mut counts: BTreeMap<TableId, ChangeCounts> = BTreeMap::new();
    for change in changes {
        match change {
            Change::Insert { table, .. } => counts.entry(*table).or_default().insert += 1,
            Change::Update { table, .. } => counts.entry(*table).or_default().update += 1,
            Change::Delete { table, .. } => counts.entry(*table).or_default().delete += 1,
            _ => {}
        }
    }
    counts
}

fn columns(id: u32, format: Format, fields: &[interstice_types::ty::Field]) -> Piece {
    match format {
        Format::Text => Piece::Text(text::columns(id, fields)),
        Format::Binary => {
            let mut out = Vec::new();
            reply::columns(id, fields, &mut out);
            Piece::Binary(out)
        }
    }
}

/// An error by id, in the format of what it answers.
pub(crate) fn refusal(id: u32, format: Format, problem: &Problem) -> Piece {
    match format {
        Format::Text => Piece::Text(text::error(id, problem)),
        Format::Binary => {
            let mut out = Vec::new();
            reply::error(id, problem, &mut out);
            Piece::Binary(out)
        }
    }
}

fn ended(id: u32, format: Format, offset: Offset) -> Piece {
    match format {
        Format::Text => Piece::Text(text::ok(id, offset, &serde_json::Value::Null)),
        Format::Binary => {
            let mut out = Vec::new();
            reply::ok(id, offset, &[], &mut out);
            Piece::Binary(out)
        }
    }
}
