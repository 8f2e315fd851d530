//! A transfer, layer by layer: in this process, then through a node.

use super::layers::{self, Bank, Length};
use super::sockets::{self, Load, Pace, RawSync, Target};
use super::{median, micros};
use crate::args::Layer;
use crate::directory::loader;
use crate::failure::Failure;
use crate::output::Output;
use crate::report::{Report, columns};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Transfers that recovery applies.
const RECOVERED: u64 = 300_000;
/// How often each layer of a node is measured; the median counts.
const ROUNDS: usize = 3;
/// How often the layers inside of one process are, in turn.
const LAYER_ROUNDS: usize = 5;
/// Calls in flight.
const WINDOWS: [u32; 4] = [1, 64, 512, 2_048];

/// One measured line.
struct Line {
    layer: String,
    /// Something a second.
    per_second: f64,
    /// Of one call at a time.
    p50: Option<Duration>,
}

/// Lines in order, and notes on the machine.
struct Measured {
    lines: Vec<Line>,
    /// The paces of [`Layer::ALL`], in each round.
    rounds: Vec<[f64; Layer::ALL.len()]>,
    span: Duration,
}

/// Measures all layers.
pub(super) fn run(artefact: &[u8], directory: &Path, span: Duration, output: &Output) -> Result<Report, Failure> {
    let mut measured = Measured { lines: Vec::new(), rounds: Vec::new(), span };
    let sync = measured.all(artefact, directory, output)?;
    Ok(measured.report(sync))
}

/// Measures one layer, once.
pub(super) fn run_layer(artefact: &[u8], layer: Layer, length: Length) -> Result<Report, Failure> {
    let mut measured = Measured { lines: Vec::new(), rounds: Vec::new(), span: Duration::ZERO };
    measured.add(name_of(layer), pace_of(layer, artefact, length)?, None);
    Ok(measured.report_of_lines(Vec::new()))
}

fn name_of(layer: Layer) -> &'static str {
    match layer {
        Layer::Plain => "plain structs in a BTreeMap",
        Layer::Store => "store only",
        Layer::Wasm => "in-process wasm, no log",
        Layer::Recovery => "recovery of logged transfers",
    }
}

/// Transfers a second.
fn pace_of(layer: Layer, artefact: &[u8], length: Length) -> Result<f64, Failure> {
    let bank = || -> Result<Bank, Failure> { Ok(Bank::new(loader()?, artefact)?) };
    Ok(match (layer, length) {
        (Layer::Plain, _) => layers::plain(length),
        (Layer::Store, _) => layers::store(length, &layers::accounts(artefact)?),
        (Layer::Wasm, _) => bank()?.transfers(length),
        (Layer::Recovery, Length::Transfers(count)) => bank()?.recovery(count),
        (Layer::Recovery, Length::Span(_)) => bank()?.recovery(RECOVERED),
    })
}

impl Measured {
    fn all(&mut self, artefact: &[u8], directory: &Path, output: &Output) -> Result<RawSync, Failure> {
        output.note("measuring: layers in this process");
        self.layers(artefact)?;
        output.note("measuring: the disk");
        let sync = sockets::raw_sync(directory).map_err(|error| Failure::file(directory, &error))?;
        output.note("measuring: a node in memory");
        let target = Target::start(None)?;
        target.publish(artefact)?;
        self.node(&target, "echo", Load::Echo)?;
        self.node(&target, "not durable", Load::Transfer)?;
        target.stop()?;
        output.note("measuring: a durable node");
        let data = directory.join("data");
        let target = Target::start(Some(&data))?;
        target.publish(artefact)?;
        self.node(&target, "durable", Load::Transfer)?;
        let http = median(&mut [target.http(self.span)?, target.http(self.span)?, target.http(self.span)?]);
        self.add("HTTP, durable, one at a time", http, None);
        target.stop()?;
        let fresh = directory.join("fresh");
        let target = Target::start(Some(&fresh))?;
        target.publish(artefact)?;
        target.stop()?;
        let start = sockets::start_to_first_call(&fresh)?;
        self.add("start to first call", 1.0 / start.as_secs_f64(), Some(start));
        Ok(sync)
    }

    fn layers(&mut self, artefact: &[u8]) -> Result<(), Failure> {
        for _ in 0..LAYER_ROUNDS {
            let mut round = [0.0; Layer::ALL.len()];
            for (pace, layer) in round.iter_mut().zip(Layer::ALL) {
                *pace = pace_of(layer, artefact, Length::Span(self.span))?;
            }
            self.rounds.push(round);
        }
        for (position, layer) in Layer::ALL.into_iter().enumerate() {
            let pace = median(&mut self.rounds.iter().map(|round| round[position]).collect::<Vec<_>>());
            self.add(name_of(layer), pace, None);
        }
        Ok(())
    }

    /// The median of `layer / other` over all rounds: the two of a round were measured one after the other, and whatever else
    /// the machine did meanwhile is in both.
    fn layer_ratio(&self, layer: Layer, other: Layer) -> f64 {
        median(&mut self.rounds.iter().map(|round| round[layer as usize] / round[other as usize]).collect::<Vec<_>>())
    }

    fn node(&mut self, target: &Target, what: &str, load: Load) -> Result<(), Failure> {
        for window in WINDOWS {
            let mut paces = Vec::new();
            for _ in 0..ROUNDS {
                paces.push(target.pace(load, window, self.span)?);
            }
            let Pace { per_second, p50 } = median(&mut paces);
            self.add(&format!("WebSocket {what}, {window} in flight"), per_second, p50);
        }
        Ok(())
    }

    fn add(&mut self, layer: &str, per_second: f64, p50: Option<Duration>) {
        self.lines.push(Line { layer: layer.to_owned(), per_second, p50 });
    }

    fn rate(&self, layer: &str) -> f64 {
        self.line(layer).per_second
    }

    fn line(&self, layer: &str) -> &Line {
        self.lines.iter().find(|line| line.layer == layer).expect("invariant: every layer was measured")
    }

    /// What the figures say of each other; each beside what it should be.
    fn ratios(&self, sync: RawSync) -> Vec<(&'static str, f64, &'static str)> {
        let echo = self.rate("WebSocket echo, 2048 in flight");
        let wasm = self.rate("in-process wasm, no log");
        let limit = 1.0 / (1.0 / echo + 1.0 / wasm);
        let durable = self.rate("WebSocket durable, 2048 in flight");
        let p50 = |layer| self.line(layer).p50.unwrap_or_default().as_secs_f64();
        let one = p50("WebSocket durable, 1 in flight") / (p50("WebSocket echo, 1 in flight") + sync.p50.as_secs_f64());
        vec![
            ("store only, in plain structs", self.layer_ratio(Layer::Plain, Layer::Store), "at most 4"),
            ("in-process wasm, of store only", self.layer_ratio(Layer::Wasm, Layer::Store), "at least 0.4"),
            ("one durable call, in echo + raw sync", one, "at most 2"),
            (
                "durable, of not durable, at 2048",
                durable / self.rate("WebSocket not durable, 2048 in flight"),
                "at least 0.6",
            ),
            ("durable, of 1/(1/echo + 1/wasm), at 2048", durable / limit, "at least 0.3"),
            ("recovery, a second", self.rate("recovery of logged transfers"), "at least 300000"),
        ]
    }

    fn report(&self, sync: RawSync) -> Report {
        let ratios = self.ratios(sync);
        let mut below = vec![["ratio", "is", "should be"].map(str::to_owned).to_vec()];
        below.extend(
            ratios.iter().map(|(name, is, should)| vec![(*name).to_owned(), format!("{is:.2}"), (*should).to_owned()]),
        );
        let ratios: Vec<_> =
            ratios.iter().map(|(name, is, should)| json!({"ratio": name, "is": is, "should_be": should})).collect();
        let spans = [("min", sync.min), ("p50", sync.p50), ("p99", sync.p99), ("max", sync.max)];
        let raw = |(name, span)| vec![format!("raw write and sync of 4 KiB, {name}"), String::new(), micros(span)];
        let Report { mut document, text, .. } = self.report_of_lines(spans.map(raw).to_vec());
        document["raw_sync_us"] = spans.iter().map(|(name, span)| (*name, span.as_secs_f64() * 1e6)).collect();
        document["ratios"] = json!(ratios);
        Report::new(document, format!("{text}\n\n{}", columns(&below))).items("lines")
    }

    fn report_of_lines(&self, more: Vec<Vec<String>>) -> Report {
        let mut table = vec![["layer", "per second", "each", "p50"].map(str::to_owned).to_vec()];
        table.extend(self.lines.iter().map(|line| {
            let each = micros(Duration::from_secs_f64(1.0 / line.per_second));
            vec![line.layer.clone(), format!("{:.0}", line.per_second), each, line.p50.map(micros).unwrap_or_default()]
        }));
        table.extend(more);
        let lines: Vec<Value> = self.lines.iter().map(line_json).collect();
        let document = json!({ "schema": "interstice.bench/v1", "scenario": "transfer", "lines": lines });
        Report::new(document, columns(&table)).items("lines")
    }
}

fn line_json(line: &Line) -> Value {
    let p50 = line.p50.map(|span| span.as_secs_f64() * 1e6);
    json!({ "layer": line.layer, "per_second": line.per_second, "p50_us": p50 })
}
