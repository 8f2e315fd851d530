//! What a transaction has used up, what its host calls were, and whether it may go on.

use super::HostError;
use super::host_hash::{HostCall, HostHash};
use super::trace::Trace;
use crate::limits::charge;
use interstice_types::problem::Problem;
use interstice_types::transaction::{HOST_MARK_INTERVAL, Work};

/// Fuel, host calls, and the trap that ends a transaction.
pub(super) struct Meter {
    limit: u64,
    /// What there was at the last filling.
    given: u64,
    fuel: u64,
    host_calls: u64,
    host_hash: HostHash,
    host_marks: Vec<u64>,
    /// What there is to tell, if somebody wants to know.
    trace: Option<Box<Trace>>,
    /// Boxed: it is hardly ever there, and an execution is copied now and then.
    trap: Option<Box<Problem>>,
}

impl Meter {
    /// With so much fuel.
    pub(super) fn new(fuel: u64) -> Self {
        Self {
            limit: fuel,
            given: fuel,
            fuel,
            host_calls: 0,
            host_hash: HostHash::default(),
            host_marks: Vec::new(),
            trace: None,
            trap: None,
        }
    }

    /// Keeps what there is to tell from now on.
    pub(super) fn trace(&mut self) {
        self.trace = Some(Box::default());
    }

    /// Whether there is something to be told.
    #[inline]
    pub(super) fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    /// What there is to tell so far.
    #[inline]
    pub(super) fn trace_mut(&mut self) -> Option<&mut Trace> {
        self.trace.as_deref_mut()
    }

    /// The marks in the hash of host calls.
    pub(super) fn take_marks(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.host_marks)
    }

    /// What there is to tell.
    pub(super) fn take_trace(&mut self) -> Option<Box<Trace>> {
        self.trace.take()
    }

    /// What was done.
    pub(super) fn work(&self) -> Work {
        Work { fuel: self.limit - self.fuel, host_calls: self.host_calls, host_hash: self.host_hash.value() }
    }

    /// Has so much fuel again; what was burnt stays counted.
    pub(super) fn refuel(&mut self, fuel: u64) {
        self.limit = self.limit - self.fuel + fuel;
        (self.given, self.fuel) = (fuel, fuel);
    }

    /// Fuel that is left.
    pub(super) fn fuel(&self) -> u64 {
        self.fuel
    }

    /// Keeps the first trap; gives the one that is kept.
    pub(super) fn trap(&mut self, problem: Problem) -> &Problem {
        self.trap.get_or_insert_with(|| Box::new(problem))
    }

    /// The trap, which its holder now answers for.
    pub(super) fn take_trap(&mut self) -> Option<Problem> {
        self.trap.take().map(|problem| *problem)
    }

    /// A host call begins, with a number and bytes from the guest.
    ///
    /// # Errors
    /// [`HostError::Trapped`] behind a trap, or without fuel.
    #[inline]
    pub(super) fn enter(&mut self, call: HostCall, number: u64, bytes: &[u8]) -> Result<(), HostError> {
        if let Some(problem) = &self.trap {
            return Err(HostError::Trapped(Problem::clone(problem)));
        }
        self.burn(charge::HOST_CALL + bytes.len() as u64 / 16 * charge::SIXTEEN_BYTES)?;
        if self.host_calls.is_multiple_of(HOST_MARK_INTERVAL) && self.host_calls > 0 {
            self.mark();
        }
        self.host_calls += 1;
        self.host_hash.fold(number << 8 | call as u64, bytes);
        if let Some(trace) = &mut self.trace {
            trace.host_call((call, number), bytes, self.fuel);
        }
        Ok(())
    }

    #[cold]
    fn mark(&mut self) {
        self.host_marks.push(self.host_hash.value() as u64);
    }

    /// What a host call gave back.
    #[inline]
    pub(super) fn note(&mut self, number: u64, bytes: &[u8]) {
        self.host_hash.fold(number, bytes);
        if let Some(trace) = &mut self.trace {
            trace.result(number, bytes);
        }
    }

    /// Burns fuel.
    ///
    /// # Errors
    /// [`HostError::Trapped`] if there is not so much left: that ends the transaction.
    #[inline]
    pub(super) fn burn(&mut self, fuel: u64) -> Result<(), HostError> {
        match self.fuel.checked_sub(fuel) {
            Some(left) => {
                self.fuel = left;
                Ok(())
            }
            None => Err(self.out_of_fuel()),
        }
    }

    #[cold]
    fn out_of_fuel(&mut self) -> HostError {
        self.fuel = 0;
        let problem = Problem::new("out-of-fuel", format!("the call used up its {} fuel", self.given));
        HostError::Trapped(self.trap(problem).clone())
    }

    /// A row that a host call gives back, or none: charged by its size.
    ///
    /// # Errors
    /// [`HostError::Trapped`] without fuel.
    #[inline]
    pub(super) fn note_row(&mut self, row: Option<&[u8]>) -> Result<(), HostError> {
        let Some(row) = row else {
            self.note(0, &[]);
            return Ok(());
        };
        self.burn(row.len() as u64 / 16 * charge::SIXTEEN_BYTES)?;
        self.note(1, row);
        Ok(())
    }
}
