//! What a function may know about its surroundings: time, caller, randomness.

use crate::host::Refused;
use crate::log::Logger;
use crate::schedule::{ArgumentsOf, Reducer};
use interstice_abi::header::Header;
use interstice_types::id::{Identity, Offset, ScheduleId};
use interstice_types::time::{Duration, Timestamp};
use rand_chacha::ChaCha12Rng;
use rand_core::{Infallible, SeedableRng, TryRng};
use std::cell::{RefCell, RefMut};

/// What reducers and queries both know.
pub trait Context {
    /// The transaction's time; in a query, that of the newest transaction that it sees. Never decreases.
    fn now(&self) -> Timestamp;

    /// Who called the outermost function; in an event or a schedule, the module itself.
    fn caller(&self) -> Identity;

    /// The module that called this function, if one did.
    fn calling_module(&self) -> Option<&str>;
}

/// The surroundings of a reducer.
pub struct ReducerContext {
    surroundings: Surroundings,
    seed: [u8; 16],
    stream: u64,
    offset_hint: Offset,
    random: RefCell<Option<ChaCha12Rng>>,
}

/// The surroundings of a query.
pub struct QueryContext {
    surroundings: Surroundings,
}

struct Surroundings {
    now: Timestamp,
    caller: Identity,
    calling_module: Option<String>,
}

impl Surroundings {
    fn of(header: &Header<'_>) -> Self {
        let calling_module = (!header.calling_module.is_empty()).then(|| header.calling_module.to_owned());
        Self { now: header.now, caller: header.caller, calling_module }
    }
}

impl ReducerContext {
    #[doc(hidden)]
    pub fn new(header: &Header<'_>) -> Self {
        Self {
            surroundings: Surroundings::of(header),
            seed: header.seed,
            stream: header.stream,
            offset_hint: header.offset_hint,
            random: RefCell::new(None),
        }
    }

    /// The transaction's time. Never decreases.
    pub fn now(&self) -> Timestamp {
        self.surroundings.now
    }

    /// Who called the outermost function; in an event or a schedule, the module itself.
    pub fn caller(&self) -> Identity {
        self.surroundings.caller
    }

    /// The module that called this function, if one did.
    pub fn calling_module(&self) -> Option<&str> {
        self.surroundings.calling_module.as_deref()
    }

    /// The offset that the transaction gets if it commits.
    pub fn offset_hint(&self) -> Offset {
        self.offset_hint
    }

    /// Random numbers from the transaction's seed: others in each call, the same when it is run again.
    pub fn rng(&self) -> Random<'_> {
        let generator = RefMut::map(self.random.borrow_mut(), |random| {
            random.get_or_insert_with(|| generator(self.seed, 2 * self.stream))
        });
        Random { generator }
    }

    /// Has reducer `R` run once, `after` from now, with these arguments: a tuple with one value for each. It runs in a transaction of its
    /// own, under the identity of the module.
    ///
    /// The reducer is named by its own name: `ctx.schedule::<remind>(Duration::from_mins(5), ("tea".to_owned(),))`.
    ///
    /// # Traps
    /// Ends the call with `too-many-schedules` if the module has as many as it may.
    pub fn schedule<R: Reducer>(&self, after: Duration, args: impl ArgumentsOf<R::Arguments>) -> ScheduleId {
        self.schedule_at::<R>(self.now().saturating_add(after), args)
    }

    /// As [`schedule`](Self::schedule), at a point in time; one in the past is now.
    ///
    /// # Traps
    /// As [`schedule`](Self::schedule).
    pub fn schedule_at<R: Reducer>(&self, due: Timestamp, args: impl ArgumentsOf<R::Arguments>) -> ScheduleId {
        let mut bytes = Vec::new();
        args.append(&mut bytes);
        crate::host::schedule(R::entry().number(), due, &bytes).unwrap_or_else(|Refused| crate::host::raise())
    }

    /// Takes a schedule away that this module made. Whether there was one that has still to run.
    pub fn cancel(&self, schedule: ScheduleId) -> bool {
        crate::host::cancel(schedule)
    }

    /// Writes lines to the log of the transaction.
    pub fn log(&self) -> Logger {
        Logger(())
    }
}

impl QueryContext {
    #[doc(hidden)]
    pub fn new(header: &Header<'_>) -> Self {
        Self { surroundings: Surroundings::of(header) }
    }

    /// The time of the newest transaction that the query sees.
    pub fn now(&self) -> Timestamp {
        self.surroundings.now
    }

    /// Who asks.
    pub fn caller(&self) -> Identity {
        self.surroundings.caller
    }

    /// The module that called this function, if one did.
    pub fn calling_module(&self) -> Option<&str> {
        self.surroundings.calling_module.as_deref()
    }

    /// Writes lines to the log of the query.
    pub fn log(&self) -> Logger {
        Logger(())
    }
}

macro_rules! contexts {
    ($($context:ty)*) => {$(
        impl Context for $context {
            fn now(&self) -> Timestamp {
                self.surroundings.now
            }

            fn caller(&self) -> Identity {
                self.surroundings.caller
            }

            fn calling_module(&self) -> Option<&str> {
                self.surroundings.calling_module.as_deref()
            }
        }
    )*};
}

contexts! { ReducerContext QueryContext }

/// The stream `stream` of the transaction's seed. Each invocation has two: one for `ctx.rng()`, one for `getrandom`.
pub(crate) fn generator(seed: [u8; 16], stream: u64) -> ChaCha12Rng {
    let mut key = [0; 32];
    key[..16].copy_from_slice(&seed);
    key[16..].copy_from_slice(&seed);
    let mut generator = ChaCha12Rng::from_seed(key);
    generator.set_stream(stream);
    generator
}

/// Random numbers of one call. Implements the traits of `rand_core`, so that all of `rand` works on it.
pub struct Random<'c> {
    generator: RefMut<'c, ChaCha12Rng>,
}

impl TryRng for Random<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.generator.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.generator.try_next_u64()
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.generator.try_fill_bytes(out)
    }
}

impl Random<'_> {
    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        let Ok(number) = self.try_next_u64();
        number
    }

    /// A number below `bound`, each equally likely.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below 0");
        // Lemire, "Fast Random Integer Generation in an Interval" (2019): the high half of a product, with the few
        // values drawn again that would make some numbers likelier.
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= bound.wrapping_neg() % bound {
                return (product >> 64) as u64;
            }
        }
    }
}
