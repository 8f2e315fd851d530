//! Subscriptions as streams of updates.

use crate::calls::{Calls, Waiter};
use crate::client::{Answer, ClientError, Handle};
use futures_util::Stream;
use interstice_protocol::reply::{Reply, Rows};
use interstice_protocol::request::{Invocation, Request};
use interstice_types::id::Offset;
use interstice_types::ty::Field;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};

/// Updates that wait for a stream that is not read. When there are more, the whole connection waits for it.
pub(crate) const MAX_WAITING_UPDATES: usize = 4096;

/// What a transaction did to the rows of a subscription: first take `deletes` away, then add `inserts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The transaction; of initial rows, the newest one that they include; of a change that is in no log, the newest one that is.
    pub offset: Offset,
    /// How many changes since then are in no log, this one included; 0 if this one is.
    pub unlogged: u32,
    /// Whether these are the rows that were there when the subscription began.
    pub initial: bool,
    /// Encoded rows that are there now.
    pub inserts: Vec<Vec<u8>>,
    /// Encoded rows that are there no more.
    pub deletes: Vec<Vec<u8>>,
}

/// A standing query: a stream of updates in the order of the transactions. Dropping it ends it.
pub struct Subscription {
    id: u32,
    columns: Vec<Field>,
    updates: mpsc::Receiver<Result<Update, ClientError>>,
    handle: Arc<Handle>,
}

/// A query to which somebody subscribed: a stream of its answers, each another one than the one before. Dropping it ends it.
pub struct Answers {
    id: u32,
    received: mpsc::Receiver<Result<Answer, ClientError>>,
    handle: Arc<Handle>,
}

impl Answers {
    /// Begins one.
    pub(crate) fn begin(handle: Arc<Handle>, query: &Invocation<'_>) -> Result<Self, ClientError> {
        let (sender, received) = mpsc::channel(MAX_WAITING_UPDATES);
        let id = handle.calls().ask(&Request::SubscribeQuery(*query), |_| Waiter::Answers(sender))?;
        Ok(Self { id, received, handle })
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.handle.calls().say(self.id, &Request::Unsubscribe);
    }
}

impl Stream for Answers {
    type Item = Result<Answer, ClientError>;

    /// Ends after an error. Cancel safe: an answer is taken or is still there.
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.received.poll_recv(context)
    }
}

/// Where the answers of a subscription go.
pub(crate) struct Feed {
    /// Told the columns, or why there are none; taken by then.
    pub(crate) begun: Option<oneshot::Sender<Result<Vec<Field>, ClientError>>>,
    pub(crate) updates: mpsc::Sender<Result<Update, ClientError>>,
    /// Initial rows, until the last part is there.
    initial: Vec<Vec<u8>>,
}

impl Subscription {
    /// Names and types of the columns of the rows.
    pub fn columns(&self) -> &[Field] {
        &self.columns
    }

    /// Begins one.
    pub(crate) async fn begin(handle: Arc<Handle>, sql: &str, initial: bool) -> Result<Self, ClientError> {
        let (begun, columns) = oneshot::channel();
        let (sender, updates) = mpsc::channel(MAX_WAITING_UPDATES);
        let feed = Feed { begun: Some(begun), updates: sender, initial: Vec::new() };
        let id = handle.calls().ask(&Request::Subscribe { sql, initial }, |_| Waiter::Feed(feed))?;
        // Made before the answer is waited for: whoever gives up meanwhile ends the subscription by dropping it.
        let mut subscription = Self { id, columns: Vec::new(), updates, handle };
        subscription.columns = columns.await.unwrap_or_else(|_| Err(ClientError::gone()))?;
        Ok(subscription)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.handle.calls().say(self.id, &Request::Unsubscribe);
    }
}

impl Stream for Subscription {
    type Item = Result<Update, ClientError>;

    /// Ends after an error. Cancel safe: an update is taken or is still there.
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.updates.poll_recv(context)
    }
}

impl Feed {
    /// Takes one message in. Returns whether more can follow.
    pub(crate) async fn take(&mut self, reply: Reply<'_>) -> bool {
        match reply {
            Reply::Columns(columns) => {
                if let Some(begun) = self.begun.take() {
                    // Whoever asked may have gone: then the unsubscribe is on its way.
                    let _ = begun.send(Ok(columns));
                }
            }
            Reply::Rows { offset, last, rows } => {
                self.initial.extend(copied(rows));
                if last {
                    let inserts = std::mem::take(&mut self.initial);
                    self.give(Update { offset, unlogged: 0, initial: true, inserts, deletes: Vec::new() }).await;
                }
            }
            Reply::Update { offset, unlogged, inserts, deletes } => {
                let (inserts, deletes) = (copied(inserts), copied(deletes));
                self.give(Update { offset, unlogged, initial: false, inserts, deletes }).await;
            }
            Reply::Error(problem) => {
                self.end(ClientError::Refused(problem)).await;
                return false;
            }
            // The answer to an unsubscribe: nothing follows.
            Reply::Ok { .. } | Reply::Value { .. } | Reply::Echo(_) | Reply::Receipt(_) => return false,
        }
        true
    }

    async fn give(&self, update: Update) {
        // The stream may have been dropped.
        let _ = self.updates.send(Ok(update)).await;
    }

    /// Says why nothing follows.
    pub(crate) async fn end(&mut self, error: ClientError) {
        match self.begun.take() {
            Some(begun) => drop(begun.send(Err(error))),
            None => drop(self.updates.send(Err(error)).await),
        }
    }
}

fn copied(rows: Rows<'_>) -> Vec<Vec<u8>> {
    rows.iter().map(<[u8]>::to_vec).collect()
}

impl Handle {
    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
    }
}
