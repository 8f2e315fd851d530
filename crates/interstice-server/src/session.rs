//! One client connection: what waits to be sent to it, and what it may still ask.
//!
//! Initial rows are not in the queue: a subscription leaves its rows here, and the socket takes a part whenever everything
//! before it is sent. Updates of that subscription are held behind its last part.

use crate::ask::Format;
use interstice_protocol::limits::{
    CLOSE_TOO_SLOW, MAX_CALLS_IN_FLIGHT, MAX_OUTBOUND_SIZE, MAX_ROWS_PART_SIZE, MAX_SUBSCRIPTIONS,
};
use interstice_protocol::{problems, reply, text};
use interstice_types::id::Offset;
use interstice_types::json;
use interstice_types::problem::Problem;
use interstice_types::row::RowBytes;
use interstice_types::ty::Field;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A connection, as the node's threads see it.
pub(crate) struct Session {
    pub(crate) id: u64,
    outbound: Mutex<Outbound>,
    woken: Notify,
    cut: Notify,
    in_flight: AtomicUsize,
}

#[derive(Default)]
struct Outbound {
    pieces: Vec<Piece>,
    /// Bytes of the pieces and of what is held.
    size: usize,
    /// Subscriptions that were asked for and have not ended.
    open: BTreeSet<u32>,
    /// Updates that wait for the last part of their subscription's initial rows.
    held: BTreeMap<u32, Vec<Piece>>,
    initial: VecDeque<InitialRows>,
    /// Set once the connection is to be closed.
    close: Option<(u16, &'static str)>,
    /// What the connection is closed with when everything is sent.
    last_word: Option<(u16, &'static str)>,
    /// Set once the socket is gone: nothing is kept any more.
    gone: bool,
}

/// Something to send.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// Binary messages, whole.
    Binary(Vec<u8>),
    /// One JSON message.
    Text(String),
    /// The body of an update, shared by all who get it; the head is made when it is sent.
    Update { id: u32, body: UpdateBody },
}

/// An update, encoded once.
#[derive(Debug, Clone)]
pub(crate) enum UpdateBody {
    Binary(Arc<[u8]>),
    Text(Arc<str>),
}

/// Rows that were there when a subscription began.
pub(crate) struct InitialRows {
    pub(crate) id: u32,
    pub(crate) format: Format,
    pub(crate) offset: Offset,
    pub(crate) fields: Arc<[Field]>,
    pub(crate) rows: Vec<RowBytes>,
    pub(crate) sent: usize,
}

/// What the socket does next.
pub(crate) enum Outgoing {
    Nothing,
    Pieces(Vec<Piece>),
    Close(u16, &'static str),
}

impl Piece {
    fn size(&self) -> usize {
        /// What a queue costs beside the bytes.
        const OVERHEAD: usize = 32;
        OVERHEAD
            + match self {
                Self::Binary(bytes) => bytes.len(),
                Self::Text(text) => text.len(),
                Self::Update { body: UpdateBody::Binary(bytes), .. } => bytes.len(),
                Self::Update { body: UpdateBody::Text(text), .. } => text.len(),
            }
    }
}

impl Session {
    pub(crate) fn new(id: u64) -> Self {
        Self {
            id,
            outbound: Mutex::default(),
            woken: Notify::new(),
            cut: Notify::new(),
            in_flight: AtomicUsize::new(0),
        }
    }

    fn outbound(&self) -> MutexGuard<'_, Outbound> {
        self.outbound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one of the places of calls in flight.
    pub(crate) fn begin_call(&self) -> Result<(), Problem> {
        if self.in_flight.load(Ordering::Relaxed) >= MAX_CALLS_IN_FLIGHT {
            return Err(problems::too_many_calls());
        }
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Takes the place of a subscription; its id is then in use until the subscription ends.
    pub(crate) fn begin_subscription(&self, id: u32) -> Result<(), Problem> {
        let mut outbound = self.outbound();
        if outbound.open.contains(&id) {
            return Err(problems::duplicate_subscription(id));
        }
        if outbound.open.len() >= MAX_SUBSCRIPTIONS {
            return Err(problems::too_many_subscriptions());
        }
        outbound.open.insert(id);
        Ok(())
    }

    /// Gives the place back; what was held for it is forgotten.
    pub(crate) fn end_subscription(&self, id: u32) {
        let mut outbound = self.outbound();
        outbound.open.remove(&id);
        outbound.initial.retain(|initial| initial.id != id);
        let held = outbound.held.remove(&id).unwrap_or_default();
        outbound.size -= held.iter().map(Piece::size).sum::<usize>();
    }

    /// From now on updates of `id` wait for its initial rows.
    pub(crate) fn hold(&self, id: u32) {
        self.outbound().held.insert(id, Vec::new());
    }

    /// The initial rows for which updates were held.
    pub(crate) fn start_initial(&self, rows: InitialRows) {
        let mut outbound = self.outbound();
        if outbound.held.contains_key(&rows.id) && !outbound.gone {
            outbound.initial.push_back(rows);
        }
        drop(outbound);
        self.woken.notify_one();
    }

    /// Hands over what is to be sent, with how many calls it answers: one lock, one wake.
    pub(crate) fn deliver(&self, pieces: impl IntoIterator<Item = Piece>, answered: usize) {
        self.in_flight.fetch_sub(answered, Ordering::Relaxed);
        let mut outbound = self.outbound();
        // Nothing follows the last word: a connection that is always told something would never end.
        if outbound.gone || outbound.close.is_some() || outbound.last_word.is_some() {
            return;
        }
        for piece in pieces {
            outbound.add(piece);
        }
        let too_slow = outbound.size > MAX_OUTBOUND_SIZE;
        if too_slow {
            outbound.drop_all();
            outbound.close = Some((CLOSE_TOO_SLOW, "too slow: connect and subscribe again"));
        }
        drop(outbound);
        if too_slow {
            self.cut.notify_one();
        }
        self.woken.notify_one();
    }

    /// What there is to send: all that waits, or if nothing waits, the next part of initial rows.
    pub(crate) fn take(&self) -> Outgoing {
        let mut outbound = self.outbound();
        if let Some((code, reason)) = outbound.close {
            return Outgoing::Close(code, reason);
        }
        if outbound.pieces.is_empty() {
            return match (outbound.next_part(), outbound.last_word) {
                (Some(piece), _) => Outgoing::Pieces(vec![piece]),
                (None, Some((code, reason))) => Outgoing::Close(code, reason),
                (None, None) => Outgoing::Nothing,
            };
        }
        let pieces = std::mem::take(&mut outbound.pieces);
        outbound.size -= pieces.iter().map(Piece::size).sum::<usize>();
        Outgoing::Pieces(pieces)
    }

    /// Has the connection closed once everything before is sent.
    pub(crate) fn close_after_pieces(&self, code: u16, reason: &'static str) {
        self.outbound().last_word = Some((code, reason));
        self.woken.notify_one();
    }

    /// The socket is gone: nothing more is kept for it.
    pub(crate) fn leave(&self) {
        let mut outbound = self.outbound();
        outbound.gone = true;
        outbound.drop_all();
    }

    /// Waits until there may be something to send.
    pub(crate) async fn woken(&self) {
        self.woken.notified().await;
    }

    /// Waits until the connection is to be closed, whatever is still being sent.
    pub(crate) async fn cut(&self) {
        self.cut.notified().await;
    }
}

impl Outbound {
    fn add(&mut self, piece: Piece) {
        self.size += piece.size();
        if let Piece::Update { id, .. } = &piece
            && let Some(held) = self.held.get_mut(id)
        {
            held.push(piece);
            return;
        }
        self.pieces.push(piece);
    }

    fn drop_all(&mut self) {
        let (close, gone) = (self.close, self.gone);
        *self = Self { close, gone, ..Self::default() };
    }

    /// The next part of the first initial rows. Behind the last one follows what was held.
    fn next_part(&mut self) -> Option<Piece> {
        let initial = self.initial.front_mut()?;
        let (piece, last) = initial.next_part();
        if last {
            let id = initial.id;
            self.initial.pop_front();
            self.pieces.extend(self.held.remove(&id).unwrap_or_default());
        }
        Some(piece)
    }
}

impl InitialRows {
    /// As many rows as a part may have, at least one if one is left; and whether they are the last ones.
    fn next_part(&mut self) -> (Piece, bool) {
        let mut size = 0;
        let fitting = self.rows[self.sent..].iter().take_while(|row| {
            let first = size == 0;
            size += row.len();
            first || size <= MAX_ROWS_PART_SIZE
        });
        let end = self.sent + fitting.count();
        let rows = &self.rows[self.sent..end];
        let last = end == self.rows.len();
        let piece = match self.format {
            Format::Binary => {
                let mut out = Vec::with_capacity(rows.iter().map(|row| row.len() + 4).sum::<usize>() + 32);
                reply::rows(self.id, (self.offset, last), rows, &mut out);
                Piece::Binary(out)
            }
            Format::Text => {
                let rows: Vec<_> = rows.iter().map(|row| row_to_json(&self.fields, row)).collect();
                Piece::Text(text::update(self.id, &text::initial_body(self.offset, &rows, !last)))
            }
        };
        self.sent = end;
        (piece, last)
    }
}

/// A row that the node itself encoded, as an object by column.
pub(crate) fn row_to_json(fields: &[Field], row: &[u8]) -> serde_json::Value {
    json::record_to_json(fields, row).expect("invariant: stored rows are canonical")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(id: u32, sizes: &[usize]) -> InitialRows {
        let rows = sizes.iter().map(|size| vec![0; *size].into()).collect();
        InitialRows { id, format: Format::Binary, offset: 7, fields: Vec::new().into(), rows, sent: 0 }
    }

    fn update(id: u32, size: usize) -> Piece {
        Piece::Update { id, body: UpdateBody::Binary(vec![0; size].into()) }
    }

    fn taken(session: &Session) -> Vec<String> {
        match session.take() {
            Outgoing::Nothing => Vec::new(),
            Outgoing::Close(code, _) => vec![format!("close {code}")],
            Outgoing::Pieces(pieces) => pieces.iter().map(name).collect(),
        }
    }

    fn name(piece: &Piece) -> String {
        match piece {
            Piece::Binary(bytes) => format!("binary {}", bytes.len()),
            Piece::Text(text) => text.clone(),
            Piece::Update { id, .. } => format!("update {id}"),
        }
    }

    #[test]
    fn updates_wait_behind_the_last_part_of_initial_rows_of_their_own_subscription() {
        let session = Session::new(1);
        session.hold(1);
        session.deliver([update(1, 1), update(2, 1)], 0);
        assert_eq!(taken(&session), ["update 2"]);
        session.start_initial(rows(1, &[MAX_ROWS_PART_SIZE, 1]));
        session.deliver([update(1, 1)], 0);
        assert_eq!(taken(&session), [format!("binary {}", MAX_ROWS_PART_SIZE + 26)]);
        assert_eq!(taken(&session), ["binary 27"]);
        assert_eq!(taken(&session), ["update 1", "update 1"]);
        assert!(taken(&session).is_empty());
        session.deliver([update(1, 1)], 0);
        assert_eq!(taken(&session), ["update 1"]);
    }

    #[test]
    fn a_queue_of_the_limit_stands_and_one_byte_more_closes_the_connection() {
        for (more, expected) in [(0, "update 1"), (1, "close 4001")] {
            let session = Session::new(1);
            session.deliver([update(1, MAX_OUTBOUND_SIZE - 32 + more)], 0);
            assert_eq!(taken(&session), [expected]);
        }
    }

    #[test]
    fn calls_in_flight_and_subscriptions_have_their_limits() {
        let session = Session::new(1);
        (0..MAX_CALLS_IN_FLIGHT).for_each(|_| session.begin_call().unwrap());
        assert_eq!(session.begin_call().unwrap_err().code, "too-many-calls");
        session.deliver([], 1);
        session.begin_call().unwrap();
        (0..MAX_SUBSCRIPTIONS as u32).for_each(|id| session.begin_subscription(id).unwrap());
        assert_eq!(session.begin_subscription(u32::MAX).unwrap_err().code, "too-many-subscriptions");
        assert_eq!(session.begin_subscription(0).unwrap_err().code, "duplicate-id");
        session.end_subscription(0);
        session.begin_subscription(0).unwrap();
    }
}
