//! `bench`: how fast each layer is, in one run.

mod layers;

use crate::args::{Bench, Scenario};
use crate::directory::loader;
use crate::failure::Failure;
use crate::output::Output;
use crate::project;
use crate::report::{Report, columns};
use interstice_types::problem::Problem;
use layers::Bank;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Transfers that recovery applies.
const RECOVERED: usize = 300_000;
/// How often each layer is measured; the median counts.
const ROUNDS: usize = 3;

pub(crate) fn run(options: &Bench, output: &Output) -> Result<Report, Failure> {
    let Scenario::Transfer = options.scenario;
    let path = options.module.clone().unwrap_or_else(|| PathBuf::from("examples/bank"));
    let artefact = project::artefact_at(Path::new(&path), None, output)?;
    let span = Duration::try_from_secs_f64(options.duration).map_err(|error| {
        Failure::usage(format!("`--duration {}`: {error}", options.duration), "give seconds, as in `--duration 3`")
    })?;
    let mut bank = Bank::new(loader()?, &artefact)?;
    let accounts = bank.accounts().ok_or_else(|| {
        Problem::new("not-the-bank", format!("`{}` has no table `bank.account`", path.display()))
            .hint("interstice bench transfer --module examples/bank")
    })?;
    let plain = median(|| layers::plain(span));
    let store = median(|| layers::store(span, &accounts));
    let module = median(|| bank.transfers(span));
    let recovery = Bank::new(loader()?, &artefact)?.recovery(RECOVERED);
    let rows = [
        ("plain structs in a BTreeMap", plain),
        ("store only", store),
        ("in-process wasm, no log", module),
        ("recovery of logged transfers", recovery),
    ];
    let mut table = vec![["layer", "per second", "ns"].map(str::to_owned).to_vec()];
    table.extend(
        rows.iter().map(|(layer, rate)| vec![(*layer).to_owned(), format!("{rate:.0}"), format!("{:.0}", 1e9 / rate)]),
    );
    let text = format!(
        "{}\n\nstore only is {:.2} × plain structs; in-process wasm reaches {:.2} of store only",
        columns(&table),
        plain / store,
        module / store
    );
    let layers: Vec<_> = rows.iter().map(|(layer, rate)| json!({ "layer": layer, "per_second": rate })).collect();
    Ok(Report::new(json!({ "schema": "interstice.bench/v1", "scenario": "transfer", "layers": layers }), text)
        .items("layers"))
}

/// The median of some measurements.
fn median(mut measure: impl FnMut() -> f64) -> f64 {
    let mut rates: Vec<_> = (0..ROUNDS).map(|_| measure()).collect();
    rates.sort_by(f64::total_cmp);
    rates[ROUNDS / 2]
}
