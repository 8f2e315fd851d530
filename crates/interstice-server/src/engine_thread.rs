//! The engine thread: takes everything that waits, executes it in order, and hands it to the committer while that syncs.
//!
//! One turn:
//! 1. Take all batches that wait; run their calls one by one, handing over every [`CALLS_PER_ROUND`] of them.
//! 2. Deliver up to [`EVENTS_PER_TURN`] events.
//! 3. Run up to [`SCHEDULES_PER_TURN`] schedules that are due, and no more once [`SCHEDULES_TIME`] is over.
//! 4. Try the publishes that wait: they need a moment without pending events.
//! 5. Take one snapshot for all queries of this turn: they see every call before them.
//!
//! Without anything to do it sleeps until somebody asks, or the next schedule is due.
//!
//! Nothing that writes is begun before there is room for it in the log (`reserve`).

use crate::ask::{Ask, Batch, Invocation, Publish, Reply, Seat, Subscribe};
use crate::lifeline::FailOnPanic;
use crate::moment::{self, Moments};
use crate::node::Node;
use crate::queue::{CloseOnDrop, Queue, Taken};
use crate::reserve::Admission;
use crate::round::{Done, Read, Round};
use crate::session::Session;
use crate::signatures::Signatures;
use crate::telling::Telling;
use crate::verify::Picker;
use interstice::framing::FrameBuilder;
use interstice_engine::engine::{Engine, Input, Output, Request, Unlogged};
use interstice_engine::module::HOST_FAULT;
use interstice_engine::read::Snapshot;
use interstice_types::id::Identity;
use interstice_types::problem::Problem;
use interstice_types::transaction::Cause;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Calls after which what is done goes to the committer.
const CALLS_PER_ROUND: usize = 256;
/// Events that run between two turns of calls.
const EVENTS_PER_TURN: usize = 256;
/// Schedules that run between two turns of calls.
const SCHEDULES_PER_TURN: usize = 256;
/// How long they may keep calls, and the answers of calls that were made before them, from their turn: what one of them takes is not
/// cut short.
const SCHEDULES_TIME: Duration = Duration::from_millis(10);
/// Longest sleep before a schedule: then the wall clock is looked at again, which may have been set.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);
/// Turns for which a publish waits for pending events before it is refused.
const PUBLISH_TURNS: u32 = 64;

/// Between two looks whether events and schedules can run that there was no space for.
const BLOCKED_PAUSE: Duration = Duration::from_millis(250);

/// The engine and what feeds it.
pub(crate) struct EngineThread {
    engine: Engine,
    node: Arc<Node>,
    rounds: Arc<Queue<Round>>,
    moments: Moments,
    signatures: Signatures,
    /// Picks transactions that are to be run again.
    picker: Option<Picker>,
    frames: FrameBuilder,
    round: Round,
    /// Bytes of the frames that were handed over.
    handed: u64,
    /// How many bytes may be made before there must be more room; `None` before that was asked.
    room: Option<u64>,
    /// Whether events or schedules wait for space.
    blocked: bool,
    /// With how many turns each has waited.
    publishes: Vec<(Publish, u32)>,
    reads: Vec<(Option<Arc<Session>>, Read)>,
    /// The numbers of the connections that are noted, by session.
    connections: HashMap<u64, u64>,
    /// Those that ended, and are noted still.
    ended: VecDeque<u64>,
}

impl EngineThread {
    pub(crate) fn new(
        (engine, picker): (Engine, Option<Picker>),
        node: Arc<Node>,
        rounds: Arc<Queue<Round>>,
        moments: Moments,
    ) -> Self {
        Self {
            engine,
            picker,
            node,
            rounds,
            moments,
            signatures: Signatures::default(),
            frames: FrameBuilder::default(),
            round: Round::default(),
            handed: 0,
            room: None,
            blocked: false,
            publishes: Vec::new(),
            reads: Vec::new(),
            connections: HashMap::new(),
            ended: VecDeque::new(),
        }
    }

    /// Works until the inbox is closed and empty.
    pub(crate) fn run(mut self) {
        let (node, rounds) = (Arc::clone(&self.node), Arc::clone(&self.rounds));
        let _failing = FailOnPanic { lifeline: &node.lifeline, thread: "engine" };
        let _closing_inbox = CloseOnDrop(&node.inbox);
        let _closing_rounds = CloseOnDrop(&rounds);
        self.end_left_over();
        loop {
            match node.inbox.take(self.patience()) {
                Taken::Items(batches) => batches.into_iter().for_each(|batch| self.batch(batch)),
                Taken::Nothing => {}
                Taken::Closed => break,
            }
            self.turn();
        }
        self.end_all();
        // Events stay pending in the log; a publish that still waits is refused by the engine.
        self.publishes.iter_mut().for_each(|(_, turns)| *turns = PUBLISH_TURNS);
        self.turn();
    }

    /// How long to wait for somebody to ask; `None` for as long as it takes.
    fn patience(&self) -> Option<Duration> {
        let due = self.until_next_schedule();
        let has_work = !self.engine.pending_events().is_empty() || !self.publishes.is_empty();
        match (self.blocked, has_work, due) {
            (true, ..) => Some(BLOCKED_PAUSE),
            (false, true, _) => Some(Duration::ZERO),
            (false, false, due) => due.map(|due| due.min(LONGEST_SLEEP)),
        }
    }

    /// How far off the next schedule is; `None` if there is none that will run.
    fn until_next_schedule(&self) -> Option<Duration> {
        if self.node.lifeline.has_failed() {
            return None;
        }
        let due = self.engine.next_wakeup()?;
        // As the engine counts: its time does not go back with the wall clock.
        let now = moment::now().max(self.engine.time());
        Some(Duration::from_micros(u64::try_from(due.since(now).micros()).unwrap_or(0)))
    }

    fn turn(&mut self) {
        self.blocked = false;
        self.note_ended();
        self.deliver_events();
        self.run_schedules();
        self.try_publishes();
        self.hand_reads();
        self.hand_over();
    }

    fn batch(&mut self, batch: Batch) {
        let Batch { session, asks } = batch;
        for ask in asks {
            // First: while it waits for room it hands over what was done.
            let room = if matches!(ask, Ask::Call(..) | Ask::Control { .. }) { self.room() } else { Ok(()) };
            self.round.group(session.as_ref());
            match ask {
                Ask::Call(call, seat) => self.call(call, seat, room),
                Ask::Control { action, schedule, caller, reply } => {
                    let output = match room {
                        Ok(()) => self.step(Request::Control { action, schedule, caller }),
                        Err(problem) => self.refused(problem),
                    };
                    self.round.push(Done::Called { output, seat: Seat::Once(reply) });
                }
                Ask::Query(query, seat) => self.reads.push((session.clone(), Read::Query(query, seat))),
                Ask::Sql { statement, reply } => self.reads.push((None, Read::Sql { statement, reply })),
                Ask::Look(look) => self.reads.push((None, Read::Look(look))),
                Ask::Publish(publish) => self.publishes.push((publish, 0)),
                Ask::Subscribe(subscribe) => self.subscribe(subscribe),
                Ask::SubscribeQuery(query) => {
                    let snapshot = Box::new(self.engine.snapshot());
                    self.round.push(Done::SubscribedQuery { query, snapshot });
                }
                Ask::Unsubscribe { id, format } => {
                    let offset = self.engine.next_offset() - 1;
                    self.round.push(Done::Unsubscribed { id, format, offset });
                }
                Ask::EndSubscription { id, format, problem } => self.round.push(Done::Ended { id, format, problem }),
                Ask::Arrive(caller) => self.arrive(session.as_ref(), caller),
                Ask::Leave => self.leave(session.as_ref()),
            }
            if self.round.count() >= CALLS_PER_ROUND {
                self.hand_over();
            }
        }
    }

    fn call(&mut self, call: Invocation, seat: Seat, room: Result<(), Problem>) {
        let checked = room.and_then(|()| self.signatures.check(self.engine.catalog(), &call));
        let output = if let Err(problem) = checked {
            self.refused(problem)
        } else {
            let Invocation { module, function, args, caller, .. } = call;
            self.step(Request::Call { module, function, args, caller })
        };
        self.round.push(Done::Called { output, seat });
    }

    /// Notes a connection, if some module asks for it. One for which there is no space is there all the same.
    fn arrive(&mut self, session: Option<&Arc<Session>>, caller: Identity) {
        let Some(session) = session.filter(|_| self.engine.catalog().notes_connections()) else { return };
        if !self.has_space() {
            return;
        }
        let output = self.step(Request::Connect { caller });
        if let Some(Cause::Connect { connection, .. }) = output.transaction.as_ref().map(|noted| &noted.cause) {
            self.connections.insert(session.id, *connection);
        }
        self.hand_on(output);
    }

    fn leave(&mut self, session: Option<&Arc<Session>>) {
        self.ended.extend(session.and_then(|session| self.connections.remove(&session.id)));
        self.note_ended();
        self.round.group(session);
        self.round.push(Done::Left);
    }

    /// Connections that were noted when the node went down ended with it.
    fn end_left_over(&mut self) {
        self.ended = self.engine.connections().into();
        self.note_ended();
    }

    /// A node that stops ends the connections that are left.
    fn end_all(&mut self) {
        let mut left: Vec<_> = self.connections.drain().map(|(_, connection)| connection).collect();
        left.sort_unstable();
        self.ended.extend(left);
        self.note_ended();
    }

    /// Notes the ends of connections, the first that ended first. Without space they wait.
    fn note_ended(&mut self) {
        while let Some(connection) = self.ended.front().copied() {
            if !self.has_space() {
                self.blocked = true;
                return;
            }
            self.ended.pop_front();
            let output = self.step(Request::Disconnect { connection });
            self.hand_on(output);
        }
    }

    fn has_space(&mut self) -> bool {
        !self.node.lifeline.has_failed() && self.room().is_ok()
    }

    /// A subscription begins exactly where it stands among the calls.
    fn subscribe(&mut self, subscribe: Subscribe) {
        let snapshot = self.engine.snapshot();
        self.round.push(Done::Subscribed { subscribe, snapshot: Box::new(snapshot) });
    }

    /// Waits until there is room for what is done next.
    ///
    /// # Errors
    /// `read-only` if there is none, and no space for more.
    fn room(&mut self) -> Result<(), Problem> {
        let made = self.handed + self.frames.size();
        let mut waiting = false;
        while self.room.is_none_or(|room| made > room) && !self.node.lifeline.has_failed() {
            match self.node.reserve.admit(|| self.node.log.room(), made, waiting) {
                Admission::Until(room) => self.room = Some(room),
                Admission::Refused(why) => return Err(self.node.read_only(&why)),
                Admission::Wait => {
                    self.hand_over();
                    waiting = true;
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, request: Request) -> Output {
        // After a failure nothing that is done now could ever become durable.
        if self.node.lifeline.has_failed() {
            return self.refused(interstice_protocol::problems::unavailable("the node has failed"));
        }
        let input = Input { now: moment::now(), seed: self.moments.seed(), request };
        let catalog = Arc::clone(self.engine.catalog());
        let before = self.picker.as_ref().and_then(|picker| picker.before(&self.engine, input.seed));
        let telling = Telling::begin(&mut self.engine, &input.request);
        let output = self.engine.step(input);
        if let Some(telling) = telling {
            telling.end(&mut self.engine, &output);
        }
        match (&output.transaction, &output.reply) {
            (Some(transaction), _) => {
                self.frames.push(transaction, &catalog);
                if let (Some(picker), Some(before)) = (&self.picker, before) {
                    picker.hand(before, transaction, &self.node.gauges.verified);
                }
            }
            // A node that cannot run its modules is none: events stay pending, and nobody waits for better times.
            (None, Err(problem)) if problem.code == HOST_FAULT => self.node.lifeline.fail(problem.clone()),
            (None, _) => {}
        }
        output
    }

    fn refused(&self, problem: Problem) -> Output {
        let (rests_on, unlogged) = (self.engine.next_offset(), Unlogged::default());
        Output { transaction: None, unlogged, reply: Err(problem), rests_on, log: Vec::new() }
    }

    fn deliver_events(&mut self) {
        for _ in 0..EVENTS_PER_TURN {
            if self.engine.pending_events().is_empty() || !self.run_unasked(Request::NextEvent) {
                return;
            }
        }
    }

    fn run_schedules(&mut self) {
        let begun = Instant::now();
        for _ in 0..SCHEDULES_PER_TURN {
            if self.until_next_schedule() != Some(Duration::ZERO)
                || !self.run_unasked(Request::NextSchedule)
                || begun.elapsed() >= SCHEDULES_TIME
            {
                return;
            }
        }
    }

    /// Does something that nobody waits for; whether it was done.
    fn run_unasked(&mut self, request: Request) -> bool {
        if self.node.lifeline.has_failed() {
            return false;
        }
        if self.room().is_err() {
            self.blocked = true;
            return false;
        }
        let output = self.step(request);
        self.hand_on(output)
    }

    /// Hands on what nobody waits for, if it is a transaction; whether it is.
    fn hand_on(&mut self, output: Output) -> bool {
        let is_done = output.transaction.is_some();
        if is_done {
            self.round.group(None);
            self.round.push(Done::Unasked(output));
        }
        is_done
    }

    fn try_publishes(&mut self) {
        for (publish, turns) in std::mem::take(&mut self.publishes) {
            if let Err(problem) = self.room() {
                let output = self.refused(problem);
                self.published(output, publish.reply);
                continue;
            }
            let pending = !self.engine.pending_events().is_empty();
            if pending && turns < PUBLISH_TURNS && !self.node.lifeline.has_failed() {
                self.publishes.push((publish, turns + 1));
                continue;
            }
            let Publish { artefact, loaded, caller, options, reply } = publish;
            let output = self.step(Request::Publish { artefact, loaded, caller, options });
            self.published(output, reply);
        }
    }

    fn published(&mut self, output: Output, reply: Reply<crate::ask::Finished>) {
        let snapshot: Option<Box<Snapshot>> = output.transaction.is_some().then(|| Box::new(self.engine.snapshot()));
        self.round.group(None);
        self.round.push(Done::Published { output, snapshot, reply });
    }

    fn hand_reads(&mut self) {
        if self.reads.is_empty() {
            return;
        }
        let snapshot = self.engine.snapshot();
        for (session, read) in std::mem::take(&mut self.reads) {
            self.round.group(session.as_ref());
            self.round.push(Done::Read { read, snapshot: snapshot.clone().into() });
        }
    }

    fn hand_over(&mut self) {
        // First: whoever has an answer finds it in the status too.
        self.node.gauges.set_engine(self.engine.next_offset(), self.engine.pending_events().len());
        let mut round = std::mem::take(&mut self.round);
        round.frames = self.frames.take();
        self.handed += round.frames_size();
        if round.count() == 0 {
            return;
        }
        let weight = round.weight();
        if self.rounds.push(round, weight).is_err() {
            // The committer is gone by a bug; what waits hears `unknown`, for its way back is dropped.
            self.node.inbox.close();
        }
    }
}
