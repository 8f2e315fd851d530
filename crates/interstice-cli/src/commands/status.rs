//! `status` and `ready`.

use crate::failure::Failure;
use crate::node::{Node, body};
use crate::report::{Report, columns};
use interstice_protocol::http::{Status, Verified, route};
use std::time::{Duration, Instant};

/// Between two questions whether a node is there.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

pub(crate) fn run(node: &Node) -> Result<Report, Failure> {
    let document = node.get(route::STATUS)?;
    let status: Status = body(&document)?;
    let pairs = [
        ("node", status.node),
        ("version", status.version),
        ("data", status.data.unwrap_or_else(|| "nothing is kept".to_owned())),
        ("lineage", status.lineage),
        ("head", status.head),
        ("transactions", status.offset.to_string()),
        ("durable", status.durable.to_string()),
        ("modules", status.modules.to_string()),
        ("pending events", status.pending_events.to_string()),
        ("sessions", status.sessions.to_string()),
        ("uptime", format!("{} s", status.uptime_seconds)),
        ("snapshot", status.snapshot.map_or_else(|| "none".to_owned(), |next_offset| next_offset.to_string())),
    ];
    let scrub =
        status.scrub.map(|scrub| ("scrubbed", format!("{}: {} bytes, {} faults", scrub.at, scrub.bytes, scrub.faults)));
    let verified = status.verify.map(|verified| {
        let Verified { share, checked, skipped, divergent } = verified;
        ("verified", format!("1/{share}: {checked} run again, {divergent} came out otherwise, {skipped} skipped"))
    });
    let alarms = status.alarms.iter().map(|problem| ("alarm", format!("{}: {}", problem.code, problem.message)));
    let pairs = pairs
        .into_iter()
        .chain(scrub)
        .chain(verified)
        .chain(status.read_only.map(|why| ("read-only", why)))
        .chain(alarms);
    let rows: Vec<_> = pairs.map(|(name, value)| vec![name.to_owned(), value]).collect();
    Ok(Report::new(document, columns(&rows)))
}

pub(crate) fn ready(node: &Node, wait: f64) -> Result<Report, Failure> {
    let limit = Duration::try_from_secs_f64(wait)
        .map_err(|error| Failure::usage(format!("`--wait {wait}`: {error}"), "give seconds, as in `--wait 10`"))?;
    let started = Instant::now();
    loop {
        match node.get(route::HEALTH) {
            Ok(document) => return Ok(Report::new(document, "ready")),
            Err(failure) if started.elapsed() >= limit => return Err(failure),
            Err(_) => std::thread::sleep(POLL_INTERVAL),
        }
    }
}
