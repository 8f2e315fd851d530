//! Rooms, messages and people.

use interstice_sdk::prelude::*;

/// A message in a room.
#[table(public, primary_key(room, seq), index(by_author(author, sent_at)))]
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub room: String,
    /// Counts from 1 in each room.
    pub seq: u64,
    pub author: Identity,
    pub sent_at: Timestamp,
    pub body: Body,
}

/// What a message says.
#[datatype]
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    Text(String),
    Image { url: String, width: u32, height: u32 },
}

/// Somebody who has given a name.
#[table(public)]
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    #[primary_key]
    pub id: Identity,
    #[unique]
    pub name: String,
    #[default(Timestamp::EPOCH)]
    pub joined_at: Timestamp,
}

/// Why a message was not sent or a name not taken.
#[datatype(error)]
#[derive(PartialEq)]
pub enum ChatError {
    #[error("text must not be empty")]
    EmptyText,
    #[error("an image of {width} × {height} pixels has nothing to see")]
    EmptyImage { width: u32, height: u32 },
    #[error("the name `{0}` is taken")]
    NameTaken(String),
}

/// Sends text to a room; returns the message's number there.
#[reducer]
fn send(ctx: &ReducerContext, messages: Write<Message>, room: String, text: String) -> Result<u64, ChatError> {
    if text.trim().is_empty() {
        return Err(ChatError::EmptyText);
    }
    Ok(post(ctx, &messages, room, Body::Text(text)))
}

/// Sends an image to a room; returns the message's number there.
#[reducer]
fn send_image(
    ctx: &ReducerContext,
    messages: Write<Message>,
    room: String,
    url: String,
    width: u32,
    height: u32,
) -> Result<u64, ChatError> {
    if width == 0 || height == 0 {
        return Err(ChatError::EmptyImage { width, height });
    }
    Ok(post(ctx, &messages, room, Body::Image { url, width, height }))
}

/// Takes a name, or another one.
#[reducer]
fn set_name(ctx: &ReducerContext, users: Write<User>, name: String) -> Result<(), ChatError> {
    if users.find_by_name(&name).is_some_and(|user| user.id != ctx.caller()) {
        return Err(ChatError::NameTaken(name));
    }
    let joined_at = users.get(ctx.caller()).map_or(ctx.now(), |user| user.joined_at);
    users.upsert(User { id: ctx.caller(), name, joined_at });
    Ok(())
}

/// The last `n` messages of a room, the oldest first.
#[query]
fn latest(messages: Read<Message>, room: String, n: u32) -> Vec<Message> {
    let mut latest: Vec<_> = messages.range(room).reverse().take(n as usize).collect();
    latest.reverse();
    latest
}

/// What somebody wrote since a moment.
#[query]
fn written_by(messages: Read<Message>, author: Identity, since: Timestamp) -> Vec<Message> {
    messages.by_author((author, since)..=(author, Timestamp(i64::MAX))).collect()
}

fn post(ctx: &ReducerContext, messages: &Write<Message>, room: String, body: Body) -> u64 {
    let last = messages.range(&*room).reverse().next();
    let seq = last.map_or(1, |message| message.seq + 1);
    messages.insert(Message { room, seq, author: ctx.caller(), sent_at: ctx.now(), body });
    seq
}
