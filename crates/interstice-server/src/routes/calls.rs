//! Calls, queries and SQL over HTTP.

use super::records::{on_history, past};
use super::{Answered, Refusal, answer, caller, envelope, read_json};
use crate::ask::{Ask, Batch, Finished, Returns, Seat, SqlReply, Statement};
use crate::intake::invocation_of_json;
use crate::node::Node;
use crate::outbox::answer_to_json;
use crate::reports;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use interstice::moment::Moment;
use interstice_engine::catalog::Catalog;
use interstice_engine::engine::Engine;
use interstice_protocol::http::{Answer, Called, ChangeCounts, Explained, RowSet, SqlRequest};
use interstice_protocol::limits::MAX_PAGE_COUNT;
use interstice_types::id::TableId;
use interstice_types::problem::Problem;
use interstice_types::schema::FunctionKind;
use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Rows of a page that does not say how many it has.
const DEFAULT_ROW_COUNT: usize = 100;

pub(super) async fn call(
    State(node): State<Arc<Node>>,
    Path(name): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answered<Called> {
    let (finished, returns) = invoke(&node, (&FunctionKind::Reducer, name), (&headers, body), Ask::Call).await?;
    let changes = named(&node.catalog(), finished.changes);
    let value = answer_to_json(&returns, &finished.value);
    Ok(envelope(Called { offset: finished.offset, value, changes, receipt: finished.receipt }))
}

/// A moment of history, as in [`SqlRequest::at`].
#[derive(Deserialize)]
pub(super) struct At {
    at: Option<String>,
}

pub(super) async fn query(
    State(node): State<Arc<Node>>,
    Path(name): Path<(String, String)>,
    Query(At { at }): Query<At>,
    headers: HeaderMap,
    body: Body,
) -> Answered<Answer> {
    if let Some(at) = at {
        let (caller, args) = (caller(&headers)?, read_json(body).await?);
        let answered = of_history(node, at.parse()?, move |mut engine| {
            engine.load_modules();
            reports::query(&engine.snapshot(), (&name.0, &name.1), &args, caller)
        });
        return Ok(envelope(answered.await?));
    }
    let (finished, returns) = invoke(&node, (&FunctionKind::Query, name), (&headers, body), Ask::Query).await?;
    Ok(envelope(Answer { offset: finished.offset, value: answer_to_json(&returns, &finished.value) }))
}

async fn invoke(
    node: &Node,
    (kind, (module, function)): (&FunctionKind, (String, String)),
    (headers, body): (&HeaderMap, Body),
    ask: impl FnOnce(crate::ask::Invocation, Seat) -> Ask,
) -> Result<(Finished, Returns), Problem> {
    let caller = caller(headers)?;
    let args: Json = read_json(body).await?;
    let (invocation, returns) = invocation_of_json(&node.catalog(), (kind, &module, &function), &args, caller)?;
    let (reply, receiver) = oneshot::channel();
    node.submit(Batch::of_one(ask(invocation, Seat::Once(reply)))).map_err(|(_, problem)| problem)?;
    Ok((answer(receiver).await?, returns))
}

fn named(catalog: &Catalog, changes: BTreeMap<TableId, ChangeCounts>) -> BTreeMap<String, ChangeCounts> {
    let name = |id| {
        let named = catalog.table_name(id).map(|(module, table)| format!("{module}.{table}"));
        named.unwrap_or_else(|| id.to_string())
    };
    changes.into_iter().map(|(id, counts)| (name(id), counts)).collect()
}

pub(super) async fn sql(State(node): State<Arc<Node>>, headers: HeaderMap, body: Body) -> Answered<RowSet> {
    let SqlRequest { sql: text, at } = read_json(body).await?;
    let caller = caller(&headers)?;
    let Some(at) = at else { return Ok(envelope(select(&node, Statement { text, caller }).await?)) };
    let select = move |engine: Engine| reports::select(&engine.snapshot(), &text, Some(caller));
    Ok(envelope(of_history(node, at.parse()?, select).await?))
}

/// Does `work` with the state at a moment.
async fn of_history<T: Send + 'static>(
    node: Arc<Node>,
    moment: Moment,
    work: impl FnOnce(Engine) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = on_history(node, move |node| {
        node.log.state_at(node.kit(), moment).map_err(|error| past(&error)).and_then(work)
    });
    done.await?
}

async fn select(node: &Node, statement: Statement) -> Result<RowSet, Problem> {
    let (reply, receiver) = oneshot::channel();
    let reply = SqlReply::Rows(reply);
    node.submit(Batch::of_one(Ask::Sql { statement, reply })).map_err(|(_, problem)| problem)?;
    answer(receiver).await
}

pub(super) async fn explain(State(node): State<Arc<Node>>, headers: HeaderMap, body: Body) -> Answered<Explained> {
    let SqlRequest { sql: text, at } = read_json(body).await?;
    let statement = Statement { text, caller: caller(&headers)? };
    if let Some(at) = at {
        let Statement { text, caller } = statement;
        let explain = move |engine: Engine| reports::explain(&engine.snapshot(), &text, Some(caller));
        return Ok(envelope(of_history(node, at.parse()?, explain).await?));
    }
    let (reply, receiver) = oneshot::channel();
    let reply = SqlReply::Explained(reply);
    node.submit(Batch::of_one(Ask::Sql { statement, reply })).map_err(|(_, problem)| problem)?;
    Ok(envelope(answer(receiver).await?))
}

#[derive(Deserialize)]
pub(super) struct RowsQuery {
    limit: Option<usize>,
}

pub(super) async fn rows(
    State(node): State<Arc<Node>>,
    Path((module, table)): Path<(String, String)>,
    Query(RowsQuery { limit }): Query<RowsQuery>,
    headers: HeaderMap,
) -> Answered<RowSet> {
    let limit = limit.unwrap_or(DEFAULT_ROW_COUNT).min(MAX_PAGE_COUNT);
    // A name that is no name must not become another statement.
    let is_name = |name: &str| name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if !is_name(&module) || !is_name(&table) {
        return Err(Refusal(Problem::new("unknown-table", format!("table `{module}.{table}` does not exist"))));
    }
    let text = format!("select * from {module}.{table} limit {limit}");
    Ok(envelope(select(&node, Statement { text, caller: caller(&headers)? }).await?))
}
