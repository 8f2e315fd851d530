//! What an execution did, step by step, for those who want to know: functions entered and left, host calls with their bytes.
//!
//! It is kept as bytes and numbers; what they stand for is said beside a catalog and a store. Kept only on request: on the path of a
//! call it costs a look at whether it is wanted.

use super::host_hash::HostCall;
use crate::module::CallError;

/// Bytes of arguments and results that a trace keeps; of what comes behind that only sizes are known.
pub const MAX_TRACE_SIZE: usize = 64 << 20;
/// Functions inside of modules whose beginning a trace keeps; those behind them count for the one that called them.
pub const MAX_CODE_STEPS: usize = 1 << 20;

/// The steps of an execution, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// In order.
    pub steps: Vec<Step>,
    /// What the code inside of modules did between them, where a module says so; in order.
    pub code: Vec<CodeStep>,
    /// Calls of functions inside of modules that are not kept.
    pub code_left_out: u64,
    /// How many of those still run: of the function that runs, those that wait for it in front.
    unkept: Vec<u64>,
    /// Host calls so far.
    host_calls: u64,
    /// Changes of the transaction before the next host call.
    changes: usize,
    size: usize,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A function began.
    Enter {
        /// The module's position in the catalog.
        module: usize,
        /// The function's number.
        function: u32,
        /// Argument bytes.
        args: Bytes,
        /// Fuel that was left.
        fuel: u64,
    },
    /// The running function asked its host for something.
    Host(HostStep),
    /// The running function ended.
    Leave {
        /// How.
        ending: Ending,
        /// Fuel that was left.
        fuel: u64,
    },
}

/// A function inside of a module began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeStep {
    /// How many steps come before it.
    pub behind: usize,
    /// Its number in the module's code, if it began; `None` if the last one that began and has not ended did.
    pub function: Option<u32>,
    /// Fuel that was left.
    pub fuel: u64,
}

/// How a function ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// With these answer bytes.
    Ok(Bytes),
    /// With its typed error; what it wrote was undone.
    Returned(Bytes),
    /// A rule said no, with this code; what it wrote was undone.
    Refused(String),
    /// It broke, with this code, and the transaction with it.
    Trapped(String),
}

/// A host call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostStep {
    /// Its number in the transaction, from 0.
    pub position: u64,
    /// Which.
    pub call: HostCall,
    /// The number that it was given: a handle, an index with it, a function, a scan.
    pub number: u64,
    /// The bytes that it was given.
    pub bytes: Bytes,
    /// What it gave back, in order: numbers with bytes.
    pub results: Vec<(u64, Bytes)>,
    /// Fuel that was left when it began, what the call itself costs taken off.
    pub fuel: u64,
    /// Changes that the transaction had made before it.
    pub changes: usize,
}

/// Bytes, or only how many there were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bytes {
    /// All of them.
    Kept(Vec<u8>),
    /// So many, which are not kept: the trace is full.
    Dropped(usize),
}

impl Bytes {
    /// The bytes, if they are kept.
    pub fn kept(&self) -> Option<&[u8]> {
        match self {
            Self::Kept(bytes) => Some(bytes),
            Self::Dropped(_) => None,
        }
    }
}

impl Trace {
    /// The host calls.
    pub fn host_calls(&self) -> impl Iterator<Item = &HostStep> {
        self.steps.iter().filter_map(|step| match step {
            Step::Host(step) => Some(step),
            Step::Enter { .. } | Step::Leave { .. } => None,
        })
    }

    /// The host call that made the change number `change` of the transaction, if one did: the last one before which it was not made.
    pub fn maker_of(&self, change: usize) -> Option<&HostStep> {
        self.host_calls().take_while(|step| step.changes <= change).last()
    }

    /// The transaction has made so many changes before the next host call.
    pub(super) fn set_changes(&mut self, changes: usize) {
        self.changes = changes;
    }

    #[cold]
    pub(super) fn enter(&mut self, (module, function): (usize, u32), args: &[u8], fuel: u64) {
        let args = self.keep(args);
        self.unkept.push(0);
        self.steps.push(Step::Enter { module, function, args, fuel });
    }

    #[cold]
    pub(super) fn leave(&mut self, result: &Result<Vec<u8>, CallError>, fuel: u64) {
        let ending = match result {
            Ok(answer) => Ending::Ok(self.keep(answer)),
            Err(CallError::Returned(error)) => Ending::Returned(self.keep(error)),
            Err(CallError::Refused(problem)) => Ending::Refused(problem.code.to_string()),
            Err(CallError::Trapped(problem)) => Ending::Trapped(problem.code.to_string()),
        };
        self.unkept.pop();
        self.steps.push(Step::Leave { ending, fuel });
    }

    /// The function `function` inside of the running module began.
    #[cold]
    pub(super) fn enter_code(&mut self, function: u32, fuel: u64) {
        if self.code.len() >= MAX_CODE_STEPS {
            self.code_left_out += 1;
            self.unkept.iter_mut().last().into_iter().for_each(|unkept| *unkept += 1);
            return;
        }
        self.code.push(CodeStep { behind: self.steps.len(), function: Some(function), fuel });
    }

    /// The function inside of the running module that began last ended.
    #[cold]
    pub(super) fn leave_code(&mut self, fuel: u64) {
        match self.unkept.last_mut() {
            Some(unkept) if *unkept > 0 => *unkept -= 1,
            _ => self.code.push(CodeStep { behind: self.steps.len(), function: None, fuel }),
        }
    }

    #[cold]
    pub(super) fn host_call(&mut self, (call, number): (HostCall, u64), bytes: &[u8], fuel: u64) {
        let (position, changes, bytes) = (self.host_calls, self.changes, self.keep(bytes));
        self.host_calls += 1;
        self.steps.push(Step::Host(HostStep { position, call, number, bytes, results: Vec::new(), fuel, changes }));
    }

    /// The last host call of the running function gave this back: what a function that it called did lies between.
    #[cold]
    pub(super) fn result(&mut self, number: u64, bytes: &[u8]) {
        let bytes = self.keep(bytes);
        let mut inside = 0_usize;
        let last = self.steps.iter_mut().rev().find_map(|step| match step {
            Step::Leave { .. } => {
                inside += 1;
                None
            }
            Step::Enter { .. } => {
                inside -= 1;
                None
            }
            Step::Host(step) => (inside == 0).then_some(step),
        });
        last.expect("invariant: a result is a host call's").results.push((number, bytes));
    }

    fn keep(&mut self, bytes: &[u8]) -> Bytes {
        if self.size + bytes.len() > MAX_TRACE_SIZE {
            return Bytes::Dropped(bytes.len());
        }
        self.size += bytes.len();
        Bytes::Kept(bytes.to_vec())
    }
}
