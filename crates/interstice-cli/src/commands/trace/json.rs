//! A trace as a document of its own: everything that is known of each step.

use super::Recording;
use interstice::trace::{Kind, Span, Traced};
use interstice_engine::rerun::Likeness;
use serde_json::{Value as Json, json};

/// `interstice.trace/v1`
pub(super) fn document(recording: &Recording) -> Json {
    json!({
        "schema": "interstice.trace/v1",
        "unit": "fuel",
        "from": recording.from.to_string(),
        "to": recording.to.to_string(),
        "fuel": recording.fuel().to_string(),
        "transactions": recording.transactions.iter().map(transaction).collect::<Vec<_>>(),
    })
}

fn transaction(traced: &Traced) -> Json {
    json!({
        "offset": traced.offset.to_string(),
        "time": traced.time.to_string(),
        "cause": traced.cause,
        "function": traced.function,
        "caller": traced.caller.map(|caller| caller.to_string()),
        "event_of": traced.event_of.map(|of| of.to_string()),
        "outcome": traced.outcome,
        "fuel": traced.fuel.to_string(),
        "recorded_fuel": traced.recorded_fuel.to_string(),
        "likeness": match traced.likeness {
            Likeness::Same => "same",
            Likeness::Otherwise => "otherwise",
            Likeness::Unavailable(_) => "unavailable",
        },
        "left_out": traced.left_out,
        "spans": traced.spans.iter().map(span).collect::<Vec<_>>(),
    })
}

fn span(span: &Span) -> Json {
    let mut told = json!({
        "name": &*span.name, "depth": span.depth, "begin": span.begin, "fuel": span.fuel(), "kind": kind_name(&span.kind)
    });
    let more = details(&span.kind);
    told.as_object_mut().expect("invariant: an object").extend(more.as_object().cloned().unwrap_or_default());
    told
}

/// What a span is.
pub(super) fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Function { .. } => "function",
        Kind::Code => "code",
        Kind::Host { .. } => "host-call",
    }
}

/// What there is to know of a span beside its name and its fuel.
pub(super) fn details(kind: &Kind) -> Json {
    match kind {
        Kind::Function { args, ending } => json!({"args_bytes": args, "ending": ending}),
        Kind::Code => json!({}),
        Kind::Host { position, given, back } => {
            json!({"host_call": position, "given_bytes": given, "back_bytes": back})
        }
    }
}
