//! The steps of an execution as spans inside of each other.
//!
//! 1. Steps and what code inside of modules did between them are walked over in the order in which they happened.
//! 2. The clock is the fuel that was burnt since the execution began: what a function that nobody called had when it began, less what
//!    is left now, behind what others before it burnt.
//! 3. A function that ends takes those inside of it along: code that broke says no end.

use interstice_engine::catalog::Catalog;
use interstice_engine::execution::HostCall;
use interstice_engine::execution::trace::{Bytes, CodeStep, Ending, HostStep, Step, Trace};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A stretch of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// `module.function`; of code inside of a module what that calls it; of a host call its name, with its table if it has one.
    pub name: Arc<str>,
    /// What it is.
    pub kind: Kind,
    /// Spans that it is inside of.
    pub depth: usize,
    /// Fuel that was burnt before it, since the transaction began.
    pub begin: u64,
    /// Fuel that was burnt at its end.
    pub end: u64,
}

/// What a span is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A function of a module.
    Function {
        /// Bytes of its arguments.
        args: usize,
        /// `ok`, or the code of what it failed with; `error` of its own error.
        ending: String,
    },
    /// A function inside of a module.
    Code,
    /// A host call.
    Host {
        /// Its number in the transaction, from 0.
        position: u64,
        /// Bytes that it was given.
        given: usize,
        /// Bytes that it gave back.
        back: usize,
    },
}

impl Span {
    /// Fuel that was burnt in it and inside of it.
    pub fn fuel(&self) -> u64 {
        self.end - self.begin
    }
}

/// The fuel and the spans of `trace`, made with the modules of `catalog`.
pub fn spans(trace: &Trace, catalog: &Catalog) -> (u64, Vec<Span>) {
    let mut walk = Walk {
        catalog,
        names: BTreeMap::new(),
        clock: Clock::default(),
        spans: Vec::new(),
        open: Vec::new(),
        is_new: false,
    };
    let mut code = trace.code.iter().peekable();
    for (number, step) in trace.steps.iter().enumerate() {
        while let Some(inside) = code.next_if(|inside| inside.behind <= number) {
            walk.code(inside);
        }
        walk.step(step);
        walk.is_new = false;
    }
    code.for_each(|inside| walk.code(inside));
    assert!(walk.open.is_empty(), "invariant: every function has ended");
    (walk.clock.now, walk.spans)
}

/// Fuel that was burnt.
#[derive(Default)]
struct Clock {
    now: u64,
    /// What there was, less what was burnt before, when the outermost function began.
    filled: u64,
}

impl Clock {
    /// The outermost function begins with so much.
    fn fill(&mut self, fuel: u64) {
        self.filled = self.now + fuel;
    }

    /// So much is left.
    fn left(&mut self, fuel: u64) -> u64 {
        self.now = self.now.max(self.filled.saturating_sub(fuel));
        self.now
    }
}

struct Walk<'c> {
    catalog: &'c Catalog,
    /// Of code inside of modules, by the module's position and its number.
    names: BTreeMap<(usize, u32), Arc<str>>,
    clock: Clock,
    spans: Vec<Span>,
    open: Vec<Open>,
    /// Whether what happened last is that code inside of a module began.
    is_new: bool,
}

/// A span that has not ended.
#[derive(Clone, Copy)]
struct Open {
    span: usize,
    /// Of a function of a module, which: its position and its number.
    function: Option<(usize, u32)>,
}

impl Walk<'_> {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Enter { module, function, args, fuel } => {
                if self.open.is_empty() {
                    self.clock.fill(*fuel);
                }
                let name = self.catalog.at(*module, *function).full_name();
                let kind = Kind::Function { args: size(args), ending: String::new() };
                self.begin((name.into(), kind), *fuel, Some((*module, *function)));
            }
            Step::Host(host) => self.host(host),
            Step::Leave { ending, fuel } => {
                while let Some(open) = self.open.last() {
                    let is_function = open.function.is_some();
                    if is_function && let Kind::Function { ending: said, .. } = &mut self.spans[open.span].kind {
                        *said = ending_text(ending);
                    }
                    self.end(*fuel);
                    if is_function {
                        break;
                    }
                }
            }
        }
    }

    fn code(&mut self, step: &CodeStep) {
        self.is_new = step.function.is_some();
        let Some(function) = step.function else { return self.end(step.fuel) };
        let (module, _) = self.running();
        let catalog = self.catalog;
        let name = self.names.entry((module, function)).or_insert_with(|| {
            let factory = catalog.modules()[module].factory.as_ref();
            let name = factory.and_then(|factory| factory.code_name(function));
            name.unwrap_or_else(|| format!("function {function}")).into()
        });
        let name = Arc::clone(name);
        self.begin((name, Kind::Code), step.fuel, None);
    }

    /// A host call is what the code that called it just said that begins; where code says nothing it stands by itself.
    fn host(&mut self, step: &HostStep) {
        let back = step.results.iter().map(|(_, bytes)| size(bytes)).sum();
        let kind = Kind::Host { position: step.position, given: size(&step.bytes), back };
        let name: Arc<str> = match self.table_of(step) {
            Some(table) => format!("{} {table}", step.call.name()).into(),
            None => step.call.name().into(),
        };
        if self.is_new {
            let span = self.spans.last_mut().expect("invariant: what began has a span");
            (span.name, span.kind) = (name, kind);
            return;
        }
        self.begin((name, kind), step.fuel, None);
        self.end(step.fuel);
    }

    /// The table that a host call is about, where its number is a handle or begins with one.
    fn table_of(&self, step: &HostStep) -> Option<String> {
        let handle = match step.call {
            HostCall::Insert | HostCall::Update | HostCall::Delete | HostCall::Count | HostCall::DeleteWhere => {
                step.number
            }
            HostCall::Get | HostCall::ScanOpen => step.number >> 16,
            HostCall::ScanNext
            | HostCall::ScanClose
            | HostCall::Call
            | HostCall::Log
            | HostCall::Schedule
            | HostCall::Cancel => return None,
        };
        let (module, function) = self.running();
        let declared =
            self.catalog.at(module, function).function().schema.handles.get(usize::try_from(handle).ok()?)?;
        Some(match &declared.table.module {
            Some(module) => format!("{module}.{}", declared.table.table),
            None => declared.table.table.clone(),
        })
    }

    fn running(&self) -> (usize, u32) {
        let running = self.open.iter().rev().find_map(|open| open.function);
        running.expect("invariant: code and host calls are a function's")
    }

    fn begin(&mut self, (name, kind): (Arc<str>, Kind), fuel: u64, function: Option<(usize, u32)>) {
        let (begin, depth) = (self.clock.left(fuel), self.open.len());
        self.open.push(Open { span: self.spans.len(), function });
        self.spans.push(Span { name, kind, depth, begin, end: begin });
    }

    fn end(&mut self, fuel: u64) {
        let open = self.open.pop().expect("invariant: what ends has begun");
        self.spans[open.span].end = self.clock.left(fuel);
    }
}

fn size(bytes: &Bytes) -> usize {
    match bytes {
        Bytes::Kept(bytes) => bytes.len(),
        Bytes::Dropped(size) => *size,
    }
}

fn ending_text(ending: &Ending) -> String {
    match ending {
        Ending::Ok(_) => "ok".to_owned(),
        Ending::Returned(_) => "error".to_owned(),
        Ending::Refused(code) | Ending::Trapped(code) => code.clone(),
    }
}
