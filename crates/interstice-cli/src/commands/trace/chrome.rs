//! A trace in the trace event format, which `chrome://tracing` and Perfetto read.
//!
//! One process with one track: transactions one behind the other, in each what is inside of it, all complete events. An arrow goes from a
//! transaction to each event that it raised. A microsecond of the viewer is one fuel.

use super::Recording;
use super::json::{details, kind_name};
use interstice::trace::{Span, Traced};
use interstice_types::id::Offset;
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'r> {
    display_time_unit: &'static str,
    other_data: Json,
    trace_events: Vec<Event<'r>>,
}

#[derive(Serialize)]
struct Event<'r> {
    name: &'r str,
    cat: &'static str,
    /// The kind of event: `M` names a track, `X` is a stretch, `s` and `f` are the ends of an arrow.
    ph: &'static str,
    pid: u32,
    tid: u32,
    ts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<u64>,
    /// Which arrow.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// An arrow ends at the stretch that it points into.
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    #[serde(skip_serializing_if = "Json::is_null")]
    args: Json,
}

pub(super) fn render(recording: &Recording) -> String {
    let mut events = vec![meta("process_name", "interstice, 1 µs is 1 fuel"), meta("thread_name", "transactions")];
    let begins: BTreeMap<Offset, u64> = recording.timed().map(|(begin, traced)| (traced.offset, begin)).collect();
    for (begin, traced) in recording.timed() {
        events.push(transaction(begin, traced));
        events.extend(traced.spans.iter().map(|span| step(begin, span)));
        if let Some(from) = traced.event_of.and_then(|of| begins.get(&of)) {
            events.extend(arrow((*from, begin), traced.offset));
        }
    }
    let other_data = json!({
        "clock": "fuel",
        "unit": "fuel",
        "note": "1 µs stands for 1 fuel: the same work is always of the same length",
        "from": recording.from.to_string(),
        "to": recording.to.to_string(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    let document = Document { display_time_unit: "ms", other_data, trace_events: events };
    serde_json::to_string(&document).expect("invariant: events have a JSON form")
}

fn event<'r>((name, cat): (&'r str, &'static str), ph: &'static str, ts: u64) -> Event<'r> {
    Event { name, cat, ph, pid: 1, tid: 1, ts, dur: None, id: None, bp: None, args: Json::Null }
}

fn meta<'r>(what: &'r str, name: &str) -> Event<'r> {
    Event { args: json!({ "name": name }), ..event((what, "__metadata"), "M", 0) }
}

fn transaction(begin: u64, traced: &Traced) -> Event<'_> {
    let args = json!({
        "offset": traced.offset.to_string(),
        "time": traced.time.to_string(),
        "cause": traced.cause,
        "event_of": traced.event_of.map(|of| of.to_string()),
        "caller": traced.caller.map(|caller| caller.to_string()),
        "outcome": traced.outcome,
        "fuel": traced.fuel,
    });
    Event { dur: Some(traced.fuel), args, ..event((&traced.function, "transaction"), "X", begin) }
}

fn step(begin: u64, span: &Span) -> Event<'_> {
    let mut args = details(&span.kind);
    args["fuel"] = json!(span.fuel());
    Event { dur: Some(span.fuel()), args, ..event((&span.name, kind_name(&span.kind)), "X", begin + span.begin) }
}

/// From the transaction that raised an event to the one that it is.
fn arrow<'r>((from, to): (u64, u64), offset: Offset) -> [Event<'r>; 2] {
    let end = |ph, ts| Event { id: Some(offset.to_string()), ..event(("raises", "event"), ph, ts) };
    [end("s", from), Event { bp: Some("e"), ..end("f", to) }]
}
