//! What it costs to record why a transaction happened, which host calls it made and what the rows came to: each left out, in turn.

use super::figure::{self, Figure, figure};
use super::layers::{Bank, Length};
use super::median;
use crate::directory::loader;
use crate::failure::Failure;
use crate::report::Report;
use interstice_types::unrecorded::{Unrecorded, leave_out};
use std::sync::Arc;

/// Transfers of a measurement: so few that whatever else the machine does meanwhile meets all cases alike.
const TRANSFERS: u64 = 20_000;
/// How often each is measured, in turn with all others, each as often first as last.
const ROUNDS: usize = 20 * CASES.len();

/// What is left out, and how that is called.
const CASES: [(&str, &[Unrecorded]); 5] = [
    ("nothing", &[]),
    ("the cause", &[Unrecorded::Cause]),
    ("the hash of host calls", &[Unrecorded::HostHash]),
    ("the digest", &[Unrecorded::Digest]),
    ("all three", &Unrecorded::ALL),
];

pub(super) fn run(artefact: &[u8]) -> Result<Report, Failure> {
    let mut figures = Vec::new();
    measure("transfers, in-process wasm, no log", artefact, Bank::transfers, &mut figures)?;
    measure("the same with each record as bytes", artefact, Bank::recorded_transfers, &mut figures)?;
    Ok(figure::report("recording", &figures))
}

fn measure(
    what: &str,
    artefact: &[u8],
    pace: impl Fn(&mut Bank, Length) -> f64,
    figures: &mut Vec<Figure>,
) -> Result<(), Failure> {
    let loader = loader()?;
    // Rows have their digests from when they came: a bank for each case, with the same code.
    let banks = CASES.iter().map(|(_, parts)| {
        leave_out(parts);
        Bank::new(Arc::clone(&loader), artefact)
    });
    let mut banks = banks.collect::<Result<Vec<_>, _>>()?;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let mut rates = [0.0; CASES.len()];
        for turn in 0..CASES.len() {
            let case = (round + turn) % CASES.len();
            leave_out(CASES[case].1);
            rates[case] = pace(&mut banks[case], Length::Transfers(TRANSFERS));
        }
        rounds.push(rates);
    }
    leave_out(&[]);
    figures.push(figure(what, median(&mut rounds.iter().map(|round| round[0]).collect::<Vec<_>>()), "a second", ""));
    for (case, (name, _)) in CASES.iter().enumerate().skip(1) {
        let cost = |round: &[f64; CASES.len()]| 100.0 * (1.0 - round[0] / round[case]);
        let limit = if case + 1 == CASES.len() { "at most 15" } else { "" };
        let text = format!("{what}: what {name} costs of the pace without");
        figures.push(figure(text, median(&mut rounds.iter().map(cost).collect::<Vec<_>>()), "%", limit));
    }
    Ok(())
}
