//! The host calls natively: to whatever host this thread has, which the feature `test` gives it.

use crate::host::{Refused, Status};
use interstice_types::id::ScheduleId;
use interstice_types::time::Timestamp;
use std::any::Any;
use std::cell::RefCell;

/// Ends the call: what the host wants to find again when the panic has come through the module's code.
pub(crate) struct Ending(pub(crate) Box<dyn Any + Send>);

/// What a native host does for a module.
#[cfg_attr(not(feature = "test"), expect(dead_code, reason = "only the feature `test` brings a host"))]
pub(crate) trait Host: Any {
    fn insert(&mut self, handle: u32, row: &[u8]) -> Result<Result<Vec<u8>, Refused>, Ending>;
    fn update(&mut self, handle: u32, row: &[u8]) -> Result<Result<(), Refused>, Ending>;
    fn delete(&mut self, handle: u32, key: &[u8]) -> Result<Option<Vec<u8>>, Ending>;
    fn get(&mut self, handle: u32, index: u16, values: &[u8]) -> Result<Option<Vec<u8>>, Ending>;
    fn delete_where(&mut self, handle: u32, filter: &[u8]) -> Result<Result<u64, Refused>, Ending>;
    fn count(&mut self, handle: u32, filter: &[u8]) -> Result<u64, Ending>;
    fn scan_open(&mut self, handle: u32, index: u16, request: &[u8]) -> Result<u32, Ending>;
    fn scan_next(&mut self, scan: u32, size: usize) -> Result<Vec<u8>, Ending>;
    fn scan_close(&mut self, scan: u32) -> Result<(), Ending>;
    fn call(&mut self, import: u32, args: &[u8]) -> Result<(Status, Vec<u8>), Ending>;
    fn schedule(&mut self, function: u32, due: Timestamp, args: &[u8]) -> Result<Result<ScheduleId, Refused>, Ending>;
    fn cancel(&mut self, schedule: ScheduleId) -> Result<bool, Ending>;
    fn log(&mut self, level: u8, text: &str) -> Result<(), Ending>;
    fn last_error(&mut self) -> (String, String);
    fn raise(&mut self) -> Ending;
}

thread_local! {
    pub(crate) static HOST: RefCell<Option<Box<dyn Host>>> = const { RefCell::new(None) };
}

/// Asks the host. It is out of its place meanwhile, so that a module that it calls may have one of its own there.
fn ask<T>(question: impl FnOnce(&mut dyn Host) -> Result<T, Ending>) -> T {
    let mut host = HOST.take().expect("a table is touched outside of a database: test with `#[interstice_sdk::test]`");
    let answer = question(&mut *host);
    HOST.set(Some(host));
    answer.unwrap_or_else(|Ending(ending)| std::panic::resume_unwind(ending))
}

pub(crate) fn insert(handle: u32, row: &[u8], stored: Option<&mut Vec<u8>>) -> Result<(), Refused> {
    let row = ask(|host| host.insert(handle, row))?;
    if let Some(stored) = stored {
        *stored = row;
    }
    Ok(())
}

pub(crate) fn update(handle: u32, row: &[u8]) -> Result<(), Refused> {
    ask(|host| host.update(handle, row))
}

pub(crate) fn delete<T>(handle: u32, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Option<T> {
    ask(|host| host.delete(handle, key)).map(|row| read(&row))
}

pub(crate) fn get<T>(handle: u32, index: u16, values: &[u8], read: impl FnOnce(&[u8]) -> T) -> Option<T> {
    ask(|host| host.get(handle, index, values)).map(|row| read(&row))
}

pub(crate) fn delete_where(handle: u32, filter: &[u8]) -> Result<u64, Refused> {
    ask(|host| host.delete_where(handle, filter))
}

pub(crate) fn count(handle: u32, filter: &[u8]) -> u64 {
    ask(|host| host.count(handle, filter))
}

pub(crate) fn scan_open(handle: u32, index: u16, request: &[u8]) -> u32 {
    ask(|host| host.scan_open(handle, index, request))
}

pub(crate) fn scan_next(scan: u32, size: usize, batch: &mut Vec<u8>) {
    *batch = ask(|host| host.scan_next(scan, size));
}

pub(crate) fn scan_close(scan: u32) {
    // Rows are dropped while a call unwinds too; the host has its scans closed then.
    if HOST.with_borrow(Option::is_some) && !std::thread::panicking() {
        ask(|host| host.scan_close(scan));
    }
}

pub(crate) fn call(import: u32, args: &[u8], answer: &mut Vec<u8>) -> Status {
    let (status, bytes) = ask(|host| host.call(import, args));
    *answer = bytes;
    status
}

pub(crate) fn schedule(function: u32, due: Timestamp, args: &[u8]) -> Result<ScheduleId, Refused> {
    ask(|host| host.schedule(function, due, args))
}

pub(crate) fn cancel(schedule: ScheduleId) -> bool {
    ask(|host| host.cancel(schedule))
}

pub(crate) fn log(level: u8, text: &str) {
    ask(|host| host.log(level, text));
}

pub(crate) fn last_error() -> (String, String) {
    ask(|host| Ok(host.last_error()))
}

pub(crate) fn raise() -> ! {
    ask(|host| Err::<(), _>(host.raise()));
    unreachable!("a host that raises ends the call")
}
