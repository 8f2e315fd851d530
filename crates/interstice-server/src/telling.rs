//! What the engine did, told to `tracing`: at `debug` an event for each transaction, refused call and line of a module; at `trace` also a span
//! for each function that ran, inside of the one that called it, with an event for each host call.
//!
//! The engine does no I/O: what is told is made here of what it gave back. While nobody wants to know, that costs a look at the level.

use interstice::trace::{Kind, Span, spans};
use interstice_engine::engine::{Engine, Output, Request};
use interstice_engine::execution::LogLine;
use interstice_types::transaction::{Cause, Transaction};
use tracing::span::EnteredSpan;
use tracing::{Level, debug, debug_span, enabled, trace, trace_span};

/// What was asked for, kept while the engine does it because somebody wants to know.
pub(crate) struct Telling {
    what: &'static str,
    /// `module.function`, if that is known before it is done.
    function: String,
}

impl Telling {
    /// The engine is about to do what is asked for; `None` if nobody wants to know.
    #[inline]
    pub(crate) fn begin(engine: &mut Engine, request: &Request) -> Option<Self> {
        if enabled!(Level::DEBUG) { Some(Self::of(engine, request)) } else { None }
    }

    #[cold]
    fn of(engine: &mut Engine, request: &Request) -> Self {
        engine.set_tracing(enabled!(Level::TRACE));
        let (what, function) = match request {
            Request::Genesis { .. } => ("genesis", String::new()),
            Request::Configure => ("configure", String::new()),
            Request::Publish { loaded, .. } => ("publish", loaded.schema.module.clone()),
            Request::Call { module, function, .. } => ("call", format!("{module}.{function}")),
            Request::NextEvent => ("event", String::new()),
            Request::NextSchedule => ("schedule", String::new()),
            Request::Connect { .. } => ("connect", String::new()),
            Request::Disconnect { connection } => ("disconnect", connection.to_string()),
            Request::Control { action, schedule, .. } => ("control", format!("{} schedule {schedule}", action.name())),
        };
        Self { what, function }
    }

    /// The engine did it: tells what.
    #[cold]
    pub(crate) fn end(self, engine: &mut Engine, output: &Output) {
        engine.set_tracing(false);
        let steps = engine.take_trace().map_or_else(Vec::new, |trace| spans(&trace, engine.catalog()).1);
        match &output.transaction {
            Some(transaction) => tell_transaction(engine, transaction, (&steps, &output.log)),
            None => self.tell_call(output, &steps),
        }
    }

    /// What came to no transaction.
    fn tell_call(&self, output: &Output, steps: &[Span]) {
        let Self { what, function } = self;
        let _inside = debug_span!("no_transaction", cause = what, function, rests_on = output.rests_on).entered();
        tell_steps(steps);
        tell_lines(&output.log);
        match &output.reply {
            Ok(_) => debug!(outcome = "ok", changes = output.unlogged.changes.len(), "nothing for the log"),
            Err(problem) => debug!(outcome = "refused", code = &*problem.code, "{}", problem.message),
        }
    }
}

fn tell_transaction(engine: &Engine, transaction: &Transaction, (steps, log): (&[Span], &[LogLine])) {
    let Transaction { offset, cause, outcome, changes, work, .. } = transaction;
    let event_of = match cause {
        Cause::Event { event, .. } => Some(event.of),
        _ => None,
    };
    let function = engine.function_of(transaction);
    let _inside = debug_span!("transaction", offset, cause = cause.name(), event_of, function).entered();
    tell_steps(steps);
    tell_lines(log);
    let changes = changes.len();
    debug!(outcome = outcome.name(), fuel = work.fuel, host_calls = work.host_calls, changes, "transaction");
}

/// Functions inside of those that called them.
fn tell_steps(steps: &[Span]) {
    let mut open: Vec<(usize, EnteredSpan)> = Vec::new();
    for step in steps {
        // The innermost one is left first.
        while open.last().is_some_and(|(depth, _)| *depth >= step.depth) {
            open.pop();
        }
        let fuel = step.fuel();
        match &step.kind {
            Kind::Function { args, ending } => {
                let (module, function) = step.name.split_once('.').unwrap_or(("", &step.name));
                let call = trace_span!("call", module, function).entered();
                trace!(args_bytes = args, fuel, ending, "call");
                open.push((step.depth, call));
            }
            Kind::Host { position, given, back } => {
                trace!(name = &*step.name, position, given_bytes = given, back_bytes = back, "host call");
            }
            Kind::Code => {}
        }
    }
    while open.pop().is_some() {}
}

fn tell_lines(lines: &[LogLine]) {
    for LogLine { module, function, level, text, undone } in lines {
        debug!(module, function, level = LogLine::level_name(*level), undone, text, "line");
    }
}
