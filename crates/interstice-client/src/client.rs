//! A connection that many tasks share: each call is a future, each subscription a stream.
//!
//! Each acknowledgement of a call carries its [`Receipt`]; [`Client::receipt`] is the highest one. Whoever connects again
//! presents it ([`Options::receipt`]), so that a node which has lost what it acknowledged is found out.
//!
//! Requests that are made while a message is being sent go together in the next one. Two tasks serve a connection, so that a
//! node that waits for its answers to be read cannot stop what is being sent.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use futures_util::StreamExt;
//! use interstice_client::client::Client;
//! use interstice_protocol::request::Invocation;
//!
//! let client = Client::connect("http://127.0.0.1:7070", None).await?;
//! let mut messages = client.subscribe("select * from chat.message", true).await?;
//! // Arguments are canonical bytes, one after the other: here the strings "general" and "hi".
//! let args = b"\x07\0\0\0general\x02\0\0\0hi";
//! let answer = client.call(&Invocation::new("chat", "send", args)).await?;
//! let initial = messages.next().await;
//! # Ok(())
//! # }
//! ```

use crate::calls::{AnswerSender, Calls, Outgoing, Waiter};
use crate::socket::{self, Socket, SocketError, receive};
use crate::subscription::{Answers, Subscription};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use interstice_protocol::limits::MAX_CALLS_IN_FLIGHT;
use interstice_protocol::receipt::Receipt;
use interstice_protocol::reply::Reply;
use interstice_protocol::request::{Invocation, Request};
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_tungstenite::tungstenite::{self, Message};

/// A connection to a node. Clones share it; it ends when the last one and all subscriptions are dropped.
#[derive(Clone)]
pub struct Client {
    handle: Arc<Handle>,
}

/// Ends the connection when nobody holds it any more.
pub(crate) struct Handle {
    pub(crate) calls: Arc<Calls>,
    /// As many permits as calls may be in flight.
    places: Arc<Semaphore>,
}

/// What came of a call or a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The transaction; of a query, the newest one that it saw.
    pub offset: Offset,
    /// Canonical bytes of the function's answer.
    pub value: Vec<u8>,
    /// Of a call: proves which history its transaction stands in.
    pub receipt: Option<Receipt>,
}

/// How to connect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'o> {
    /// The local development identity; the owner if there is none.
    pub act_as: Option<&'o str>,
    /// The highest receipt of an earlier connection: the node must have its history.
    pub receipt: Option<Receipt>,
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// The node said no.
    #[error("{0}")]
    Refused(Problem),
    /// The connection ended before the answer: a call that was under way may or may not have happened.
    #[error("{0}")]
    Ended(Arc<SocketError>),
}

impl ClientError {
    pub(crate) fn gone() -> Self {
        Self::Ended(Arc::new(SocketError::Closed { code: 0, reason: String::new() }))
    }
}

impl From<SocketError> for ClientError {
    fn from(error: SocketError) -> Self {
        Self::Ended(Arc::new(error))
    }
}

impl Client {
    /// Connects to the node at `url`, as in `http://127.0.0.1:7070`, under the local development identity `act_as`.
    /// Must be called inside of a tokio runtime: two tasks of it serve the connection.
    ///
    /// # Errors
    /// [`SocketError::Failed`].
    pub async fn connect(url: &str, act_as: Option<&str>) -> Result<Self, SocketError> {
        let stream = Socket::connect(url, act_as).await?.into_stream();
        let (sink, stream) = stream.split();
        let calls = Arc::new(Calls::default());
        tokio::spawn(write(sink, Arc::clone(&calls)));
        tokio::spawn(read(stream, Arc::clone(&calls)));
        let places = Arc::new(Semaphore::new(MAX_CALLS_IN_FLIGHT));
        Ok(Self { handle: Arc::new(Handle { calls, places }) })
    }

    /// Connects as [`connect`](Self::connect) does, and presents a receipt, if there is one, before anything else is asked.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `history-diverged` if the node has not the history in which the receipt was given.
    pub async fn connect_with(url: &str, options: Options<'_>) -> Result<Self, ClientError> {
        let client = Self::connect(url, options.act_as).await?;
        if let Some(receipt) = options.receipt {
            client.ask(&Request::Receipt(receipt), Waiter::Once).await?;
            client.handle.calls.keep_receipt(receipt);
        }
        Ok(client)
    }

    /// The highest receipt: of the acknowledgements so far, and what was presented on connecting.
    pub fn receipt(&self) -> Option<Receipt> {
        self.handle.calls.receipt()
    }

    /// Calls a reducer. The answer is there when what it did is durable.
    ///
    /// # Errors
    /// [`ClientError`].
    ///
    /// # Cancel safety
    /// A call that was begun goes on when its future is dropped; only its answer is lost.
    pub async fn call(&self, call: &Invocation<'_>) -> Result<Answer, ClientError> {
        self.ask(&Request::Call(*call), Waiter::Call).await
    }

    /// Asks a query.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn query(&self, query: &Invocation<'_>) -> Result<Answer, ClientError> {
        self.ask(&Request::Query(*query), Waiter::Once).await
    }

    /// Subscribes to the rows of a `SELECT` and every change of them; `initial` asks for the rows that are there, as the
    /// first update.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn subscribe(&self, sql: &str, initial: bool) -> Result<Subscription, ClientError> {
        Subscription::begin(Arc::clone(&self.handle), sql, initial).await
    }

    /// Subscribes to a query: its answer, and each answer that is another one, whenever what it reads has changed. A query that fails ends
    /// the stream with its problem.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn subscribe_query(&self, query: &Invocation<'_>) -> Result<Answers, ClientError> {
        Answers::begin(Arc::clone(&self.handle), query)
    }

    async fn ask(
        &self,
        request: &Request<'_>,
        waiter: impl FnOnce(AnswerSender, OwnedSemaphorePermit) -> Waiter,
    ) -> Result<Answer, ClientError> {
        let places = Arc::clone(&self.handle.places);
        let place = places.acquire_owned().await.map_err(|_| ClientError::gone())?;
        let (sender, answer) = oneshot::channel();
        self.handle.calls.ask(request, |_| waiter(sender, place))?;
        answer.await.unwrap_or_else(|_| Err(ClientError::gone()))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.calls.leave();
    }
}

/// Sends what waits, and closes the connection when nobody holds it any more.
async fn write(mut sink: impl Sink<Message, Error = tungstenite::Error> + Unpin, calls: Arc<Calls>) {
    loop {
        match calls.outgoing() {
            Outgoing::Message(message) => {
                if let Err(error) = sink.send(Message::Binary(message.into())).await {
                    return end(&calls, SocketError::from(error).into()).await;
                }
            }
            Outgoing::Nothing => calls.wake.notified().await,
            Outgoing::Leave => {
                // The node may be gone already; either way the reading task ends by it.
                let _ = sink.close().await;
                return;
            }
        }
    }
}

/// Gives out what comes, until the connection ends.
async fn read(mut stream: impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin, calls: Arc<Calls>) {
    let mut receipt = None;
    loop {
        let given = match receive(&mut stream).await {
            Ok(answers) => give_out(&answers, &calls, &mut receipt).await,
            Err(error) => Err(error),
        };
        if let Err(error) = given {
            return end(&calls, error.into()).await;
        }
    }
}

/// `receipt` is the one on which acknowledgements rest that come next.
async fn give_out(answers: &socket::Answers, calls: &Calls, receipt: &mut Option<Receipt>) -> Result<(), SocketError> {
    for answer in answers.iter() {
        let (id, reply) = answer?;
        if let Reply::Receipt(next) = reply {
            *receipt = Some(next);
            calls.keep_receipt(next);
            continue;
        }
        match (calls.take(id), reply) {
            // Whoever asked may have given up.
            (Some(Waiter::Call(sender, _)), Reply::Ok { offset, value }) => {
                let _ = sender.send(Ok(Answer { offset, value: value.to_vec(), receipt: *receipt }));
            }
            (Some(Waiter::Once(sender, _)), Reply::Ok { offset, value }) => {
                let _ = sender.send(Ok(Answer { offset, value: value.to_vec(), receipt: None }));
            }
            (Some(Waiter::Call(sender, _) | Waiter::Once(sender, _)), Reply::Error(problem)) => {
                let _ = sender.send(Err(ClientError::Refused(problem)));
            }
            (Some(Waiter::Feed(mut feed)), reply) => {
                // Without a lock: a stream that is not read holds up this task, and nobody who asks.
                if feed.take(reply).await {
                    calls.put_back(id, Waiter::Feed(feed));
                }
            }
            (Some(Waiter::Answers(sender)), reply) => {
                let (answer, goes_on) = match reply {
                    Reply::Value { offset, value } => {
                        (Ok(Answer { offset, value: value.to_vec(), receipt: None }), true)
                    }
                    Reply::Error(problem) => (Err(ClientError::Refused(problem)), false),
                    // The answer to an unsubscribe: nothing follows.
                    _ => continue,
                };
                // Without a lock, as above; the stream may have been dropped.
                let _ = sender.send(answer).await;
                if goes_on {
                    calls.put_back(id, Waiter::Answers(sender));
                }
            }
            // An answer that nobody waits for, or of a kind that was not asked for, is nobody's.
            (Some(Waiter::Call(..) | Waiter::Once(..)) | None, _) => {}
        }
    }
    Ok(())
}

async fn end(calls: &Calls, error: ClientError) {
    for waiter in calls.end(&error) {
        match waiter {
            Waiter::Call(sender, _) | Waiter::Once(sender, _) => drop(sender.send(Err(error.clone()))),
            Waiter::Feed(mut feed) => feed.end(error.clone()).await,
            Waiter::Answers(sender) => drop(sender.send(Err(error.clone())).await),
        }
    }
}
