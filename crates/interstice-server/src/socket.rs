//! A WebSocket: reads all that is there before it hands one batch over, writes all that waits with one flush.

use crate::intake::Intake;
use crate::node::Node;
use crate::session::{Outgoing, Piece, Session, UpdateBody};
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{FutureExt, SinkExt, StreamExt};
use interstice_protocol::frame;
use interstice_protocol::limits::{CLOSE_GOING_AWAY, MAX_CLIENT_MESSAGE_SIZE};
use interstice_protocol::problems;
use interstice_protocol::reply::tag;
use interstice_types::id::Identity;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Bytes read from one socket before what is read is handed over.
const MAX_READ_AHEAD: usize = MAX_CLIENT_MESSAGE_SIZE;
/// Bytes that one WebSocket message of the node has at most, unless one protocol message alone has more.
const MESSAGE_SIZE: usize = 256 << 10;
/// How long a socket that is being closed may take for what is left.
const CLOSING_TIME: Duration = Duration::from_secs(1);
/// WebSocket close code: a message is larger than allowed.
const CLOSE_TOO_LARGE: u16 = 1009;

/// Bytes of a message that are taken in at all. Between this and what is allowed a message is read and then refused, so that
/// the refusal arrives: a connection that is closed with bytes unread is reset, and what was said on it is lost.
pub(crate) const MAX_RECEIVED_SIZE: usize = 2 * MAX_CLIENT_MESSAGE_SIZE;

/// The connection ends.
struct Ended;

/// Serves one connection to its end.
pub(crate) async fn serve(mut socket: WebSocket, node: Arc<Node>, caller: Identity) {
    let mut closing = node.closing.subscribe();
    let session = Arc::new(Session::new(node.next_session_id()));
    let mut intake = Intake::new(Arc::clone(&node), Arc::clone(&session), caller);
    intake.arrive();
    node.gauges.sessions.fetch_add(1, Ordering::Relaxed);
    loop {
        let going_on = tokio::select! {
            message = socket.next() => read(message, &mut socket, &mut intake),
            () = session.woken() => Ok(()),
            _ = closing.wait_for(|closing| *closing) => Err(Ended),
        };
        if going_on.is_err() || write(&mut socket, &session).await.is_err() {
            break;
        }
    }
    // What is left goes out if it can; whoever does not read it in time has lost it.
    let _ = tokio::time::timeout(CLOSING_TIME, finish(&mut socket, &session)).await;
    session.leave();
    intake.leave();
    node.gauges.sessions.fetch_sub(1, Ordering::Relaxed);
}

/// Takes in this message and all others that are there, and hands them over.
fn read(first: Option<Result<Message, axum::Error>>, socket: &mut WebSocket, intake: &mut Intake) -> Result<(), Ended> {
    let mut next = Some(first);
    let mut size = 0;
    let mut result = Ok(());
    while let Some(message) = next {
        match message {
            Some(Ok(message)) if size_of_message(&message) > MAX_CLIENT_MESSAGE_SIZE => {
                intake.refuse(&problems::too_large("the message", MAX_CLIENT_MESSAGE_SIZE), CLOSE_TOO_LARGE);
                result = Err(Ended);
                break;
            }
            Some(Ok(Message::Binary(bytes))) => {
                size += bytes.len();
                intake.binary(&bytes);
            }
            Some(Ok(Message::Text(text))) => {
                size += text.len();
                intake.text(&text);
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Err(error)) if is_too_large(&error) => {
                intake.refuse(&problems::too_large("the message", MAX_CLIENT_MESSAGE_SIZE), CLOSE_TOO_LARGE);
                result = Err(Ended);
                break;
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => {
                result = Err(Ended);
                break;
            }
        }
        next = if size < MAX_READ_AHEAD { socket.next().now_or_never() } else { None };
    }
    intake.hand_over();
    result
}

fn size_of_message(message: &Message) -> usize {
    match message {
        Message::Binary(bytes) => bytes.len(),
        Message::Text(text) => text.len(),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => 0,
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    // The library that reads the socket is axum's own affair: its error is known by its words.
    std::error::Error::source(error).is_some_and(|source| source.to_string().contains("too long"))
}

/// Sends all that waits, with a flush for what was there at once.
async fn write(socket: &mut WebSocket, session: &Session) -> Result<(), Ended> {
    loop {
        match session.take() {
            Outgoing::Nothing => return Ok(()),
            Outgoing::Close(..) => return Err(Ended),
            Outgoing::Pieces(pieces) => {
                // A client that does not read must not keep its own connection from being cut.
                tokio::select! {
                    sent = send(socket, pieces) => sent?,
                    () = session.cut() => return Err(Ended),
                }
            }
        }
    }
}

async fn send(socket: &mut WebSocket, pieces: Vec<Piece>) -> Result<(), Ended> {
    for message in messages(pieces) {
        socket.feed(message).await.map_err(|_| Ended)?;
    }
    socket.flush().await.map_err(|_| Ended)
}

/// Sends what is left and says why the connection ends.
async fn finish(socket: &mut WebSocket, session: &Session) {
    let (code, reason) = loop {
        match session.take() {
            Outgoing::Pieces(pieces) => {
                if send(socket, pieces).await.is_err() {
                    return;
                }
            }
            Outgoing::Close(code, reason) => break (code, reason),
            Outgoing::Nothing => break (CLOSE_GOING_AWAY, "the connection ends"),
        }
    };
    let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    // The client may be gone already.
    let _ = socket.send(close).await;
}

/// As few WebSocket messages as keep the order: binary ones together, JSON ones each on its own.
fn messages(pieces: Vec<Piece>) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut binary = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Binary(bytes) if binary.is_empty() => binary = bytes,
            Piece::Binary(bytes) => binary.extend(bytes),
            Piece::Update { id, body: UpdateBody::Binary(body) } => {
                binary.extend(frame::head(tag::UPDATE, id, body.len()));
                binary.extend(&*body);
            }
            Piece::Text(text) => {
                close_binary(&mut binary, &mut messages);
                messages.push(Message::Text(text.into()));
            }
            Piece::Update { id, body: UpdateBody::Text(body) } => {
                close_binary(&mut binary, &mut messages);
                messages.push(Message::Text(interstice_protocol::text::update(id, &body).into()));
            }
        }
        if binary.len() >= MESSAGE_SIZE {
            close_binary(&mut binary, &mut messages);
        }
    }
    close_binary(&mut binary, &mut messages);
    messages
}

fn close_binary(binary: &mut Vec<u8>, messages: &mut Vec<Message>) {
    if !binary.is_empty() {
        messages.push(Message::Binary(Bytes::from(std::mem::take(binary))));
    }
}
