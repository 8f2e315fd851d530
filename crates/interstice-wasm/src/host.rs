//! The host calls: bytes out of the guest's memory, one call of the execution, bytes back in.

pub(crate) mod telling;

use crate::artefact::telling::Functions;
use crate::runtime::{MAX_TABLE_ELEMENTS, MAX_TABLES};
use interstice_abi::header::ScanRequest;
use interstice_abi::host::{self as abi, IMPORT_MODULE, NOT_FOUND, REFUSED};
use interstice_engine::execution::{self, Execution, HostError, IndexId};
use interstice_engine::module::CallError;
use interstice_types::id::ScheduleId;
use interstice_types::problem::Problem;
use interstice_types::time::Timestamp;
use std::sync::Arc;
use wasmtime::{Caller, Engine, Error, Linker, Memory, ResourceLimiter, Result, StoreLimits, StoreLimitsBuilder};

/// What the host keeps beside an instance.
pub struct Host {
    execution: Option<Box<Execution>>,
    /// Fuel that the guest was given for its own instructions and has not been charged for yet.
    given_fuel: u64,
    memory: Option<Memory>,
    answer: Vec<u8>,
    /// The last bytes for the guest that did not fit where it wanted them.
    overflow: Vec<u8>,
    refused: Option<Problem>,
    /// How the call ends, decided by a host call.
    ending: Option<CallError>,
    limits: StoreLimits,
    /// Of code that tells what it does.
    functions: Option<Arc<Functions>>,
}

impl Host {
    pub(crate) fn new(memory_size: usize) -> Self {
        let limits = StoreLimitsBuilder::new()
            .memory_size(memory_size)
            .memories(1)
            .tables(MAX_TABLES)
            .table_elements(MAX_TABLE_ELEMENTS)
            .build();
        Self {
            execution: None,
            given_fuel: 0,
            memory: None,
            answer: Vec::new(),
            overflow: Vec::new(),
            refused: None,
            ending: None,
            limits,
            functions: None,
        }
    }

    pub(crate) fn limits(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.limits
    }

    pub(crate) fn set_memory(&mut self, memory: Memory) {
        self.memory = Some(memory);
    }

    pub(crate) fn set_functions(&mut self, functions: Option<Arc<Functions>>) {
        self.functions = functions;
    }

    pub(crate) fn begin(&mut self, execution: Box<Execution>) {
        self.execution = Some(execution);
        self.answer.clear();
        self.overflow.clear();
        self.refused = None;
        self.ending = None;
    }

    /// All the fuel there is, which the guest now gets. What host calls burn is not taken off the guest's share on each of
    /// them, but when it is next asked what is left.
    pub(crate) fn give_fuel(&mut self) -> u64 {
        self.given_fuel = self.execution_mut().fuel();
        self.given_fuel
    }

    /// Charges the guest's own instructions: of what it was given it has so much left.
    ///
    /// # Errors
    /// [`HostError::Trapped`] if they and the host calls together took more than there was.
    pub(crate) fn charge_fuel(&mut self, left: u64) -> HostResult<()> {
        let used = self.given_fuel.saturating_sub(left);
        self.given_fuel = left;
        self.execution_mut().burn(used)
    }

    fn execution_mut(&mut self) -> &mut Execution {
        self.execution.as_mut().expect("invariant: checked on entry")
    }

    pub(crate) fn end(&mut self) -> (Box<Execution>, Option<CallError>) {
        (self.execution.take().expect("invariant: an execution that moved in moves out"), self.ending.take())
    }

    pub(crate) fn take_answer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.answer)
    }

    /// Ends the call.
    fn stop(&mut self, ending: CallError) -> Error {
        self.ending = Some(ending);
        Error::msg("the call ends")
    }

    /// Keeps a refusal for whoever asks for it; a trap ends the call.
    #[cold]
    fn fail(&mut self, error: HostError) -> Result<()> {
        match error {
            HostError::Refused(problem) => {
                self.refused = Some(problem);
                Ok(())
            }
            HostError::Trapped(problem) => Err(self.stop(CallError::Trapped(problem))),
        }
    }

    fn trap(&mut self, code: &'static str, message: impl Into<String>) -> Error {
        self.stop(CallError::Trapped(Problem::new(code, message)))
    }
}

type HostResult<T> = std::result::Result<T, HostError>;

/// A caller whose execution has the fuel that the guest has left.
struct Guest<'c> {
    caller: Caller<'c, Host>,
    memory: Memory,
}

impl<'c> Guest<'c> {
    fn enter(mut caller: Caller<'c, Host>) -> Result<Self> {
        let host = caller.data_mut();
        match (host.memory, &host.execution) {
            (Some(memory), Some(execution)) => {
                if execution.is_traced() {
                    charge_so_far(&mut caller)?;
                }
                Ok(Self { caller, memory })
            }
            _ => Err(host.trap("no-tables", "a host call outside of a call")),
        }
    }

    /// The bytes that the guest points at.
    fn bytes(&mut self, place: (i32, i32)) -> Result<Vec<u8>> {
        let (memory, host) = self.memory.data_and_store_mut(&mut self.caller);
        Ok(pointed_at(memory, host, place)?.to_vec())
    }

    /// Does `work` with the execution; what traps ends the call.
    fn with<T>(&mut self, work: impl FnOnce(&mut Execution) -> HostResult<T>) -> Result<Option<T>> {
        let result = work(self.caller.data_mut().execution_mut());
        self.settle(result)
    }

    /// As [`with`](Self::with), with the bytes that the guest points at.
    fn with_bytes<T>(
        &mut self,
        place: (i32, i32),
        work: impl FnOnce(&mut Execution, &[u8]) -> HostResult<T>,
    ) -> Result<Option<T>> {
        let (memory, host) = self.memory.data_and_store_mut(&mut self.caller);
        let bytes = pointed_at(memory, host, place)?;
        let result = work(host.execution_mut(), bytes);
        self.settle(result)
    }

    /// Keeps what was refused; what trapped ends the call.
    #[inline]
    fn settle<T>(&mut self, result: HostResult<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => self.caller.data_mut().fail(error).map(|()| None),
        }
    }

    /// As [`with_bytes`](Self::with_bytes), for work that gives a row back: it is copied to where the guest has room.
    fn with_row(
        &mut self,
        given: (i32, i32),
        room: (i32, i32),
        work: impl for<'e> FnOnce(&'e mut Execution, &[u8]) -> HostResult<Option<&'e [u8]>>,
    ) -> Result<i32> {
        let (memory, host) = self.memory.data_and_store_mut(&mut self.caller);
        let bytes = pointed_at(memory, host, given)?;
        let execution = host.execution.as_mut().expect("invariant: checked on entry");
        let result = match work(execution, bytes) {
            Ok(Some(row)) => Ok(put(memory, room, row, &mut host.overflow)),
            Ok(None) => Ok(Some(NOT_FOUND)),
            Err(error) => Err(error),
        };
        match self.settle(result)? {
            Some(Some(code)) => Ok(code),
            Some(None) => Err(outside_of_memory(self.caller.data_mut(), room)),
            None => Ok(REFUSED),
        }
    }

    /// Copies `bytes` to where the guest has room.
    fn give(&mut self, bytes: &[u8], room: (i32, i32)) -> Result<i32> {
        let (memory, host) = self.memory.data_and_store_mut(&mut self.caller);
        put(memory, room, bytes, &mut host.overflow).ok_or_else(|| outside_of_memory(host, room))
    }
}

/// Copies `bytes` into the room that there is, or keeps them for `fetch`; returns their length, or `None` if there is no such
/// room.
fn put(memory: &mut [u8], (out, capacity): (i32, i32), bytes: &[u8], overflow: &mut Vec<u8>) -> Option<i32> {
    if bytes.len() > capacity as u32 as usize {
        *overflow = bytes.to_vec();
    } else {
        let start = out as u32 as usize;
        memory.get_mut(start..start + bytes.len())?.copy_from_slice(bytes);
    }
    Some(bytes.len() as i32)
}

/// The bytes at a pointer, so many of them.
fn pointed_at<'m>(memory: &'m [u8], host: &mut Host, place: (i32, i32)) -> Result<&'m [u8]> {
    let (start, length) = (place.0 as u32 as usize, place.1 as u32 as usize);
    memory.get(start..start + length).ok_or_else(|| outside_of_memory(host, place))
}

#[cold]
fn outside_of_memory(host: &mut Host, (pointer, length): (i32, i32)) -> Error {
    host.trap("invalid-pointer", format!("bytes {} + {} are outside of memory", pointer as u32, length as u32))
}

/// All host calls of the table in `interstice-abi`.
///
/// # Errors
/// If two have one name.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    link_rows(&mut linker)?;
    link_scans(&mut linker)?;
    link_calls(&mut linker)?;
    link_schedules(&mut linker)?;
    Ok(linker)
}

fn link_rows(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        IMPORT_MODULE,
        abi::INSERT,
        |caller: Caller<'_, Host>, handle: i32, row: i32, length: i32, out: i32, capacity: i32| {
            let mut guest = Guest::enter(caller)?;
            guest.with_row((row, length), (out, capacity), |execution, row| {
                execution.insert(handle as u32, row).map(Some)
            })
        },
    )?;
    linker.func_wrap(IMPORT_MODULE, abi::UPDATE, |caller: Caller<'_, Host>, handle: i32, row: i32, length: i32| {
        let mut guest = Guest::enter(caller)?;
        let done = guest.with_bytes((row, length), |execution, row| execution.update(handle as u32, row))?;
        Ok(done.map_or(REFUSED, |()| 0))
    })?;
    linker.func_wrap(
        IMPORT_MODULE,
        abi::DELETE,
        |caller: Caller<'_, Host>, handle: i32, key: i32, length: i32, out: i32, capacity: i32| {
            let mut guest = Guest::enter(caller)?;
            guest.with_row((key, length), (out, capacity), |execution, key| execution.delete(handle as u32, key))
        },
    )?;
    linker.func_wrap(
        IMPORT_MODULE,
        abi::GET,
        |caller: Caller<'_, Host>, handle: i32, index: i32, values: i32, length: i32, out: i32, capacity: i32| {
            let mut guest = Guest::enter(caller)?;
            guest.with_row((values, length), (out, capacity), |execution, values| {
                execution.get(handle as u32, index_id(index), values)
            })
        },
    )?;
    Ok(())
}

/// An index number that does not exist stays one that does not.
fn index_id(index: i32) -> IndexId {
    IndexId(u16::try_from(index).unwrap_or(u16::MAX))
}

fn link_scans(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        IMPORT_MODULE,
        abi::COUNT,
        |caller: Caller<'_, Host>, handle: i32, filter: i32, length: i32| {
            let mut guest = Guest::enter(caller)?;
            let count =
                guest.with_bytes((filter, length), |execution, filter| execution.count(handle as u32, filter))?;
            Ok(count.unwrap_or(0) as i64)
        },
    )?;
    linker.func_wrap(
        IMPORT_MODULE,
        abi::DELETE_WHERE,
        |caller: Caller<'_, Host>, handle: i32, filter: i32, length: i32| {
            let mut guest = Guest::enter(caller)?;
            let delete = |execution: &mut Execution, filter: &[u8]| execution.delete_where(handle as u32, filter);
            let deleted = guest.with_bytes((filter, length), delete)?;
            Ok(deleted.map_or(i64::from(REFUSED), |count| count as i64))
        },
    )?;
    linker.func_wrap(
        IMPORT_MODULE,
        abi::SCAN_OPEN,
        |caller: Caller<'_, Host>, handle: i32, index: i32, request: i32, length: i32| {
            let mut guest = Guest::enter(caller)?;
            let bytes = guest.bytes((request, length))?;
            let Some(request) = ScanRequest::decode(&bytes) else {
                return Err(guest.caller.data_mut().trap("invalid-scan", "the bytes are not what a scan asks for"));
            };
            let ScanRequest { bounds, filter, reverse, limit } = request;
            let request = execution::ScanRequest { bounds, filter, reverse, limit };
            let scan = guest.with(|execution| execution.scan_open(handle as u32, index_id(index), &request))?;
            Ok(scan.map_or(REFUSED, |scan| scan as i32))
        },
    )?;
    linker.func_wrap(
        IMPORT_MODULE,
        abi::SCAN_NEXT,
        |caller: Caller<'_, Host>, scan: i32, out: i32, capacity: i32| {
            let mut guest = Guest::enter(caller)?;
            let mut rows = Vec::new();
            guest.with(|execution| execution.scan_next(scan as u32, capacity as u32 as usize, &mut rows))?;
            guest.give(&rows, (out, capacity))
        },
    )?;
    linker.func_wrap(IMPORT_MODULE, abi::SCAN_CLOSE, |caller: Caller<'_, Host>, scan: i32| {
        Guest::enter(caller)?.with(|execution| execution.scan_close(scan as u32)).map(|_| ())
    })?;
    Ok(())
}

fn link_calls(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        IMPORT_MODULE,
        abi::CALL,
        |caller: Caller<'_, Host>, import: i32, args: i32, length: i32, out: i32, capacity: i32| {
            let mut guest = Guest::enter(caller)?;
            let args = guest.bytes((args, length))?;
            call(&mut guest, import as u32, &args, out, capacity)
        },
    )?;
    linker.func_wrap(IMPORT_MODULE, abi::FETCH, |caller: Caller<'_, Host>, out: i32, capacity: i32| {
        let mut guest = Guest::enter(caller)?;
        let bytes = std::mem::take(&mut guest.caller.data_mut().overflow);
        guest.give(&bytes, (out, capacity))
    })?;
    linker.func_wrap(IMPORT_MODULE, abi::LOG, |caller: Caller<'_, Host>, level: i32, text: i32, length: i32| {
        let mut guest = Guest::enter(caller)?;
        let level = u8::try_from(level).unwrap_or(u8::MAX);
        guest
            .with_bytes((text, length), |execution, text| execution.log(level, &String::from_utf8_lossy(text)))
            .map(|_| ())
    })?;
    linker.func_wrap(IMPORT_MODULE, abi::RESULT, |caller: Caller<'_, Host>, answer: i32, length: i32| {
        let mut guest = Guest::enter(caller)?;
        let answer = guest.bytes((answer, length))?;
        guest.caller.data_mut().answer = answer;
        Ok(())
    })?;
    linker.func_wrap(IMPORT_MODULE, abi::LAST_ERROR, |caller: Caller<'_, Host>, out: i32, capacity: i32| {
        let mut guest = Guest::enter(caller)?;
        let refusal = guest.caller.data().refused.as_ref().map(refusal_bytes).unwrap_or_default();
        guest.give(&refusal, (out, capacity))
    })?;
    linker.func_wrap(IMPORT_MODULE, abi::RAISE, |mut caller: Caller<'_, Host>| -> Result<()> {
        let host = caller.data_mut();
        Err(match host.refused.take() {
            Some(problem) => host.stop(CallError::Refused(problem)),
            None => host.trap("trap", "the module raised a refusal that there was not"),
        })
    })?;
    linker.func_wrap(
        IMPORT_MODULE,
        abi::ABORT,
        |caller: Caller<'_, Host>, message: i32, length: i32| -> Result<()> {
            let mut guest = Guest::enter(caller)?;
            let message = guest.bytes((message, length))?;
            Err(guest.caller.data_mut().trap("panic", String::from_utf8_lossy(&message).into_owned()))
        },
    )?;
    Ok(())
}

fn link_schedules(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        IMPORT_MODULE,
        abi::SCHEDULE,
        |caller: Caller<'_, Host>, function: i32, due: i64, args: i32, length: i32| {
            let mut guest = Guest::enter(caller)?;
            let id = guest.with_bytes((args, length), |execution, args| {
                execution.schedule(function as u32, Timestamp(due), args)
            })?;
            Ok(id.map_or(i64::from(REFUSED), |id| id.0 as i64))
        },
    )?;
    linker.func_wrap(IMPORT_MODULE, abi::CANCEL, |caller: Caller<'_, Host>, id: i64| {
        let found = Guest::enter(caller)?.with(|execution| execution.cancel(ScheduleId(id as u64)))?;
        Ok(i32::from(found.unwrap_or(false)))
    })?;
    Ok(())
}

/// Charges the guest for what it did up to here, so that each step of a trace has the fuel that was left then.
#[cold]
fn charge_so_far(caller: &mut Caller<'_, Host>) -> Result<()> {
    let left = caller.get_fuel()?;
    let host = caller.data_mut();
    host.charge_fuel(left).or_else(|error| host.fail(error))
}

/// Code and message, each behind its length.
fn refusal_bytes(problem: &Problem) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in [problem.code.as_bytes(), problem.message.as_bytes()] {
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text);
    }
    bytes
}

/// A nested call: the execution moves on into the other module and comes back.
fn call(guest: &mut Guest<'_>, import: u32, args: &[u8], out: i32, capacity: i32) -> Result<i64> {
    let left = guest.caller.get_fuel()?;
    let charged = guest.caller.data_mut().charge_fuel(left);
    guest.settle(charged)?;
    let host = guest.caller.data_mut();
    let execution = host.execution.take().expect("invariant: checked on entry");
    let (execution, result) = execution.call(import, args);
    host.execution = Some(execution);
    let given = host.give_fuel();
    guest.caller.set_fuel(given)?;
    let (status, bytes) = match result {
        Ok(answer) => (i64::from(abi::RETURNED_OK), answer),
        Err(CallError::Returned(error)) => (i64::from(abi::RETURNED_ERROR), error),
        Err(CallError::Refused(problem)) => {
            guest.caller.data_mut().refused = Some(problem);
            (i64::from(REFUSED), Vec::new())
        }
        Err(trapped @ CallError::Trapped(_)) => return Err(guest.caller.data_mut().stop(trapped)),
    };
    let length = guest.give(&bytes, (out, capacity))?;
    Ok(status << 32 | i64::from(length as u32))
}
