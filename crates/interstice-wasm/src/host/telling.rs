//! What code says that tells when each function in it begins and ends (`artefact::telling`).
//!
//! At each of these the guest is charged for what it did, and not for having said so: the fuel that an execution has left is exact then.
//! What the guest burns beside its own instructions it gets on top.

use super::Host;
use crate::artefact::telling::{BEFORE_BEGIN, BEFORE_END, BEGIN, END, TELL_MODULE};
use wasmtime::{Caller, Linker, Result};

/// Takes what such code says.
///
/// # Errors
/// If it is linked already.
pub(crate) fn link(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(TELL_MODULE, BEGIN, |caller: Caller<'_, Host>, function: i32| begin(caller, function as u32))?;
    linker.func_wrap(TELL_MODULE, END, end)?;
    Ok(())
}

fn begin(mut caller: Caller<'_, Host>, function: u32) -> Result<()> {
    if !charge(&mut caller, BEFORE_BEGIN)? {
        return Ok(());
    }
    let host = caller.data_mut();
    host.execution_mut().enter_code(function);
    let call_cost = host.functions.as_ref().and_then(|functions| functions.call_costs.get(function as usize));
    let call_cost = *call_cost.expect("invariant: code that tells has its functions beside it");
    let given = host.give_fuel();
    caller.set_fuel(given.saturating_add(call_cost))
}

fn end(mut caller: Caller<'_, Host>) -> Result<()> {
    if !charge(&mut caller, BEFORE_END)? {
        return Ok(());
    }
    let host = caller.data_mut();
    host.execution_mut().leave_code();
    let given = host.give_fuel();
    caller.set_fuel(given)
}

/// Charges the guest for all but the last `said` of its fuel; false while an instance is made, which no execution pays for.
fn charge(caller: &mut Caller<'_, Host>, said: u64) -> Result<bool> {
    let left = caller.get_fuel()?;
    let host = caller.data_mut();
    if host.execution.is_none() {
        return Ok(false);
    }
    match host.charge_fuel(left.saturating_add(said)) {
        Ok(()) => Ok(true),
        Err(error) => host.fail(error).map(|()| true),
    }
}
