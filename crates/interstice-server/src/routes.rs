//! HTTP: routes, who calls, how problems and answers become responses.

mod backup;
mod calls;
mod history;
mod lines;
mod modules;
mod publish;
mod records;
mod schedules;

use crate::node::Node;
use crate::receipts;
use crate::socket;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Query, Request, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use interstice_protocol::http::{self, AS_HEADER, DEFAULT_NAME, Envelope, Health, RECEIPT_HEADER, Shape, route};
use interstice_protocol::limits::MAX_CLIENT_MESSAGE_SIZE;
use interstice_protocol::problems;
use interstice_protocol::receipt::{ParseError, Receipt};
use interstice_types::id::{Identity, to_hex};
use interstice_types::problem::Problem;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Instant;

/// All routes of a node.
pub(crate) fn router(node: Arc<Node>) -> Router {
    Router::new()
        .route(route::SOCKET, get(open_socket))
        .route(route::PUBLISH, post(publish::publish))
        .route(route::MODULES, get(modules::list))
        .route(&format!("{}/{{module}}", route::SCHEMA), get(modules::schema))
        .route(&format!("{}/{{module}}/{{reducer}}", route::CALL), post(calls::call))
        .route(&format!("{}/{{module}}/{{query}}", route::QUERY), post(calls::query))
        .route(route::SQL, post(calls::sql))
        .route(route::SQL_EXPLAIN, post(calls::explain))
        .route(&format!("{}/{{module}}/{{table}}", route::ROWS), get(calls::rows))
        .route(route::LOG_DUMP, get(history::dump))
        .route(route::LOG_STATS, get(history::stats))
        .route(&format!("{}/{{module}}/{{table}}", route::HISTORY), get(history::row))
        .route(route::LINES, get(lines::list))
        .route(route::LOG_VERIFY, get(records::verify))
        .route(route::REPLAY_CHECK, post(records::check))
        .route(route::SNAPSHOTS, get(records::snapshots).post(records::make_snapshot))
        .route(route::SNAPSHOTS_VERIFY, get(records::verify_snapshots))
        .route(route::SCHEDULES, get(schedules::list))
        .route(&format!("{}/{{id}}/{{action}}", route::SCHEDULES), post(schedules::control))
        .route(route::BACKUP, get(backup::source))
        .route(&format!("{}/{{name}}", route::BACKUP_LOG), get(backup::segment))
        .route(&format!("{}/{{name}}", route::BACKUP_SNAPSHOTS), get(backup::snapshot))
        // Of the routes so far.
        .route_layer(middleware::from_fn_with_state(Arc::clone(&node), check_receipt))
        .route(route::HEALTH, get(health))
        .route(route::STATUS, get(modules::status))
        .route(route::METRICS, get(metrics))
        .route(route::RECEIPT, post(records::receipt))
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(refuse_foreign_pages))
        .layer(middleware::from_fn(tell_request))
        .with_state(node)
}

/// A problem as a response.
pub(super) struct Refusal(pub(super) Problem);

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(http::status_of(&self.0)).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
        (status, axum::Json(self.0)).into_response()
    }
}

/// What a handler gives: a shape in its envelope, or a problem.
pub(super) type Answered<T> = Result<axum::Json<Envelope<T>>, Refusal>;

/// A shape in its envelope.
pub(super) fn envelope<T: Shape>(body: T) -> axum::Json<Envelope<T>> {
    axum::Json(Envelope::new(body))
}

/// The local development identity that a request names; the owner if it names none.
pub(super) fn caller(headers: &HeaderMap) -> Result<Identity, Problem> {
    let Some(value) = headers.get(AS_HEADER) else { return Ok(Identity::of_name(DEFAULT_NAME)) };
    let name = std::str::from_utf8(value.as_bytes());
    name.map(Identity::of_name).map_err(|_| problems::invalid_message(format!("the header `{AS_HEADER}` is not UTF-8")))
}

/// All of a request's body, if it is not larger than it may be.
pub(super) async fn read_body(body: Body, limit: usize) -> Result<Bytes, Problem> {
    to_bytes(body, limit).await.map_err(|error| {
        let too_large = std::error::Error::source(&error).is_some_and(|source| source.to_string().contains("limit"));
        if too_large { problems::too_large("the request", limit) } else { problems::invalid_message(error) }
    })
}

/// The JSON of a request's body; an empty one is an empty array.
pub(super) async fn read_json<T: serde::de::DeserializeOwned>(body: Body) -> Result<T, Problem> {
    let bytes = read_body(body, MAX_CLIENT_MESSAGE_SIZE).await?;
    let bytes: &[u8] = if bytes.is_empty() { b"[]" } else { &bytes };
    serde_json::from_slice(bytes).map_err(|error| problems::invalid_json(&error))
}

/// Waits for the answer of a thread of the node. One that ended without answering leaves the fate unknown.
pub(super) async fn answer<T>(receiver: tokio::sync::oneshot::Receiver<Result<T, Problem>>) -> Result<T, Problem> {
    receiver.await.unwrap_or_else(|_| Err(problems::unknown()))
}

async fn health(State(node): State<Arc<Node>>) -> Answered<Health> {
    Ok(envelope(Health { ok: true, node: to_hex(&node.facts.node) }))
}

async fn metrics(State(node): State<Arc<Node>>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], crate::metrics::text(&node)).into_response()
}

/// A browser cannot set headers of a WebSocket: the name may stand in the address.
#[derive(Deserialize)]
struct SocketQuery {
    r#as: Option<String>,
}

async fn open_socket(
    State(node): State<Arc<Node>>,
    Query(query): Query<SocketQuery>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refusal> {
    if let Some(refusal) = node.lifeline.refusal() {
        return Err(refusal.into());
    }
    let caller = match query.r#as {
        Some(name) => Identity::of_name(&name),
        None => caller(&headers)?,
    };
    let upgrade = upgrade.max_message_size(socket::MAX_RECEIVED_SIZE).max_frame_size(socket::MAX_RECEIVED_SIZE);
    Ok(upgrade.on_upgrade(move |stream| socket::serve(stream, node, caller)))
}

async fn unknown_route(request: Request) -> Refusal {
    let known = [
        route::HEALTH,
        route::STATUS,
        route::METRICS,
        route::SOCKET,
        route::PUBLISH,
        route::MODULES,
        route::SCHEMA,
        route::CALL,
        route::QUERY,
        route::SQL,
        route::SQL_EXPLAIN,
        route::ROWS,
        route::RECEIPT,
        route::LOG_DUMP,
        route::LOG_STATS,
        route::HISTORY,
        route::LINES,
        route::LOG_VERIFY,
        route::REPLAY_CHECK,
        route::SNAPSHOTS,
        route::SNAPSHOTS_VERIFY,
        route::SCHEDULES,
    ];
    let path = request.uri().path();
    Problem::new("unknown-route", format!("there is nothing at `{path}`")).did_you_mean(path, known).into()
}

async fn wrong_method(request: Request) -> Refusal {
    let text = format!("`{}` does not take {}", request.uri().path(), request.method());
    Problem::new("method-not-allowed", text).into()
}

/// Whoever presents a receipt has a request done only by a node with its history.
async fn check_receipt(State(node): State<Arc<Node>>, request: Request, next: Next) -> Result<Response, Refusal> {
    if let Some(value) = request.headers().get(RECEIPT_HEADER) {
        let parsed = value.to_str().map_err(|_| ParseError).and_then(str::parse::<Receipt>);
        let invalid = |error| problems::invalid_message(format!("the header `{RECEIPT_HEADER}`: {error}"));
        receipts::check(&node, parsed.map_err(invalid)?).await?;
    }
    Ok(next.run(request).await)
}

/// What was asked over HTTP and how that ended, for whoever wants to know.
async fn tell_request(request: Request, next: Next) -> Response {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return next.run(request).await;
    }
    let (method, path, begun) = (request.method().clone(), request.uri().path().to_owned(), Instant::now());
    let response = next.run(request).await;
    let micros = begun.elapsed().as_micros() as u64;
    tracing::debug!(%method, path, status = response.status().as_u16(), micros, "answered");
    response
}

/// Every local caller is the owner: a page of another site in a local browser must not be one, neither by asking directly
/// nor by a name that it lets point here.
async fn refuse_foreign_pages(request: Request, next: Next) -> Response {
    match foreign_host(request.headers()) {
        None => next.run(request).await,
        Some(host) => {
            let text = format!("requests for or from `{host}` are not taken: only pages of this machine may ask");
            (StatusCode::FORBIDDEN, axum::Json(Problem::new("foreign-origin", text))).into_response()
        }
    }
}

fn foreign_host(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let origin = text(header::ORIGIN).map(|origin| origin.split_once("://").map_or(origin, |(_, host)| host));
    let hosts = [origin, text(header::HOST)].into_iter().flatten();
    hosts.filter(|host| !is_loopback(host)).map(str::to_owned).next()
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_this_machine_is_this_machine() {
        for host in ["localhost", "localhost:7070", "127.0.0.1:7070", "[::1]:7070", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["example.com", "127.0.0.1.example.com:7070", "10.0.0.1", "", "null", "[2001:db8::1]:80"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
