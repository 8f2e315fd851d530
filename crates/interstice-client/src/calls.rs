//! What a connection has asked and not yet heard of, and what waits to be sent.

use crate::client::{Answer, ClientError};
use crate::subscription::Feed;
use interstice_protocol::frame::NO_REQUEST;
use interstice_protocol::limits::MAX_CLIENT_MESSAGE_SIZE;
use interstice_protocol::problems;
use interstice_protocol::receipt::Receipt;
use interstice_protocol::request::Request;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};

/// Shared by the handles of a client and its two tasks.
#[derive(Default)]
pub(crate) struct Calls {
    state: Mutex<State>,
    /// Wakes the task that writes.
    pub(crate) wake: Notify,
}

#[derive(Default)]
struct State {
    next_id: u32,
    waiting: HashMap<u32, Waiter>,
    /// WebSocket messages, each of whole requests and no larger than a node takes.
    outgoing: VecDeque<Vec<u8>>,
    ended: Option<ClientError>,
    /// The receipt of the newest acknowledgement, of this connection or of an earlier one that it was told of.
    receipt: Option<Receipt>,
    /// No handle is left: what waits is sent, and nothing more.
    leaving: bool,
}

/// Who waits for answers under an id.
pub(crate) enum Waiter {
    /// The acknowledgement of a call, which rests on the receipt before it; the permit is a place among the calls in flight.
    Call(AnswerSender, #[expect(dead_code, reason = "held until the answer")] OwnedSemaphorePermit),
    /// The answer to anything else that has one answer.
    Once(AnswerSender, #[expect(dead_code, reason = "held until the answer")] OwnedSemaphorePermit),
    /// Everything up to an error, or the answer to the end that was asked for.
    Feed(Feed),
    /// The same of a query that was subscribed to.
    Answers(mpsc::Sender<Result<Answer, ClientError>>),
}

/// Carries one answer to whoever asked.
pub(crate) type AnswerSender = oneshot::Sender<Result<Answer, ClientError>>;

/// What the task that writes does next.
pub(crate) enum Outgoing {
    Message(Vec<u8>),
    Nothing,
    Leave,
}

impl Calls {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks under a new id, which is returned.
    pub(crate) fn ask(&self, request: &Request<'_>, waiter: impl FnOnce(u32) -> Waiter) -> Result<u32, ClientError> {
        let mut state = self.state();
        if let Some(ended) = &state.ended {
            return Err(ended.clone());
        }
        let id = state.free_id();
        state.push(id, request)?;
        state.waiting.insert(id, waiter(id));
        drop(state);
        self.wake.notify_one();
        Ok(id)
    }

    /// Says something more under an id. Whether somebody still waits under it does not matter: the node answers, and an
    /// answer that nobody waits for is nobody's.
    pub(crate) fn say(&self, id: u32, request: &Request<'_>) {
        let mut state = self.state();
        if state.ended.is_none() {
            // What is said in addition is short.
            let _ = state.push(id, request);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Keeps a receipt if it is the highest one.
    pub(crate) fn keep_receipt(&self, receipt: Receipt) {
        let kept = &mut self.state().receipt;
        if kept.is_none_or(|kept| kept.offset < receipt.offset) {
            *kept = Some(receipt);
        }
    }

    /// The highest receipt.
    pub(crate) fn receipt(&self) -> Option<Receipt> {
        self.state().receipt
    }

    /// Takes whoever waits under `id` out.
    pub(crate) fn take(&self, id: u32) -> Option<Waiter> {
        self.state().waiting.remove(&id)
    }

    /// Has a feed that was taken out wait for more.
    pub(crate) fn put_back(&self, id: u32, waiter: Waiter) {
        self.state().waiting.insert(id, waiter);
    }

    /// What is to be sent next.
    pub(crate) fn outgoing(&self) -> Outgoing {
        let mut state = self.state();
        match state.outgoing.pop_front() {
            Some(message) => Outgoing::Message(message),
            None if state.leaving || state.ended.is_some() => Outgoing::Leave,
            None => Outgoing::Nothing,
        }
    }

    /// No handle is left.
    pub(crate) fn leave(&self) {
        self.state().leaving = true;
        self.wake.notify_one();
    }

    /// Tells everybody who waits, and everybody who asks from now on, that the connection has ended.
    pub(crate) fn end(&self, error: &ClientError) -> Vec<Waiter> {
        let mut state = self.state();
        state.ended.get_or_insert_with(|| error.clone());
        state.outgoing.clear();
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.wake.notify_one();
        waiting.into_values().collect()
    }
}

impl State {
    fn free_id(&mut self) -> u32 {
        loop {
            let id = self.next_id;
            self.next_id = self.next_id.wrapping_add(1);
            if id != NO_REQUEST && !self.waiting.contains_key(&id) {
                return id;
            }
        }
    }

    fn push(&mut self, id: u32, request: &Request<'_>) -> Result<(), ClientError> {
        let last = self.outgoing.back_mut();
        let mut message = Vec::new();
        let joined = last.map_or(&mut message, |last| last);
        let before = joined.len();
        request.encode(id, joined);
        if joined.len() <= MAX_CLIENT_MESSAGE_SIZE {
            if !message.is_empty() {
                self.outgoing.push_back(message);
            }
            return Ok(());
        }
        let alone = joined.split_off(before);
        if alone.len() > MAX_CLIENT_MESSAGE_SIZE {
            return Err(ClientError::Refused(problems::too_large("the request", MAX_CLIENT_MESSAGE_SIZE)));
        }
        self.outgoing.push_back(alone);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(calls: &Calls) -> Vec<usize> {
        std::iter::from_fn(|| match calls.outgoing() {
            Outgoing::Message(message) => Some(message.len()),
            Outgoing::Nothing | Outgoing::Leave => None,
        })
        .collect()
    }

    #[test]
    fn requests_go_together_as_far_as_a_message_goes_and_one_that_is_too_large_does_not_go() {
        let calls = Calls::default();
        let waiter = || {
            let permit = std::sync::Arc::new(tokio::sync::Semaphore::new(1)).try_acquire_owned().unwrap();
            |_| Waiter::Once(oneshot::channel().0, permit)
        };
        let bytes = vec![0; MAX_CLIENT_MESSAGE_SIZE];
        let fitting = Request::Echo(&bytes[..MAX_CLIENT_MESSAGE_SIZE - 9]);
        calls.ask(&Request::Echo(&[1]), waiter()).unwrap();
        calls.ask(&Request::Echo(&[2]), waiter()).unwrap();
        calls.ask(&fitting, waiter()).unwrap();
        calls.ask(&Request::Echo(&[3]), waiter()).unwrap();
        assert!(calls.ask(&Request::Echo(&bytes[..MAX_CLIENT_MESSAGE_SIZE - 8]), waiter()).is_err());
        assert_eq!(sent(&calls), [20, MAX_CLIENT_MESSAGE_SIZE, 10]);
    }
}
