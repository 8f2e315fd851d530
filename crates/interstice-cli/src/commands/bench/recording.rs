//! What it costs to record why a transaction happened, which host calls it made and what the rows came to: each left out, in turn.

use super::figure::{self, Figure, figure};
use super::layers::{Bank, Length};
use super::median;
use crate::directory::loader;
use crate::failure::Failure;
use crate::report::Report;
use interstice_types::unrecorded::{Unrecorded, leave_out};

/// Transfers of a measurement.
const TRANSFERS: u64 = 200_000;
/// How often each is measured, in turn with all others.
const ROUNDS: usize = 15;

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
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut round = [0.0; CASES.len()];
        for (rate, (_, parts)) in round.iter_mut().zip(CASES) {
            // Rows are there from before, under digests of their own: a bank for each case.
            leave_out(parts);
            let bank = Bank::new(loader()?, artefact);
            *rate = pace(&mut bank?, Length::Transfers(TRANSFERS));
        }
        rounds.push(round);
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
