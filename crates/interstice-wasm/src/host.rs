//! What the host keeps beside an instance, and how a host call comes at it: bytes out of the guest's memory, one call of the execution,
//! bytes back in.
//!
//! No engine is named here. Each engine says what its [`Caller`] is, and links the host calls of [`calls`].

pub(crate) mod calls;
pub(crate) mod telling;

use interstice_abi::host::{NOT_FOUND, REFUSED};
use interstice_engine::execution::{Execution, HostError};
use interstice_engine::module::CallError;
use interstice_types::problem::Problem;

/// What the host keeps beside an instance.
#[derive(Default)]
pub(crate) struct Host {
    execution: Option<Box<Execution>>,
    /// Fuel that the guest was given for its own instructions and has not been charged for yet.
    given_fuel: u64,
    answer: Vec<u8>,
    /// The last bytes for the guest that did not fit where it wanted them.
    overflow: Vec<u8>,
    refused: Option<Problem>,
    /// How the call ends, decided by a host call.
    ending: Option<CallError>,
}

/// A host call ends the call that it comes from; how, its [`Host`] knows.
#[derive(Debug)]
pub(crate) struct Ends;

/// What a host call gives the guest, if that goes on.
pub(crate) type Outcome<T> = Result<T, Ends>;

type HostResult<T> = Result<T, HostError>;

impl Host {
    pub(crate) fn begin(&mut self, execution: Box<Execution>) {
        self.execution = Some(execution);
        self.answer.clear();
        self.overflow.clear();
        self.refused = None;
        self.ending = None;
    }

    /// Whether a call runs; while an instance is made none does.
    pub(crate) fn is_called(&self) -> bool {
        self.execution.is_some()
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

    pub(crate) fn execution_mut(&mut self) -> &mut Execution {
        self.execution.as_mut().expect("invariant: checked on entry")
    }

    pub(crate) fn end(&mut self) -> (Box<Execution>, Option<CallError>) {
        (self.execution.take().expect("invariant: an execution that moved in moves out"), self.ending.take())
    }

    pub(crate) fn take_answer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.answer)
    }

    /// Ends the call.
    fn stop(&mut self, ending: CallError) -> Ends {
        self.ending = Some(ending);
        Ends
    }

    /// Keeps a refusal for whoever asks for it; a trap ends the call.
    #[cold]
    pub(crate) fn fail(&mut self, error: HostError) -> Outcome<()> {
        match error {
            HostError::Refused(problem) => {
                self.refused = Some(problem);
                Ok(())
            }
            HostError::Trapped(problem) => Err(self.stop(CallError::Trapped(problem))),
        }
    }

    fn trap(&mut self, code: &'static str, message: impl Into<String>) -> Ends {
        self.stop(CallError::Trapped(Problem::new(code, message)))
    }
}

/// An engine's code calls its host: what host calls need of that.
pub(crate) trait Caller {
    /// What names the guest's memory.
    type Memory: Copy;

    /// The guest's memory, once there is one.
    fn memory(&self) -> Option<Self::Memory>;
    /// What the host keeps.
    fn host(&mut self) -> &mut Host;
    /// The bytes of the guest's memory, and beside them what the host keeps.
    fn parts(&mut self, memory: Self::Memory) -> (&mut [u8], &mut Host);
    /// Fuel that the guest has left, as an execution counts it.
    fn fuel(&self) -> u64;
    /// Gives it so much instead.
    fn set_fuel(&mut self, fuel: u64);
}

/// A caller whose execution has the fuel that the guest has left.
struct Guest<C: Caller> {
    caller: C,
    memory: C::Memory,
}

impl<C: Caller> Guest<C> {
    #[inline]
    fn enter(mut caller: C) -> Outcome<Self> {
        let memory = caller.memory();
        let host = caller.host();
        match (memory, &host.execution) {
            (Some(memory), Some(execution)) => {
                if execution.is_traced() {
                    charge_so_far(&mut caller)?;
                }
                Ok(Self { caller, memory })
            }
            _ => Err(host.trap("no-tables", "a host call outside of a call")),
        }
    }

    fn host(&mut self) -> &mut Host {
        self.caller.host()
    }

    /// The bytes that the guest points at.
    fn bytes(&mut self, place: (i32, i32)) -> Outcome<Vec<u8>> {
        let (memory, host) = self.caller.parts(self.memory);
        Ok(pointed_at(memory, host, place)?.to_vec())
    }

    /// Does `work` with the execution; what traps ends the call.
    fn with<T>(&mut self, work: impl FnOnce(&mut Execution) -> HostResult<T>) -> Outcome<Option<T>> {
        let result = work(self.host().execution_mut());
        self.settle(result)
    }

    /// As [`with`](Self::with), with the bytes that the guest points at.
    fn with_bytes<T>(
        &mut self,
        place: (i32, i32),
        work: impl FnOnce(&mut Execution, &[u8]) -> HostResult<T>,
    ) -> Outcome<Option<T>> {
        let (memory, host) = self.caller.parts(self.memory);
        let bytes = pointed_at(memory, host, place)?;
        let result = work(host.execution_mut(), bytes);
        self.settle(result)
    }

    /// Keeps what was refused; what trapped ends the call.
    #[inline]
    fn settle<T>(&mut self, result: HostResult<T>) -> Outcome<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => self.host().fail(error).map(|()| None),
        }
    }

    /// As [`with_bytes`](Self::with_bytes), for work that gives a row back: it is copied to where the guest has room.
    fn with_row(
        &mut self,
        given: (i32, i32),
        room: (i32, i32),
        work: impl for<'e> FnOnce(&'e mut Execution, &[u8]) -> HostResult<Option<&'e [u8]>>,
    ) -> Outcome<i32> {
        let (memory, host) = self.caller.parts(self.memory);
        let bytes = pointed_at(memory, host, given)?;
        let execution = host.execution.as_mut().expect("invariant: checked on entry");
        let result = match work(execution, bytes) {
            Ok(Some(row)) => Ok(put(memory, room, row, &mut host.overflow)),
            Ok(None) => Ok(Some(NOT_FOUND)),
            Err(error) => Err(error),
        };
        match self.settle(result)? {
            Some(Some(code)) => Ok(code),
            Some(None) => Err(outside_of_memory(self.host(), room)),
            None => Ok(REFUSED),
        }
    }

    /// Copies `bytes` to where the guest has room.
    fn give(&mut self, bytes: &[u8], room: (i32, i32)) -> Outcome<i32> {
        let (memory, host) = self.caller.parts(self.memory);
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
fn pointed_at<'m>(memory: &'m [u8], host: &mut Host, place: (i32, i32)) -> Outcome<&'m [u8]> {
    let (start, length) = (place.0 as u32 as usize, place.1 as u32 as usize);
    memory.get(start..start + length).ok_or_else(|| outside_of_memory(host, place))
}

#[cold]
fn outside_of_memory(host: &mut Host, (pointer, length): (i32, i32)) -> Ends {
    host.trap("invalid-pointer", format!("bytes {} + {} are outside of memory", pointer as u32, length as u32))
}

/// Charges the guest for what it did up to here, so that each step of a trace has the fuel that was left then.
#[cold]
fn charge_so_far(caller: &mut impl Caller) -> Outcome<()> {
    let left = caller.fuel();
    let host = caller.host();
    host.charge_fuel(left).or_else(|error| host.fail(error))
}
