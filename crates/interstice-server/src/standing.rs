//! Standing queries: a function that is asked again whenever something that it may read has changed.
//!
//! 1. A subscription is asked at once, on the snapshot in which it begins.
//! 2. A durable transaction that changes a table which the function may read makes the answer stale.
//! 3. Behind each batch the committer has what is stale asked again, on the way of any other query; what becomes stale meanwhile is asked
//!    once more behind that. So a query runs at most once for a batch, and at most once at a time.
//! 4. The reader sends an answer only if it is another one. A query that fails ends its subscription.

use crate::ask::{Ask, Batch, Finished, Format, Invocation, Returns, Seat};
use crate::commit_thread::refusal;
use crate::node::Node;
use crate::outbox::{Outbox, answer_to_json};
use crate::session::{Piece, Session};
use crate::signatures::Signatures;
use interstice_engine::engine::Output;
use interstice_engine::read::Snapshot;
use interstice_protocol::{reply, text};
use interstice_types::change::Change;
use interstice_types::id::{Offset, TableId};
use interstice_types::problem::Problem;
use interstice_types::schema::FunctionKind;
use interstice_types::schema::signature::{self, Signature};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A query to which somebody has subscribed.
pub(crate) struct StandingQuery {
    session: Arc<Session>,
    id: u32,
    query: Invocation,
    /// The type of the answer, where that is sent as JSON.
    returns: Option<Returns>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether something that it may read has changed since it was last asked.
    stale: bool,
    /// Whether it was asked, and has not been answered.
    asked: bool,
    ended: bool,
    /// Stands for the answer that was sent last.
    sent: Option<blake3::Hash>,
}

impl StandingQuery {
    pub(crate) fn new(session: Arc<Session>, id: u32, query: Invocation, returns: Option<Returns>) -> Arc<Self> {
        Arc::new(Self { session, id, query, returns, state: Mutex::default() })
    }

    /// Bytes of its arguments.
    pub(crate) fn size(&self) -> usize {
        self.query.args.len()
    }

    /// Its place among the subscriptions of its session.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn format(&self) -> Format {
        if self.returns.is_some() { Format::Text } else { Format::Binary }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make_stale(&self) {
        self.state().stale = true;
    }

    /// The question, if it is to be asked now.
    pub(crate) fn begin(self: &Arc<Self>) -> Option<(Invocation, Seat)> {
        let mut state = self.state();
        if !state.stale || state.asked || state.ended {
            return None;
        }
        (state.stale, state.asked) = (false, true);
        Some((self.query.clone(), Seat::Standing(Arc::clone(self))))
    }

    /// Has it asked, if it is to be. A node that is too busy to be asked is asked behind its next batch.
    fn ask(self: &Arc<Self>, node: &Node) {
        let Some((query, seat)) = self.begin() else { return };
        let batch = Batch { session: Some(Arc::clone(&self.session)), asks: vec![Ask::Query(query, seat)] };
        if node.submit(batch).is_err() {
            let mut state = self.state();
            (state.stale, state.asked) = (true, false);
        }
    }

    /// Takes the answer.
    pub(crate) fn answer(self: &Arc<Self>, result: Result<Finished, Problem>, node: &Node) {
        let mut state = self.state();
        state.asked = false;
        if state.ended {
            return;
        }
        match result {
            Ok(finished) => {
                let hash = blake3::hash(&finished.value);
                if state.sent.replace(hash) != Some(hash) {
                    // Under the lock: nothing of it follows behind its end.
                    self.session.deliver([self.piece(finished.offset, &finished.value)], 0);
                }
                drop(state);
                self.ask(node);
            }
            // Its place among the subscriptions is the committer's: it is taken away there, and answered there.
            Err(problem) => {
                drop(state);
                let asks = vec![Ask::EndSubscription { id: self.id, format: self.format(), problem }];
                // A node that takes nothing more ends the connection too.
                let _ = node.submit(Batch { session: Some(Arc::clone(&self.session)), asks });
            }
        }
    }

    fn piece(&self, offset: Offset, value: &[u8]) -> Piece {
        if let Some(returns) = &self.returns {
            return Piece::Text(text::value(self.id, offset, &answer_to_json(returns, value)));
        }
        let mut out = Vec::new();
        reply::value(self.id, offset, value, &mut out);
        Piece::Binary(out)
    }

    fn end(&self) {
        self.state().ended = true;
    }
}

/// All standing queries of a node.
#[derive(Default)]
pub(crate) struct StandingQueries {
    entries: Vec<Entry>,
    signatures: Signatures,
}

struct Entry {
    query: Arc<StandingQuery>,
    /// What the function may read.
    tables: BTreeSet<TableId>,
    /// The shape that it had when it was subscribed to.
    signature: Signature,
}

impl StandingQueries {
    /// Adds one as of `snapshot`; every later transaction that changes what it may read makes it stale. It is stale already.
    ///
    /// # Errors
    /// Why there is no such query.
    pub(crate) fn add(&mut self, query: &Arc<StandingQuery>, snapshot: &Snapshot) -> Result<(), Problem> {
        self.signatures.check(&snapshot.catalog, &query.query)?;
        let (tables, signature) = facts(&query.query, snapshot)?;
        query.make_stale();
        self.entries.push(Entry { query: Arc::clone(query), tables, signature });
        Ok(())
    }

    /// Takes one subscription of a session away, or all of them.
    pub(crate) fn remove(&mut self, session: u64, id: Option<u32>) {
        self.entries.retain(|entry| {
            let goes = entry.query.session.id == session && id.is_none_or(|id| entry.query.id == id);
            if goes {
                entry.query.end();
            }
            !goes
        });
    }

    /// Makes stale what may read what was changed.
    pub(crate) fn note(&self, output: &Output) {
        if self.entries.is_empty() {
            return;
        }
        let logged = output.transaction.iter().flat_map(|transaction| &transaction.changes);
        let touched: BTreeSet<_> = logged.chain(&output.unlogged.changes).map(Change::table).collect();
        let stale = self.entries.iter().filter(|entry| !entry.tables.is_disjoint(&touched));
        stale.for_each(|entry| entry.query.make_stale());
    }

    /// Has everything asked that is stale.
    pub(crate) fn ask(&self, node: &Node) {
        self.entries.iter().for_each(|entry| entry.query.ask(node));
    }

    /// Goes over to the functions in force after a publish; closes those that are not there any more, or have another shape.
    pub(crate) fn republish(&mut self, snapshot: &Snapshot, outbox: &mut Outbox) {
        self.entries.retain_mut(|entry| {
            let query = &entry.query;
            let reason = match facts(&query.query, snapshot) {
                Ok((tables, signature)) if signature == entry.signature => {
                    entry.tables = tables;
                    query.make_stale();
                    return true;
                }
                Ok(_) => "the query takes or gives something else now".to_owned(),
                Err(problem) => problem.message.clone(),
            };
            query.end();
            query.session.end_subscription(query.id);
            let problem = Problem::new("subscription-closed", format!("a publish ended this subscription: {reason}"))
                .hint("subscribe again with what there is now");
            outbox.push(&query.session, refusal(query.id, query.format(), &problem));
            false
        });
    }
}

/// What a query may read, and its shape.
fn facts(query: &Invocation, snapshot: &Snapshot) -> Result<(BTreeSet<TableId>, Signature), Problem> {
    let catalog = &snapshot.catalog;
    let found = catalog.find(&FunctionKind::Query, &query.module, &query.function)?;
    let tables = catalog.visible_tables(found.position, found.number).iter().copied().collect();
    Ok((tables, signature::of_function(&found.function().schema)))
}
