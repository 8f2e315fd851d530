//! What code says that tells when each function in it begins and ends (`artefact::telling`).
//!
//! At each of these the guest is charged for what it did, and not for having said so: the fuel that an execution has left is exact then.
//! What the guest burns beside its own instructions it gets on top.

use super::{Caller, Outcome};
use crate::artefact::telling::{BEFORE_BEGIN, BEFORE_END, BEGIN, END, TELL_MODULE};
use crate::compiled::{Data, ended};
use wasmtime::Linker;

type Telling<'c> = wasmtime::Caller<'c, Data>;

/// Takes what such code says.
///
/// # Errors
/// If it is linked already.
pub(crate) fn link(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    linker.func_wrap(TELL_MODULE, BEGIN, |caller: Telling<'_>, function: i32| {
        begin(caller, function as u32).map_err(ended)
    })?;
    linker.func_wrap(TELL_MODULE, END, |caller: Telling<'_>| end(caller).map_err(ended))?;
    Ok(())
}

fn begin(mut caller: Telling<'_>, function: u32) -> Outcome<()> {
    if !charge(&mut caller, BEFORE_BEGIN)? {
        return Ok(());
    }
    let data = caller.data_mut();
    data.host.execution_mut().enter_code(function);
    let call_cost = data.functions.as_ref().and_then(|functions| functions.call_costs.get(function as usize));
    let call_cost = *call_cost.expect("invariant: code that tells has its functions beside it");
    let given = data.host.give_fuel();
    Caller::set_fuel(&mut caller, given.saturating_add(call_cost));
    Ok(())
}

fn end(mut caller: Telling<'_>) -> Outcome<()> {
    if !charge(&mut caller, BEFORE_END)? {
        return Ok(());
    }
    let host = caller.host();
    host.execution_mut().leave_code();
    let given = host.give_fuel();
    Caller::set_fuel(&mut caller, given);
    Ok(())
}

/// Charges the guest for all but the last `said` of its fuel; false while an instance is made, which no execution pays for.
fn charge(caller: &mut Telling<'_>, said: u64) -> Outcome<bool> {
    let left = caller.fuel();
    let host = caller.host();
    if !host.is_called() {
        return Ok(false);
    }
    match host.charge_fuel(left.saturating_add(said)) {
        Ok(()) => Ok(true),
        Err(error) => host.fail(error).map(|()| true),
    }
}
