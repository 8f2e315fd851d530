//! Answers of one synced batch, put together per session: one lock and one wake for each session, however many answers.

use crate::ask::{Finished, Returns, Seat};
use crate::session::{Piece, Session, UpdateBody};
use interstice_protocol::receipt::Receipt;
use interstice_protocol::{reply, text};
use interstice_types::id::Offset;
use interstice_types::json;
use interstice_types::problem::Problem;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// What waits to be handed to sessions.
#[derive(Default)]
pub(crate) struct Outbox {
    parcels: HashMap<u64, Parcel, BuildHasherDefault<SessionHasher>>,
}

struct Parcel {
    session: Arc<Session>,
    pieces: Vec<Piece>,
    /// Binary messages that are not yet a piece.
    tail: Vec<u8>,
    /// The receipt on which binary acknowledgements rest that are added now: the newest one among the messages.
    receipt: Option<Receipt>,
    answered: usize,
}

/// Session ids count up: they are spread well enough as they are.
#[derive(Default)]
struct SessionHasher(u64);

impl Hasher for SessionHasher {
    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("invariant: only session ids are hashed")
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id;
    }
}

impl Outbox {
    fn parcel(&mut self, session: &Arc<Session>) -> &mut Parcel {
        self.parcels.entry(session.id).or_insert_with(|| Parcel {
            session: Arc::clone(session),
            pieces: Vec::new(),
            tail: Vec::new(),
            receipt: None,
            answered: 0,
        })
    }

    /// Answers a call or a query.
    pub(crate) fn answer(&mut self, session: Option<&Arc<Session>>, seat: Seat, result: Result<Finished, Problem>) {
        match (seat, session) {
            (Seat::Once(reply), _) => {
                // Whoever asked may have gone; what was done stands.
                let _ = reply.send(result);
            }
            (Seat::Binary(id), Some(session)) => {
                let parcel = self.parcel(session);
                parcel.answered += 1;
                match result {
                    // Acknowledgements of calls go the fast way.
                    Ok(finished) => reply::ok(id, finished.offset, &finished.value, &mut parcel.tail),
                    Err(problem) => reply::error(id, &problem, &mut parcel.tail),
                }
            }
            (Seat::Text(id, returns), Some(session)) => {
                let parcel = self.parcel(session);
                parcel.answered += 1;
                parcel.push(Piece::Text(match result {
                    Ok(Finished { offset, value, receipt, .. }) => {
                        let value = answer_to_json(&returns, &value);
                        match receipt {
                            Some(receipt) => text::acknowledged(id, offset, &value, &receipt),
                            None => text::ok(id, offset, &value),
                        }
                    }
                    Err(problem) => text::error(id, &problem),
                }));
            }
            // A query of a subscription is answered by whoever asked it; here only what was lost with the node arrives.
            (Seat::Standing(_), _) => {}
            (Seat::Binary(_) | Seat::Text(..), None) => unreachable!("invariant: an answer by id has its session"),
        }
    }

    /// Answers a call of a session that committed; the fast path of [`answer`](Self::answer).
    pub(crate) fn ok(&mut self, session: &Arc<Session>, id: u32, (offset, value): (Offset, &[u8]), receipt: &Receipt) {
        let parcel = self.parcel(session);
        parcel.answered += 1;
        if parcel.receipt != Some(*receipt) {
            parcel.receipt = Some(*receipt);
            reply::receipt(receipt, &mut parcel.tail);
        }
        reply::ok(id, offset, value, &mut parcel.tail);
    }

    /// Adds an update.
    pub(crate) fn update(&mut self, session: &Arc<Session>, id: u32, body: UpdateBody) {
        self.parcel(session).push(Piece::Update { id, body });
    }

    /// Adds something that answers no call.
    pub(crate) fn push(&mut self, session: &Arc<Session>, piece: Piece) {
        self.parcel(session).push(piece);
    }

    /// Hands everything over.
    pub(crate) fn flush(&mut self) {
        for (_, mut parcel) in self.parcels.drain() {
            parcel.close_tail();
            parcel.session.deliver(parcel.pieces, parcel.answered);
        }
    }
}

impl Parcel {
    fn push(&mut self, piece: Piece) {
        self.close_tail();
        self.pieces.push(piece);
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(Piece::Binary(std::mem::take(&mut self.tail)));
        }
    }
}

/// A function's answer. The engine has checked its bytes against the type, or they are shown as what they are.
pub(crate) fn answer_to_json(returns: &Returns, bytes: &[u8]) -> serde_json::Value {
    json::value_to_json(returns.ty(), bytes).unwrap_or_default()
}
