//! Modules of this process: their code on this thread, the engine's execution as their host.

use super::former;
use crate::host::{Refused, Status};
use crate::native::{Ending, HOST, Host};
use crate::registry::{self, Package};
use interstice_abi::header::{Header, ScanRequest};
use interstice_engine::execution::{self, Execution, HostError, IndexId};
use interstice_engine::module::{Call, CallError, LoadError, Loaded, Module, ModuleFactory, ModuleLoader};
use interstice_types::id::ScheduleId;
use interstice_types::problem::Problem;
use interstice_types::time::Timestamp;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Stands in front of the crate's name in what is stored as a native module's artefact.
const ARTEFACT_PREFIX: &str = "native:";

/// What is stored as the artefact of a native module.
pub(super) fn artefact_of(package: Package) -> Vec<u8> {
    format!("{ARTEFACT_PREFIX}{}", package.name).into_bytes()
}

/// Finds the modules of this process by their artefacts.
pub(super) struct NativeLoader;

impl ModuleLoader for NativeLoader {
    fn load(&self, artefact: &[u8]) -> Result<Loaded, LoadError> {
        if let Some(former) = former::load(artefact) {
            return former;
        }
        let name = std::str::from_utf8(artefact).ok().and_then(|text| text.strip_prefix(ARTEFACT_PREFIX));
        let package = registry::packages().into_iter().find(|package| Some(package.name) == name);
        let unknown = || LoadError { problem: Problem::new("invalid-artefact", "no crate here has this artefact") };
        let package = package.ok_or_else(unknown)?;
        registry::assign_numbers();
        Ok(Loaded { schema: registry::describe(package), factory: Arc::new(NativeModule { package: package.name }) })
    }
}

#[derive(Clone, Copy)]
struct NativeModule {
    package: &'static str,
}

impl ModuleFactory for NativeModule {
    fn instantiate(&self) -> Result<Box<dyn Module>, LoadError> {
        Ok(Box::new(*self))
    }
}

impl Module for NativeModule {
    fn call(&mut self, call: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
        let context = &call.context;
        let header = Header {
            now: context.now,
            caller: context.caller,
            seed: context.seed,
            stream: context.stream,
            offset_hint: context.offset_hint,
            calling_module: context.calling_module.unwrap_or_default(),
        };
        let host = EngineHost { execution: Some(execution), refused: None };
        let outer = HOST.replace(Some(Box::new(host)));
        let run = || registry::dispatch(Some(self.package), call.function, &header, call.args);
        let outcome = catch_unwind(AssertUnwindSafe(run));
        let host: Box<dyn Any> = HOST.replace(outer).expect("invariant: a host is put back whatever it was asked");
        let host = host.downcast::<EngineHost>().expect("invariant: the host that was put there");
        let execution = host.execution.expect("invariant: an execution comes back from every nested call");
        let result = match outcome {
            Ok(Some(answer)) => answer.map_err(CallError::Returned),
            Ok(None) => Err(trapped("trap", format!("the module has no function number {}", call.function))),
            Err(panic) => Err(ending_of(panic)),
        };
        (execution, result)
    }
}

fn trapped(code: &'static str, message: String) -> CallError {
    CallError::Trapped(Problem::new(code, message))
}

/// How a call ended that unwound: by its host, or by a panic of its own.
fn ending_of(panic: Box<dyn Any + Send>) -> CallError {
    panic.downcast::<CallError>().map_or_else(
        |panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            trapped("panic", text.unwrap_or_else(|| "a panic without a message".to_owned()))
        },
        |ending| *ending,
    )
}

/// An execution as the host of native code.
struct EngineHost {
    /// Elsewhere while another module runs.
    execution: Option<Box<Execution>>,
    refused: Option<Problem>,
}

impl EngineHost {
    fn execution(&mut self) -> &mut Execution {
        self.execution.as_mut().expect("invariant: a module that runs has its execution")
    }

    /// Tells a refusal, which the module may handle, from what ends the call.
    fn settle<T>(&mut self, result: Result<T, HostError>) -> Result<Result<T, Refused>, Ending> {
        match result {
            Ok(value) => Ok(Ok(value)),
            Err(HostError::Refused(problem)) => {
                self.refused = Some(problem);
                Ok(Err(Refused))
            }
            Err(HostError::Trapped(problem)) => Err(end(CallError::Trapped(problem))),
        }
    }

    /// For what cannot be handled.
    fn insist<T>(&mut self, result: Result<T, HostError>) -> Result<T, Ending> {
        self.settle(result)?.map_err(|Refused| self.raise())
    }
}

fn end(error: CallError) -> Ending {
    Ending(Box::new(error))
}

impl Host for EngineHost {
    fn insert(&mut self, handle: u32, row: &[u8]) -> Result<Result<Vec<u8>, Refused>, Ending> {
        let result = self.execution().insert(handle, row).map(<[u8]>::to_vec);
        self.settle(result)
    }

    fn update(&mut self, handle: u32, row: &[u8]) -> Result<Result<(), Refused>, Ending> {
        let result = self.execution().update(handle, row);
        self.settle(result)
    }

    fn delete(&mut self, handle: u32, key: &[u8]) -> Result<Option<Vec<u8>>, Ending> {
        let result = self.execution().delete(handle, key).map(|row| row.map(<[u8]>::to_vec));
        self.insist(result)
    }

    fn get(&mut self, handle: u32, index: u16, values: &[u8]) -> Result<Option<Vec<u8>>, Ending> {
        let result = self.execution().get(handle, IndexId(index), values).map(|row| row.map(<[u8]>::to_vec));
        self.insist(result)
    }

    fn delete_where(&mut self, handle: u32, filter: &[u8]) -> Result<Result<u64, Refused>, Ending> {
        let result = self.execution().delete_where(handle, filter);
        self.settle(result)
    }

    fn count(&mut self, handle: u32, filter: &[u8]) -> Result<u64, Ending> {
        let result = self.execution().count(handle, filter);
        self.insist(result)
    }

    fn scan_open(&mut self, handle: u32, index: u16, request: &[u8]) -> Result<u32, Ending> {
        let Some(ScanRequest { bounds, filter, reverse, limit }) = ScanRequest::decode(request) else {
            return Err(end(trapped("invalid-scan", "the bytes are not what a scan asks for".to_owned())));
        };
        let request = execution::ScanRequest { bounds, filter, reverse, limit };
        let result = self.execution().scan_open(handle, IndexId(index), &request);
        self.insist(result)
    }

    fn scan_next(&mut self, scan: u32, size: usize) -> Result<Vec<u8>, Ending> {
        let mut rows = Vec::new();
        let result = self.execution().scan_next(scan, size, &mut rows);
        self.insist(result).map(|()| rows)
    }

    fn scan_close(&mut self, scan: u32) -> Result<(), Ending> {
        let result = self.execution().scan_close(scan);
        self.insist(result)
    }

    fn call(&mut self, import: u32, args: &[u8]) -> Result<(Status, Vec<u8>), Ending> {
        let execution = self.execution.take().expect("invariant: a module that runs has its execution");
        let (execution, result) = execution.call(import, args);
        self.execution = Some(execution);
        match result {
            Ok(answer) => Ok((Status::Ok, answer)),
            Err(CallError::Returned(error)) => Ok((Status::Error, error)),
            Err(CallError::Refused(problem)) => {
                self.refused = Some(problem);
                Ok((Status::Refused, Vec::new()))
            }
            Err(trapped @ CallError::Trapped(_)) => Err(end(trapped)),
        }
    }

    fn schedule(&mut self, function: u32, due: Timestamp, args: &[u8]) -> Result<Result<ScheduleId, Refused>, Ending> {
        let result = self.execution().schedule(function, due, args);
        self.settle(result)
    }

    fn cancel(&mut self, schedule: ScheduleId) -> Result<bool, Ending> {
        let result = self.execution().cancel(schedule);
        self.insist(result)
    }

    fn log(&mut self, level: u8, text: &str) -> Result<(), Ending> {
        let result = self.execution().log(level, text);
        self.insist(result)
    }

    fn last_error(&mut self) -> (String, String) {
        let refused = self.refused.as_ref();
        refused.map_or_else(Default::default, |problem| (problem.code.to_string(), problem.message.clone()))
    }

    fn raise(&mut self) -> Ending {
        match self.refused.take() {
            Some(problem) => end(CallError::Refused(problem)),
            None => end(trapped("trap", "the module raised a refusal that there was not".to_owned())),
        }
    }
}
