//! A trace as stacks with their fuel: as lines, and as a flame graph.

use super::Recording;
use crate::failure::Failure;
use inferno::flamegraph::{self, Options};
use interstice::trace::Span;
use interstice_types::problem::Problem;
use std::collections::BTreeMap;

/// Widest picture, in pixels, for stacks that are narrow in it.
const WIDTH: usize = 1_600;

/// `bank.transfer;interstice_call;bank::transfer;get account 148`: each stack once, in the order of the alphabet.
pub(super) fn folded(recording: &Recording) -> String {
    lines(recording).join("\n")
}

/// A picture of them.
pub(super) fn flame(recording: &Recording) -> Result<String, Failure> {
    let lines = lines(recording);
    let failed = |error: std::io::Error| {
        let hint = "only publishes, calls, events and schedules run functions: take more with `--from` and `--to`";
        Problem::new("nothing-recorded", format!("there is nothing to draw: {error}")).hint(hint)
    };
    let mut options = Options::default();
    "What transactions did".clone_into(&mut options.title);
    options.subtitle = Some(recording.title());
    "fuel".clone_into(&mut options.count_name);
    options.deterministic = true;
    options.image_width = Some(WIDTH);
    let mut picture = Vec::new();
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut picture).map_err(failed)?;
    Ok(String::from_utf8(picture).expect("invariant: a picture is text"))
}

fn lines(recording: &Recording) -> Vec<String> {
    let mut stacks: BTreeMap<String, u64> = BTreeMap::new();
    for traced in &recording.transactions {
        let own = own_fuel(&traced.spans);
        let mut open: Vec<String> = Vec::new();
        for (span, own) in traced.spans.iter().zip(own) {
            open.truncate(span.depth);
            // What parts frames stands in none of them.
            let frame = span.name.replace(';', ":");
            open.push(open.last().map_or_else(|| frame.clone(), |above| format!("{above};{frame}")));
            if own > 0 {
                *stacks.entry(open[span.depth].clone()).or_default() += own;
            }
        }
    }
    stacks.into_iter().map(|(stack, fuel)| format!("{stack} {fuel}")).collect()
}

/// Of each span its fuel without that of those inside of it.
fn own_fuel(spans: &[Span]) -> Vec<u64> {
    let mut own: Vec<_> = spans.iter().map(Span::fuel).collect();
    let mut open: Vec<usize> = Vec::new();
    for (number, span) in spans.iter().enumerate() {
        open.truncate(span.depth);
        if let Some(above) = open.last() {
            own[*above] -= span.fuel();
        }
        open.push(number);
    }
    own
}
