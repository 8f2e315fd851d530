//! The same messages as JSON text, for people and browsers: one WebSocket text message each.
//!
//! ```text
//! {"id":1,"call":"chat.send","args":["general","hi"]}
//! {"id":2,"query":"chat.latest","args":{"count":10}}
//! {"id":3,"subscribe":"select * from chat.message","initial":true}
//! {"id":3,"unsubscribe":true}
//! {"id":6,"subscribe_query":"chat.latest","args":["general",10]}
//! {"id":4,"echo":"bytes"}
//! {"id":5,"receipt":{"lineage":"…","offset":"3","chain":"…"}}
//! ```

use crate::frame::NO_REQUEST;
use crate::problems::{invalid_json, invalid_message};
use crate::receipt::Receipt;
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use interstice_types::ty::Field;
use serde_json::{Map, Value as Json, json};

/// A message of a client; its id stands beside it.
#[derive(Debug, Clone, PartialEq)]
pub enum TextRequest {
    /// Call a reducer.
    Call(TextInvocation),
    /// Ask a query.
    Query(TextInvocation),
    /// Be told of rows and changes.
    Subscribe {
        /// The `SELECT`.
        sql: String,
        /// Whether the rows that are there come first.
        initial: bool,
    },
    /// Be told the answer of a query, and again whenever it is another one.
    SubscribeQuery(TextInvocation),
    /// Hear no more.
    Unsubscribe,
    /// The same back.
    Echo(String),
    /// Whether the node has the history of this receipt.
    Receipt(Receipt),
}

/// A function and what it is called with.
#[derive(Debug, Clone, PartialEq)]
pub struct TextInvocation {
    /// The module's name.
    pub module: String,
    /// The function's name.
    pub function: String,
    /// An array in order, or an object by name.
    pub args: Json,
}

/// Reads a message and its id.
///
/// # Errors
/// `invalid-message`, beside the id that the answer has: the message's own if it can be read.
pub fn decode(text: &str) -> Result<(u32, TextRequest), (u32, Problem)> {
    let json: Json = serde_json::from_str(text).map_err(|error| (NO_REQUEST, invalid_json(&error)))?;
    let id = json.get("id").and_then(Json::as_u64).and_then(|id| u32::try_from(id).ok());
    let id = id.filter(|id| *id != NO_REQUEST);
    let Json::Object(mut fields) = json else {
        return Err((NO_REQUEST, invalid_message("a message is a JSON object")));
    };
    fields.remove("id");
    let id = id.ok_or_else(|| (NO_REQUEST, invalid_message("`id` must be a number from 0 to 4294967294")))?;
    let request = request(&mut fields).map_err(|problem| (id, problem))?;
    match fields.keys().next() {
        Some(field) => Err((id, invalid_message(format!("the field `{field}` does not belong into this message")))),
        None => Ok((id, request)),
    }
}

fn request(fields: &mut Map<String, Json>) -> Result<TextRequest, Problem> {
    if let Some(name) = fields.remove("call") {
        return invocation(&name, fields).map(TextRequest::Call);
    }
    if let Some(name) = fields.remove("query") {
        return invocation(&name, fields).map(TextRequest::Query);
    }
    if let Some(name) = fields.remove("subscribe_query") {
        return invocation(&name, fields).map(TextRequest::SubscribeQuery);
    }
    if let Some(sql) = fields.remove("subscribe") {
        let sql = sql.as_str().ok_or_else(|| invalid_message("`subscribe` must be the text of a SELECT"))?.to_owned();
        let initial = match fields.remove("initial") {
            None => false,
            Some(Json::Bool(initial)) => initial,
            Some(_) => return Err(invalid_message("`initial` must be true or false")),
        };
        return Ok(TextRequest::Subscribe { sql, initial });
    }
    if let Some(flag) = fields.remove("unsubscribe") {
        let fits = flag == Json::Bool(true);
        return fits.then_some(TextRequest::Unsubscribe).ok_or_else(|| invalid_message("`unsubscribe` must be true"));
    }
    if let Some(receipt) = fields.remove("receipt") {
        return serde_json::from_value(receipt).map(TextRequest::Receipt).map_err(invalid_message);
    }
    match fields.remove("echo") {
        Some(Json::String(text)) => Ok(TextRequest::Echo(text)),
        Some(_) => Err(invalid_message("`echo` must be a string")),
        None => Err(invalid_message(
            "one of `call`, `query`, `subscribe`, `subscribe_query`, `unsubscribe`, `receipt`, `echo` is needed",
        )
        .hint(r#"as in {"id":1,"call":"module.reducer","args":[]}"#)),
    }
}

fn invocation(name: &Json, fields: &mut Map<String, Json>) -> Result<TextInvocation, Problem> {
    let (module, function) = name
        .as_str()
        .and_then(|name| name.split_once('.'))
        .ok_or_else(|| invalid_message("a function is named as a string, \"module.function\""))?;
    let args = fields.remove("args").unwrap_or_else(|| json!([]));
    if !(args.is_array() || args.is_object()) {
        return Err(invalid_message("`args` must be an array in order, or an object by name"));
    }
    Ok(TextInvocation { module: module.to_owned(), function: function.to_owned(), args })
}

/// The answer to a query, or to whatever else is not a call.
pub fn ok(id: u32, offset: Offset, value: &Json) -> String {
    json!({"id": id, "ok": {"offset": offset.to_string(), "value": value}}).to_string()
}

/// The answer of a query that was subscribed to, where it is another one than before.
pub fn value(id: u32, offset: Offset, value: &Json) -> String {
    json!({"id": id, "value": {"offset": offset.to_string(), "value": value}}).to_string()
}

/// The answer to a call that committed.
pub fn acknowledged(id: u32, offset: Offset, value: &Json, receipt: &Receipt) -> String {
    json!({"id": id, "ok": {"offset": offset.to_string(), "value": value, "receipt": receipt}}).to_string()
}

/// The answer to what did not work out; without an id if the request had none that can be read.
pub fn error(id: u32, problem: &Problem) -> String {
    let mut message = json!({"error": problem});
    if id != NO_REQUEST {
        message["id"] = json!(id);
    }
    message.to_string()
}

/// The columns of a subscription's rows: comes before the first rows.
pub fn columns(id: u32, columns: &[Field]) -> String {
    json!({"id": id, "columns": columns}).to_string()
}

/// The bytes of an echo.
pub fn echo(id: u32, text: &str) -> String {
    json!({"id": id, "echo": text}).to_string()
}

/// The part of an update that is the same for everybody whom it is for; see [`update`].
pub fn update_body((offset, unlogged): (Offset, u32), inserts: &[Json], deletes: &[Json]) -> String {
    let mut body = json!({"offset": offset.to_string(), "insert": inserts, "delete": deletes});
    if unlogged > 0 {
        body["unlogged"] = json!(unlogged);
    }
    body.to_string()
}

/// One update: `body` is from [`update_body`] or [`initial_body`].
pub fn update(id: u32, body: &str) -> String {
    format!(r#"{{"id":{id},"update":{body}}}"#)
}

/// A part of the rows that were there; `more` if another part follows.
pub fn initial_body(offset: Offset, rows: &[Json], more: bool) -> String {
    let mut body = json!({"offset": offset.to_string(), "initial": true, "insert": rows, "delete": []});
    if more {
        body["more"] = json!(true);
    }
    body.to_string()
}
