//! Publishing over HTTP: an artefact is compiled away from the engine, and brought in force by it, or tried on a copy of its state.

use super::{Refusal, answer, caller, envelope, read_body};
use crate::ask::{Ask, Batch, Publish};
use crate::moment;
use crate::node::Node;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use interstice_engine::engine::{Input, Request};
use interstice_engine::module::{Loaded, ModuleLoader, artefact_hash};
use interstice_engine::publish::{PublishOptions, TableReport};
use interstice_engine::read::Snapshot;
use interstice_protocol::http::{PublishPlan, Published, TableStep};
use interstice_protocol::limits::MAX_ARTEFACT_SIZE;
use interstice_protocol::problems;
use interstice_types::id::{Identity, to_hex};
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use interstice_types::schema::diff::SchemaDifference;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// Rows that a trial names which do not come through.
const MAX_FAILURES: usize = 10;

/// How to publish.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Options {
    /// Data may go that the new version has no place for.
    #[serde(rename = "break")]
    may_break: bool,
    /// Only try.
    dry_run: bool,
}

pub(super) async fn publish(
    State(node): State<Arc<Node>>,
    options: Result<Query<Options>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let Query(Options { may_break, dry_run }) = options.map_err(problems::invalid_message)?;
    let caller = caller(&headers)?;
    let artefact = read_body(body, MAX_ARTEFACT_SIZE).await?.to_vec();
    let (artefact, loaded) = compiled(&node, artefact).await?;
    let state = state(&node).await?;
    if dry_run {
        let loader: Arc<dyn ModuleLoader> = Arc::clone(&node.loader);
        let options = PublishOptions { may_break, max_failures: MAX_FAILURES };
        let trial = Trial { artefact, loaded, caller, options };
        let plan = blocking(move || trial.run(&state, loader)).await?;
        return Ok(envelope(plan).into_response());
    }
    let steps = state.plan_publish(&loaded.schema, may_break)?;
    drop(state);
    let (schema, hash) = (loaded.schema.clone(), to_hex(&artefact_hash(&artefact)));
    let (reply, receiver) = oneshot::channel();
    let options = PublishOptions { may_break, ..PublishOptions::default() };
    let ask = Ask::Publish(Publish { artefact, loaded, caller, options, reply });
    node.submit(Batch::of_one(ask)).map_err(|(_, problem)| problem)?;
    let finished = answer(receiver).await?;
    let published = Published {
        offset: finished.offset,
        tables: schema.tables.len(),
        functions: schema.functions.len(),
        module: schema.module,
        version: schema.version,
        artefact: hash,
        steps: steps.into_iter().map(step).collect(),
        receipt: finished.receipt.expect("invariant: an acknowledgement has its receipt"),
    };
    Ok(envelope(published).into_response())
}

fn step(report: TableReport) -> TableStep {
    TableStep::new(&report.difference, report.from_version, report.rows, report.migrations)
}

/// Compiling takes long: neither the engine nor a thread for sockets does it.
async fn compiled(node: &Arc<Node>, artefact: Vec<u8>) -> Result<(Vec<u8>, Loaded), Problem> {
    let loader: Arc<dyn ModuleLoader> = Arc::clone(&node.loader);
    let load = move || {
        let loaded = loader.load(&artefact);
        (artefact, loaded)
    };
    let (artefact, loaded) = blocking(load).await?;
    Ok((artefact, loaded.map_err(|error| error.problem)?))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| problems::unavailable("a worker ended by a bug"))
}

async fn state(node: &Arc<Node>) -> Result<Box<Snapshot>, Problem> {
    let (reply, receiver) = oneshot::channel();
    // Whoever asked may have gone.
    let look = Box::new(move |snapshot: &Snapshot| drop(reply.send(Ok(Box::new(snapshot.clone())))));
    node.submit(Batch::of_one(Ask::Look(look))).map_err(|(_, problem)| problem)?;
    answer(receiver).await
}

/// A publish that is tried on a copy.
struct Trial {
    artefact: Vec<u8>,
    loaded: Loaded,
    caller: Identity,
    options: PublishOptions,
}

impl Trial {
    fn run(self, state: &Snapshot, loader: Arc<dyn ModuleLoader>) -> PublishPlan {
        let schema = self.loaded.schema.clone();
        let mut engine = state.fork(loader);
        let started = Instant::now();
        // What would be lost is part of the plan, whether or not it may be.
        let steps = state.plan_publish(&schema, true);
        let Self { artefact, loaded, caller, options } = self;
        let request = Request::Publish { artefact, loaded, caller, options };
        let outcome = engine.step(Input { now: moment::now(), seed: [0; 16], request }).reply;
        PublishPlan {
            ok: outcome.is_ok(),
            offset: state.next_offset.saturating_sub(1),
            steps: steps.unwrap_or_default().into_iter().map(step).collect(),
            breaks: broken_functions(state, &schema),
            failures: outcome.as_ref().err().map(failures).unwrap_or_default(),
            problem: outcome.err(),
            milliseconds: started.elapsed().as_millis() as u64,
            module: schema.module,
            version: schema.version,
        }
    }
}

/// The rows that a problem names.
fn failures(problem: &Problem) -> Vec<String> {
    let listed = problem.data.as_ref().and_then(|data| data.get("failures"));
    let listed = listed.and_then(|list| serde_json::from_value(list.clone()).ok());
    listed
        .unwrap_or_else(|| if problem.code == "migration-failed" { vec![problem.message.clone()] } else { Vec::new() })
}

/// Functions that clients call, and that are gone or of another shape.
fn broken_functions(state: &Snapshot, schema: &Schema) -> Vec<String> {
    let Some((_, entry)) = state.catalog.module(&schema.module) else { return Vec::new() };
    let difference = SchemaDifference::between(&entry.schema, schema);
    let broken = difference.functions.into_iter().filter(|function| function.breaks);
    broken.map(|function| function.function).collect()
}
