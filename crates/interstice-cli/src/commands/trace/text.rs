//! A trace for people: when in fuel each step began, how much it and what is inside of it took, and what it is.

use super::Recording;
use interstice::trace::{Kind, Span};
use std::fmt::Write;

/// What a row is about.
const HEAD: &str = "     begin       fuel";

pub(super) fn render(recording: &Recording) -> String {
    let mut text = format!("{HEAD}  ({})\n", recording.title());
    for traced in &recording.transactions {
        let cause = match traced.event_of {
            Some(of) => format!("{} of {of}", traced.cause),
            None => traced.cause.to_owned(),
        };
        let line = format!(
            "offset {}  {}  {cause}  {}  {}  {} fuel",
            traced.offset, traced.time, traced.function, traced.outcome, traced.fuel
        );
        writeln!(text, "{line}").expect("invariant: a string takes all");
        traced.spans.iter().for_each(|span| writeln!(text, "{}", row(span)).expect("invariant: a string takes all"));
    }
    text.pop();
    text
}

fn row(span: &Span) -> String {
    let details = match &span.kind {
        Kind::Function { args, ending } => format!("  {args} bytes  {ending}"),
        Kind::Code => String::new(),
        Kind::Host { position, given, back } => format!("  #{position}  {given} bytes → {back}"),
    };
    format!("{:>10} {:>10}  {:indent$}{}{details}", span.begin, span.fuel(), "", span.name, indent = 2 * span.depth)
}
