//! The host calls of the table in `interstice-abi`, once for all engines.

use super::{Caller, Guest, Outcome};
use interstice_abi::header::ScanRequest;
use interstice_abi::host::{self as abi, REFUSED};
use interstice_engine::execution::{self, Execution, IndexId};
use interstice_engine::module::CallError;
use interstice_types::id::ScheduleId;
use interstice_types::problem::Problem;
use interstice_types::time::Timestamp;

/// Bytes in the guest's memory: where they begin, and how many.
type Bytes = (i32, i32);

/// Gives the linker of an engine all host calls. `$Caller` is what its code calls with, `$error` makes an error of it of a call that ends.
macro_rules! link_all {
    ($linker:ident, $Caller:ty, $error:path) => {
        $crate::host::calls::link_all! { $linker, $Caller, $error =>
            INSERT |handle: i32, row: i32, length: i32, out: i32, capacity: i32| insert(handle, (row, length), (out, capacity));
            UPDATE |handle: i32, row: i32, length: i32| update(handle, (row, length));
            DELETE |handle: i32, key: i32, length: i32, out: i32, capacity: i32| delete(handle, (key, length), (out, capacity));
            GET |handle: i32, index: i32, values: i32, length: i32, out: i32, capacity: i32|
                get((handle, index), (values, length), (out, capacity));
            COUNT |handle: i32, filter: i32, length: i32| count(handle, (filter, length));
            DELETE_WHERE |handle: i32, filter: i32, length: i32| delete_where(handle, (filter, length));
            SCAN_OPEN |handle: i32, index: i32, request: i32, length: i32| scan_open((handle, index), (request, length));
            SCAN_NEXT |scan: i32, out: i32, capacity: i32| scan_next(scan, (out, capacity));
            SCAN_CLOSE |scan: i32| scan_close(scan);
            CALL |import: i32, args: i32, length: i32, out: i32, capacity: i32| call(import, (args, length), (out, capacity));
            FETCH |out: i32, capacity: i32| fetch((out, capacity));
            LOG |level: i32, text: i32, length: i32| log(level, (text, length));
            RESULT |answer: i32, length: i32| result((answer, length));
            LAST_ERROR |out: i32, capacity: i32| last_error((out, capacity));
            RAISE | | raise();
            ABORT |message: i32, length: i32| abort((message, length));
            SCHEDULE |function: i32, due: i64, args: i32, length: i32| schedule(function, due, (args, length));
            CANCEL |id: i64| cancel(id);
        }
    };
    ($linker:ident, $Caller:ty, $error:path => $($NAME:ident |$($param:ident: $ty:ty),*| $call:ident($($arg:expr),*);)*) => {
        $($linker.func_wrap(
            interstice_abi::host::IMPORT_MODULE,
            interstice_abi::host::$NAME,
            |caller: $Caller $(, $param: $ty)*| $crate::host::calls::$call(caller $(, $arg)*).map_err($error),
        )?;)*
    };
}
pub(crate) use link_all;

/// An index number that does not exist stays one that does not.
fn index_id(index: i32) -> IndexId {
    IndexId(u16::try_from(index).unwrap_or(u16::MAX))
}

#[inline]
pub(crate) fn insert(caller: impl Caller, handle: i32, row: Bytes, room: Bytes) -> Outcome<i32> {
    let mut guest = Guest::enter(caller)?;
    guest.with_row(row, room, |execution, row| execution.insert(handle as u32, row).map(Some))
}

#[inline]
pub(crate) fn update(caller: impl Caller, handle: i32, row: Bytes) -> Outcome<i32> {
    let mut guest = Guest::enter(caller)?;
    let done = guest.with_bytes(row, |execution, row| execution.update(handle as u32, row))?;
    Ok(done.map_or(REFUSED, |()| 0))
}

#[inline]
pub(crate) fn delete(caller: impl Caller, handle: i32, key: Bytes, room: Bytes) -> Outcome<i32> {
    let mut guest = Guest::enter(caller)?;
    guest.with_row(key, room, |execution, key| execution.delete(handle as u32, key))
}

#[inline]
pub(crate) fn get(caller: impl Caller, (handle, index): (i32, i32), values: Bytes, room: Bytes) -> Outcome<i32> {
    let mut guest = Guest::enter(caller)?;
    guest.with_row(values, room, |execution, values| execution.get(handle as u32, index_id(index), values))
}

#[inline]
pub(crate) fn count(caller: impl Caller, handle: i32, filter: Bytes) -> Outcome<i64> {
    let mut guest = Guest::enter(caller)?;
    let count = guest.with_bytes(filter, |execution, filter| execution.count(handle as u32, filter))?;
    Ok(count.unwrap_or(0) as i64)
}

#[inline]
pub(crate) fn delete_where(caller: impl Caller, handle: i32, filter: Bytes) -> Outcome<i64> {
    let mut guest = Guest::enter(caller)?;
    let delete = |execution: &mut Execution, filter: &[u8]| execution.delete_where(handle as u32, filter);
    let deleted = guest.with_bytes(filter, delete)?;
    Ok(deleted.map_or(i64::from(REFUSED), |count| count as i64))
}

#[inline]
pub(crate) fn scan_open(caller: impl Caller, (handle, index): (i32, i32), request: Bytes) -> Outcome<i32> {
    let mut guest = Guest::enter(caller)?;
    let bytes = guest.bytes(request)?;
    let Some(request) = ScanRequest::decode(&bytes) else {
        return Err(guest.host().trap("invalid-scan", "the bytes are not what a scan asks for"));
    };
    let ScanRequest { bounds, filter, reverse, limit } = request;
    let request = execution::ScanRequest { bounds, filter, reverse, limit };
    let scan = guest.with(|execution| execution.scan_open(handle as u32, index_id(index), &request))?;
    Ok(scan.map_or(REFUSED, |scan| scan as i32))
}

#[inline]
pub(crate) fn scan_next(caller: impl Caller, scan: i32, room: Bytes) -> Outcome<i32> {
    let mut guest = Guest::enter(caller)?;
    let mut rows = Vec::new();
    guest.with(|execution| execution.scan_next(scan as u32, room.1 as u32 as usize, &mut rows))?;
    guest.give(&rows, room)
}

#[inline]
pub(crate) fn scan_close(caller: impl Caller, scan: i32) -> Outcome<()> {
    Guest::enter(caller)?.with(|execution| execution.scan_close(scan as u32)).map(|_| ())
}

/// A nested call: the execution moves on into the other module and comes back.
#[inline]
pub(crate) fn call(caller: impl Caller, import: i32, args: Bytes, room: Bytes) -> Outcome<i64> {
    let mut guest = Guest::enter(caller)?;
    let args = guest.bytes(args)?;
    let left = guest.caller.fuel();
    let charged = guest.host().charge_fuel(left);
    guest.settle(charged)?;
    let host = guest.host();
    let execution = host.execution.take().expect("invariant: checked on entry");
    let (execution, result) = execution.call(import as u32, &args);
    host.execution = Some(execution);
    let given = host.give_fuel();
    guest.caller.set_fuel(given);
    let (status, bytes) = match result {
        Ok(answer) => (i64::from(abi::RETURNED_OK), answer),
        Err(CallError::Returned(error)) => (i64::from(abi::RETURNED_ERROR), error),
        Err(CallError::Refused(problem)) => {
            guest.host().refused = Some(problem);
            (i64::from(REFUSED), Vec::new())
        }
        Err(trapped @ CallError::Trapped(_)) => return Err(guest.host().stop(trapped)),
    };
    let length = guest.give(&bytes, room)?;
    Ok(status << 32 | i64::from(length as u32))
}

#[inline]
pub(crate) fn fetch(caller: impl Caller, room: Bytes) -> Outcome<i32> {
    let mut guest = Guest::enter(caller)?;
    let bytes = std::mem::take(&mut guest.host().overflow);
    guest.give(&bytes, room)
}

#[inline]
pub(crate) fn log(caller: impl Caller, level: i32, text: Bytes) -> Outcome<()> {
    let mut guest = Guest::enter(caller)?;
    let level = u8::try_from(level).unwrap_or(u8::MAX);
    let log = |execution: &mut Execution, text: &[u8]| execution.log(level, &String::from_utf8_lossy(text));
    guest.with_bytes(text, log).map(|_| ())
}

#[inline]
pub(crate) fn result(caller: impl Caller, answer: Bytes) -> Outcome<()> {
    let mut guest = Guest::enter(caller)?;
    let answer = guest.bytes(answer)?;
    guest.host().answer = answer;
    Ok(())
}

#[inline]
pub(crate) fn last_error(caller: impl Caller, room: Bytes) -> Outcome<i32> {
    let mut guest = Guest::enter(caller)?;
    let refusal = guest.host().refused.as_ref().map(refusal_bytes).unwrap_or_default();
    guest.give(&refusal, room)
}

#[inline]
pub(crate) fn raise(mut caller: impl Caller) -> Outcome<()> {
    let host = caller.host();
    Err(match host.refused.take() {
        Some(problem) => host.stop(CallError::Refused(problem)),
        None => host.trap("trap", "the module raised a refusal that there was not"),
    })
}

#[inline]
pub(crate) fn abort(caller: impl Caller, message: Bytes) -> Outcome<()> {
    let mut guest = Guest::enter(caller)?;
    let message = guest.bytes(message)?;
    Err(guest.host().trap("panic", String::from_utf8_lossy(&message).into_owned()))
}

#[inline]
pub(crate) fn schedule(caller: impl Caller, function: i32, due: i64, args: Bytes) -> Outcome<i64> {
    let mut guest = Guest::enter(caller)?;
    let id = guest.with_bytes(args, |execution, args| execution.schedule(function as u32, Timestamp(due), args))?;
    Ok(id.map_or(i64::from(REFUSED), |id| id.0 as i64))
}

#[inline]
pub(crate) fn cancel(caller: impl Caller, id: i64) -> Outcome<i32> {
    let found = Guest::enter(caller)?.with(|execution| execution.cancel(ScheduleId(id as u64)))?;
    Ok(i32::from(found.unwrap_or(false)))
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
