//! `bench`: how fast it is, in one run; medians of several rounds, ratios of what was measured in turn.

mod figure;
mod history;
mod layers;
mod log;
#[cfg(feature = "unrecorded")]
mod recording;
mod sockets;
mod transfer;

use crate::args::{Bench, Scenario};
use crate::failure::Failure;
use crate::output::Output;
use crate::project;
use crate::report::Report;
use layers::Length;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) fn run(options: &Bench, output: &Output) -> Result<Report, Failure> {
    let path = options.module.clone().unwrap_or_else(|| PathBuf::from("examples/bank"));
    let artefact = project::artefact_at(&path, None, output)?;
    let span = Duration::try_from_secs_f64(options.duration).map_err(|error| {
        Failure::usage(format!("`--duration {}`: {error}", options.duration), "give seconds, as in `--duration 3`")
    })?;
    if let Some(layer) = options.layer {
        return transfer::run_layer(&artefact, layer, options.transfers.map_or(Length::Span(span), Length::Transfers));
    }
    let directory = options.data.clone().unwrap_or_else(|| PathBuf::from(".interstice-bench"));
    in_directory(&directory, || match options.scenario {
        Scenario::Transfer => transfer::run(&artefact, &directory, span, output),
        Scenario::Log => log::run(&artefact, &directory, span, output),
        Scenario::History => history::run(&artefact, &directory, output),
        #[cfg(feature = "unrecorded")]
        Scenario::Recording => recording::run(&artefact),
    })
}

/// Makes the directory for the time of `work`.
fn in_directory(directory: &Path, work: impl FnOnce() -> Result<Report, Failure>) -> Result<Report, Failure> {
    if directory.exists() {
        let hint = "name another one with `--data`, or remove it";
        return Err(Failure::usage(format!("`{}` is there already", directory.display()), hint));
    }
    std::fs::create_dir_all(directory).map_err(|error| Failure::file(directory, &error))?;
    let result = work();
    // What was written only served to be measured.
    std::fs::remove_dir_all(directory).map_err(|error| Failure::file(directory, &error))?;
    result
}

fn micros(span: Duration) -> String {
    format!("{:.1} µs", span.as_secs_f64() * 1e6)
}

/// The median of measurements, of which there is one at least.
fn median<T: Copy + PartialOrd>(values: &mut [T]) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).expect("invariant: what is measured is a number"));
    values[values.len() / 2]
}
