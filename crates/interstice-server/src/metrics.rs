//! The node's numbers as Prometheus reads them. They are taken when somebody asks: nothing is counted twice.

use crate::node::Node;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::Ordering;

/// The task that an alarm is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Alarm {
    task: &'static str,
    code: String,
}

/// All of them, in the text format of OpenMetrics.
pub(crate) fn text(node: &Node) -> String {
    let mut registry = Registry::with_prefix("interstice");
    let (offset, pending_events) = node.gauges.read();
    let [verified, skipped, divergent] = node.gauges.verified.read();
    let counters = [
        ("verified", "Transactions that were run again", verified),
        ("verify_skipped", "Transactions that were to be run again when too many waited", skipped),
        ("divergences", "Transactions that came out otherwise when they were run again", divergent),
        ("transactions", "Transactions that were made", offset),
        ("transactions_durable", "Transactions that are durable", node.log.tail().next_offset),
    ];
    for (name, help, value) in counters {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    let scrubbed = node.background.scrubbed();
    let read_only = node.reserve.refusal(node.log.room()).is_some();
    let gauges = [
        ("modules", "Modules in force", node.catalog().modules().len() as i64),
        ("pending_events", "Events still to be delivered", pending_events as i64),
        ("sessions", "Open WebSockets", node.gauges.sessions.load(Ordering::Relaxed) as i64),
        ("uptime_seconds", "Seconds since the start", node.facts.started.elapsed().as_secs() as i64),
        ("snapshot_offset", "Transactions in the newest snapshot", node.background.snapshot().unwrap_or(0) as i64),
        ("read_only", "Whether nothing is written for want of space", read_only.into()),
        (
            "scrub_timestamp_seconds",
            "When the last scrub was done",
            scrubbed.as_ref().map_or(0, |s| s.at.0 / 1_000_000),
        ),
        ("scrub_bytes", "Bytes that the last scrub read", scrubbed.as_ref().map_or(0, |s| s.bytes as i64)),
        ("scrub_faults", "Faults that the last scrub found", scrubbed.as_ref().map_or(0, |s| s.faults as i64)),
    ];
    for (name, help, value) in gauges {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    }
    let alarms = Family::<Alarm, Gauge>::default();
    for (task, problem) in node.background.alarms() {
        alarms.get_or_create(&Alarm { task, code: problem.code.to_string() }).set(1);
    }
    registry.register("alarm", "What fails without stopping the node", alarms);
    let mut text = String::new();
    encode(&mut text, &registry).expect("invariant: a string takes all");
    text
}
