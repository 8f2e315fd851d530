//! Modules over HTTP: list, schema; and how the node is.

use super::{Answered, envelope};
use crate::node::Node;
use axum::extract::{Path, State};
use interstice_engine::catalog::ModuleEntry;
use interstice_engine::{problems as refusals, system};
use interstice_protocol::http::{ModuleSummary, Modules, SchemaOf, ScrubDone, Status, Verified};
use interstice_types::id::to_hex;
use interstice_types::problem::Problem;
use interstice_types::schema::SYSTEM_MODULE;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) async fn list(State(node): State<Arc<Node>>) -> axum::Json<interstice_protocol::http::Envelope<Modules>> {
    envelope(Modules { modules: node.catalog().modules().iter().map(summary).collect() })
}

fn summary(entry: &ModuleEntry) -> ModuleSummary {
    ModuleSummary {
        name: entry.schema.module.clone(),
        version: entry.schema.version.clone(),
        published_at: entry.published_at,
        artefact: to_hex(&entry.artefact),
        tables: entry.schema.tables.len(),
        functions: entry.schema.functions.len(),
        loaded: entry.factory.is_some(),
    }
}

pub(super) async fn schema(State(node): State<Arc<Node>>, Path(name): Path<String>) -> Answered<SchemaOf> {
    if name == SYSTEM_MODULE {
        return Ok(envelope(SchemaOf { module: system::schema(system::tables()) }));
    }
    let catalog = node.catalog();
    let unknown = || -> Problem {
        let names = catalog.modules().iter().map(|entry| entry.schema.module.as_str());
        refusals::unknown_module(&name, names.chain([SYSTEM_MODULE]))
    };
    let (_, entry) = catalog.module(&name).ok_or_else(unknown)?;
    Ok(envelope(SchemaOf { module: (*entry.schema).clone() }))
}

pub(super) async fn status(State(node): State<Arc<Node>>) -> Answered<Status> {
    let (offset, pending_events) = node.gauges.read();
    let tail = node.log.tail();
    Ok(envelope(Status {
        node: to_hex(&node.facts.node),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        lineage: to_hex(&tail.lineage.0),
        head: to_hex(&tail.chain),
        durable: tail.next_offset,
        offset,
        modules: node.catalog().modules().len(),
        pending_events,
        sessions: node.gauges.sessions.load(Ordering::Relaxed),
        uptime_seconds: node.facts.started.elapsed().as_secs(),
        read_only: node.reserve.refusal(node.log.room()).map(|why| node.read_only(&why).message.clone()),
        data: node.facts.data.as_ref().map(|path| path.display().to_string()),
        snapshot: node.background.snapshot(),
        scrub: node.background.scrubbed().map(|scrubbed| ScrubDone {
            at: scrubbed.at.to_string(),
            files: scrubbed.files,
            bytes: scrubbed.bytes,
            faults: scrubbed.faults,
        }),
        verify: node.facts.verify.map(|share| {
            let [checked, skipped, divergent] = node.gauges.verified.read();
            Verified { share: share.get(), checked, skipped, divergent }
        }),
        alarms: node.background.alarms().into_iter().map(|(_, problem)| problem).collect(),
    }))
}
