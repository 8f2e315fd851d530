//! What was measured, each beside what it should be.

use crate::report::{Report, columns};
use serde_json::{Value, json};

/// Something measured: what, its unit, and what it should be.
pub(super) struct Figure {
    pub(super) what: String,
    pub(super) is: f64,
    pub(super) unit: &'static str,
    pub(super) should_be: &'static str,
}

pub(super) fn figure(what: impl Into<String>, is: f64, unit: &'static str, should_be: &'static str) -> Figure {
    Figure { what: what.into(), is, unit, should_be }
}

/// All figures of a scenario.
pub(super) fn report(scenario: &str, figures: &[Figure]) -> Report {
    let mut table = vec![["measure", "is", "unit", "should be"].map(str::to_owned).to_vec()];
    table.extend(figures.iter().map(|figure| {
        let Figure { what, is, unit, should_be } = figure;
        let is = if *is < 100.0 { format!("{is:.2}") } else { format!("{is:.0}") };
        vec![what.clone(), is, (*unit).to_owned(), (*should_be).to_owned()]
    }));
    let figures: Vec<Value> = figures
        .iter()
        .map(|figure| {
            let Figure { what, is, unit, should_be } = figure;
            json!({"measure": what, "is": is, "unit": unit, "should_be": should_be})
        })
        .collect();
    let document = json!({"schema": "interstice.bench/v1", "scenario": scenario, "lines": figures});
    Report::new(document, columns(&table)).items("lines")
}
