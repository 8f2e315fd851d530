//! Host calls with slices instead of pointers.

use crate::datatype::{Datatype, Input};
use crate::host::{Refused, Status};
use interstice_abi::host::{NOT_FOUND, REFUSED, RETURNED_ERROR, RETURNED_OK};
use interstice_types::id::ScheduleId;
use interstice_types::time::Timestamp;
use std::mem::MaybeUninit;

/// The host calls of the table in `interstice-abi`.
mod raw {
    #[link(wasm_import_module = "interstice_1")]
    unsafe extern "C" {
        pub(super) fn insert(handle: u32, row: *const u8, length: usize, out: *mut u8, capacity: usize) -> i32;
        pub(super) fn update(handle: u32, row: *const u8, length: usize) -> i32;
        pub(super) fn delete(handle: u32, key: *const u8, length: usize, out: *mut u8, capacity: usize) -> i32;
        pub(super) fn get(
            handle: u32,
            index: u32,
            values: *const u8,
            length: usize,
            out: *mut u8,
            capacity: usize,
        ) -> i32;
        pub(super) fn delete_where(handle: u32, filter: *const u8, length: usize) -> i64;
        pub(super) fn count(handle: u32, filter: *const u8, length: usize) -> u64;
        pub(super) fn scan_open(handle: u32, index: u32, request: *const u8, length: usize) -> i32;
        pub(super) fn scan_next(scan: u32, out: *mut u8, capacity: usize) -> i32;
        pub(super) fn scan_close(scan: u32);
        pub(super) fn call(import: u32, args: *const u8, length: usize, out: *mut u8, capacity: usize) -> u64;
        pub(super) fn schedule(function: u32, due: i64, args: *const u8, length: usize) -> i64;
        pub(super) fn cancel(schedule: u64) -> i32;
        pub(super) fn fetch(out: *mut u8, capacity: usize) -> i32;
        pub(super) fn log(level: u32, text: *const u8, length: usize);
        pub(super) fn result(answer: *const u8, length: usize);
        pub(super) fn last_error(out: *mut u8, capacity: usize) -> i32;
        pub(super) fn raise();
        pub(super) fn abort(message: *const u8, length: usize);
    }
}

/// Room for a row before its length is known.
const USUAL_ROW_SIZE: usize = 256;

/// Lets the host write into `out` and fetches what did not fit; `None` if it gave a negative code.
fn receive(out: &mut Vec<u8>, capacity: usize, ask: impl FnOnce(*mut u8, usize) -> i32) -> Option<()> {
    out.clear();
    out.reserve(capacity);
    let length = usize::try_from(ask(out.as_mut_ptr(), out.capacity())).ok()?;
    if length > out.capacity() {
        out.reserve(length);
        // SAFETY: the host writes at most `capacity` bytes there.
        unsafe { raw::fetch(out.as_mut_ptr(), out.capacity()) };
    }
    // SAFETY: the host has written so many bytes.
    unsafe { out.set_len(length) };
    Some(())
}

pub(crate) fn insert(handle: u32, row: &[u8], stored: Option<&mut Vec<u8>>) -> Result<(), Refused> {
    let Some(stored) = stored else {
        // SAFETY: the row is readable; the host writes nothing where there is no room.
        let code = unsafe { raw::insert(handle, row.as_ptr(), row.len(), std::ptr::null_mut(), 0) };
        return if code == REFUSED { Err(Refused) } else { Ok(()) };
    };
    receive(stored, row.len(), |out, capacity| {
        // SAFETY: both are the bounds of live buffers.
        unsafe { raw::insert(handle, row.as_ptr(), row.len(), out, capacity) }
    })
    .ok_or(Refused)
}

pub(crate) fn update(handle: u32, row: &[u8]) -> Result<(), Refused> {
    // SAFETY: the row is readable.
    let code = unsafe { raw::update(handle, row.as_ptr(), row.len()) };
    if code == REFUSED { Err(Refused) } else { Ok(()) }
}

pub(crate) fn delete<T>(handle: u32, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Option<T> {
    // SAFETY: both are the bounds of live buffers.
    let ask = |out, capacity| unsafe { raw::delete(handle, key.as_ptr(), key.len(), out, capacity) };
    receive_row(ask, read)
}

pub(crate) fn get<T>(handle: u32, index: u16, values: &[u8], read: impl FnOnce(&[u8]) -> T) -> Option<T> {
    // SAFETY: both are the bounds of live buffers.
    let ask =
        |out, capacity| unsafe { raw::get(handle, u32::from(index), values.as_ptr(), values.len(), out, capacity) };
    receive_row(ask, read)
}

/// Lets the host write a row, if there is one, and reads it where it stands: most fit on the stack.
fn receive_row<T>(ask: impl FnOnce(*mut u8, usize) -> i32, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
    let mut room = [MaybeUninit::<u8>::uninit(); USUAL_ROW_SIZE];
    let length = match ask(room.as_mut_ptr().cast(), room.len()) {
        NOT_FOUND => return None,
        REFUSED => raise(),
        length => length as usize,
    };
    if length <= room.len() {
        // SAFETY: the host has written so many bytes.
        return Some(read(unsafe { std::slice::from_raw_parts(room.as_ptr().cast(), length) }));
    }
    let mut row = Vec::with_capacity(length);
    // SAFETY: the host writes all of the row, for which there is room.
    unsafe {
        raw::fetch(row.as_mut_ptr(), length);
        row.set_len(length);
    }
    Some(read(&row))
}

pub(crate) fn delete_where(handle: u32, filter: &[u8]) -> Result<u64, Refused> {
    // SAFETY: the filter is readable.
    let count = unsafe { raw::delete_where(handle, filter.as_ptr(), filter.len()) };
    u64::try_from(count).map_err(|_| Refused)
}

pub(crate) fn count(handle: u32, filter: &[u8]) -> u64 {
    // SAFETY: the filter is readable.
    unsafe { raw::count(handle, filter.as_ptr(), filter.len()) }
}

pub(crate) fn scan_open(handle: u32, index: u16, request: &[u8]) -> u32 {
    // SAFETY: the request is readable.
    let scan = unsafe { raw::scan_open(handle, u32::from(index), request.as_ptr(), request.len()) };
    u32::try_from(scan).unwrap_or_else(|_| raise())
}

pub(crate) fn scan_next(scan: u32, size: usize, batch: &mut Vec<u8>) {
    // SAFETY: the bounds of a live buffer.
    let received = receive(batch, size, |out, capacity| unsafe { raw::scan_next(scan, out, capacity) });
    received.unwrap_or_else(|| raise());
}

pub(crate) fn scan_close(scan: u32) {
    // SAFETY: no pointers.
    unsafe { raw::scan_close(scan) };
}

pub(crate) fn call(import: u32, args: &[u8], answer: &mut Vec<u8>) -> Status {
    let mut status = 0;
    let received = receive(answer, USUAL_ROW_SIZE, |out, capacity| {
        // SAFETY: both are the bounds of live buffers.
        let packed = unsafe { raw::call(import, args.as_ptr(), args.len(), out, capacity) };
        status = (packed >> 32) as i32;
        packed as i32
    });
    match (status, received) {
        (RETURNED_OK, Some(())) => Status::Ok,
        (RETURNED_ERROR, Some(())) => Status::Error,
        _ => Status::Refused,
    }
}

pub(crate) fn schedule(function: u32, due: Timestamp, args: &[u8]) -> Result<ScheduleId, Refused> {
    // SAFETY: the arguments are readable.
    let id = unsafe { raw::schedule(function, due.0, args.as_ptr(), args.len()) };
    if id == i64::from(REFUSED) { Err(Refused) } else { Ok(ScheduleId(id as u64)) }
}

pub(crate) fn cancel(schedule: ScheduleId) -> bool {
    // SAFETY: no pointers.
    unsafe { raw::cancel(schedule.0) != 0 }
}

pub(crate) fn log(level: u8, text: &str) {
    // SAFETY: the text is readable.
    unsafe { raw::log(u32::from(level), text.as_ptr(), text.len()) };
}

/// Code and message of the last refusal.
pub(crate) fn last_error() -> (String, String) {
    let mut bytes = Vec::new();
    // SAFETY: the bounds of a live buffer.
    let received = receive(&mut bytes, USUAL_ROW_SIZE, |out, capacity| unsafe { raw::last_error(out, capacity) });
    received.unwrap_or_else(|| raise());
    let mut input = Input::new(&bytes);
    (String::decode(&mut input), String::decode(&mut input))
}

/// Gives the host the answer of the call.
pub(super) fn result(answer: &[u8]) {
    // SAFETY: the answer is readable.
    unsafe { raw::result(answer.as_ptr(), answer.len()) };
}

/// Ends the call with the last refusal.
pub(crate) fn raise() -> ! {
    // SAFETY: no pointers; the host does not come back.
    unsafe { raw::raise() };
    core::arch::wasm32::unreachable()
}

/// Ends the call with a message.
pub(super) fn abort(message: &str) -> ! {
    // SAFETY: the message is readable; the host does not come back.
    unsafe { raw::abort(message.as_ptr(), message.len()) };
    core::arch::wasm32::unreachable()
}
