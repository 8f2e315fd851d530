//! A trace in the form of speedscope: one profile of events, functions that open and close.
//!
//! Its schema knows units of time and bytes only: the unit is `none`, and the name says that it is fuel.

use super::Recording;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'r> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    exporter: String,
    name: String,
    active_profile_index: usize,
    shared: Shared<'r>,
    profiles: [Profile; 1],
}

#[derive(Serialize)]
struct Shared<'r> {
    frames: Vec<Frame<'r>>,
}

#[derive(Serialize)]
struct Frame<'r> {
    name: &'r str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    r#type: &'static str,
    name: String,
    unit: &'static str,
    start_value: u64,
    end_value: u64,
    events: Vec<Event>,
}

/// A frame opens (`O`) or closes (`C`).
#[derive(Serialize)]
struct Event {
    r#type: &'static str,
    at: u64,
    frame: usize,
}

pub(super) fn render(recording: &Recording) -> String {
    let mut frames = Frames::default();
    let mut events = Vec::new();
    for (begin, traced) in recording.timed() {
        let mut open: Vec<(usize, u64)> = Vec::new();
        for span in &traced.spans {
            close(&mut open, span.depth, &mut events);
            let frame = frames.number(&span.name);
            events.push(Event { r#type: "O", at: begin + span.begin, frame });
            open.push((frame, begin + span.end));
        }
        close(&mut open, 0, &mut events);
    }
    let name = format!("interstice, {}", recording.title());
    let profile = Profile {
        r#type: "evented",
        name: name.clone(),
        unit: "none",
        start_value: 0,
        end_value: recording.fuel(),
        events,
    };
    let document = Document {
        schema: "https://www.speedscope.app/file-format-schema.json",
        exporter: format!("interstice@{}", env!("CARGO_PKG_VERSION")),
        name,
        active_profile_index: 0,
        shared: Shared { frames: frames.frames },
        profiles: [profile],
    };
    serde_json::to_string(&document).expect("invariant: events have a JSON form")
}

/// Closes all but the first `depth`, the innermost first.
fn close(open: &mut Vec<(usize, u64)>, depth: usize, events: &mut Vec<Event>) {
    events.extend(open.drain(depth..).rev().map(|(frame, at)| Event { r#type: "C", at, frame }));
}

/// Names, each once.
#[derive(Default)]
struct Frames<'r> {
    frames: Vec<Frame<'r>>,
    numbers: BTreeMap<&'r str, usize>,
}

impl<'r> Frames<'r> {
    fn number(&mut self, name: &'r str) -> usize {
        let next = self.frames.len();
        let number = *self.numbers.entry(name).or_insert(next);
        if number == next {
            self.frames.push(Frame { name });
        }
        number
    }
}
