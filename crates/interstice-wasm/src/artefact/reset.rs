//! Whether an instance can be made as new by copying its static data back; and if not, everything that stands in the way.
//!
//! It can if memory cannot grow, and nothing outside of it changes but the stack pointer, which the host can set.

use super::scan::{Global, Scan};
use super::{PAGE_SIZE, ResetRange};
use interstice_abi::host::{EXPORT_HEAP_BASE, EXPORT_STACK_POINTER};
use wasmparser::ExternalKind;

/// Something that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What, with the names of functions.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

/// What `interstice build` does that another build does not.
const BUILD: &str = "build it with `interstice build`, which sets the linker's flags";
/// Globals that are named where there are many.
const MAX_NAMED: usize = 8;

/// The static data that a call may change.
///
/// # Errors
/// All that stands in the way.
pub(super) fn range(scan: &Scan<'_>) -> Result<ResetRange, Vec<Obstacle>> {
    let mut obstacles = Vec::new();
    obstacles.extend(memory_that_grows(scan));
    obstacles.extend(instructions_that_keep(scan));
    let start = stack_pointer(scan).map_err(|obstacle| obstacles.push(obstacle));
    let end = heap_base(scan).map_err(|obstacle| obstacles.push(obstacle));
    let (Ok(start), Ok(end)) = (start, end) else { return Err(obstacles) };
    let size = scan.memories.first().map_or(0, |memory| memory.initial.saturating_mul(PAGE_SIZE));
    if start > end || u64::from(end) > size {
        let what = format!("static data would lie from byte {start} to byte {end} of {size} in memory");
        obstacles.push(Obstacle { what, hint: BUILD.to_owned() });
    }
    if obstacles.is_empty() { Ok(ResetRange { start, end }) } else { Err(obstacles) }
}

fn memory_that_grows(scan: &Scan<'_>) -> Option<Obstacle> {
    let Some(memory) = scan.memories.first() else {
        return Some(Obstacle { what: "there is no memory".to_owned(), hint: BUILD.to_owned() });
    };
    let maximum = match memory.maximum {
        Some(maximum) if maximum == memory.initial => return None,
        Some(maximum) => format!("may grow to {maximum}"),
        None => "may grow without an end of its own".to_owned(),
    };
    let what = format!("memory has {} pages and {maximum}", memory.initial);
    let bytes = memory.initial.saturating_mul(PAGE_SIZE);
    let hint = format!("{BUILD}: `-Clink-arg=--initial-memory={bytes} -Clink-arg=--max-memory={bytes}`");
    Some(Obstacle { what, hint })
}

fn instructions_that_keep<'s>(scan: &'s Scan<'_>) -> impl Iterator<Item = Obstacle> + 's {
    scan.keeping.iter().map(|(name, places)| Obstacle {
        what: format!("`{name}` in {} changes what a reset does not bring back", scan.names_of(places)),
        hint: match *name {
            "memory.grow" => "let the SDK's allocator be the only one: it never grows memory".to_owned(),
            _ => "leave out the crate that changes tables or drops segments while it runs".to_owned(),
        },
    })
}

/// Where the stack pointer begins: in the only global that can be set.
fn stack_pointer(scan: &Scan<'_>) -> Result<u32, Obstacle> {
    let obstacle = |what: String, hint: &str| Obstacle { what, hint: hint.to_owned() };
    let mutable: Vec<_> = (0_u32..).zip(&scan.globals).filter(|(_, global)| global.mutable).collect();
    let (number, global) = match mutable[..] {
        [] => return Err(obstacle("there is no stack pointer: no global can be set".to_owned(), BUILD)),
        [one] => one,
        _ => {
            let what = format!("{} globals can be set: {}; a reset brings back one", mutable.len(), numbers(&mutable));
            return Err(obstacle(what, "keep in memory or in a table what these globals hold"));
        }
    };
    let is_set = scan.globals.iter().any(|global| global.writers.count > 0);
    if is_set && scan.export(EXPORT_STACK_POINTER, ExternalKind::Global) != Some(number) {
        let what = format!("the stack pointer, global {number}, is not exported as `{EXPORT_STACK_POINTER}`");
        let hint = format!("{BUILD}: `-Clink-arg=--export={EXPORT_STACK_POINTER}`");
        return Err(obstacle(what, &hint));
    }
    let initial = global.initial.map(|initial| initial as u32);
    initial.ok_or_else(|| obstacle(format!("global {number}, the stack pointer, begins with no constant"), BUILD))
}

fn heap_base(scan: &Scan<'_>) -> Result<u32, Obstacle> {
    let exported = scan.export(EXPORT_HEAP_BASE, ExternalKind::Global);
    let initial = exported.and_then(|index| scan.globals.get(index as usize)).and_then(|global| global.initial);
    initial.map(|initial| initial as u32).ok_or_else(|| {
        let what = match exported {
            None => format!("`{EXPORT_HEAP_BASE}` is not exported"),
            Some(_) => format!("`{EXPORT_HEAP_BASE}` begins with no constant"),
        };
        Obstacle { what, hint: format!("{BUILD}: `-Clink-arg=--export={EXPORT_HEAP_BASE}`") }
    })
}

fn numbers(globals: &[(u32, &Global)]) -> String {
    let mut numbers: Vec<_> = globals.iter().take(MAX_NAMED).map(|(number, _)| number.to_string()).collect();
    numbers.extend((globals.len() > MAX_NAMED).then(|| "…".to_owned()));
    numbers.join(", ")
}
