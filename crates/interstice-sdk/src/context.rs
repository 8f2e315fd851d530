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
///
/// For functions that both call:
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// fn greeting(ctx: &impl Context) -> String {
///     let by = ctx.calling_module().unwrap_or("nobody");
///     format!("{} at {}, for {by}", ctx.caller(), ctx.now())
/// }
///
/// #[reducer]
/// fn greet(ctx: &ReducerContext) -> String {
///     greeting(ctx)
/// }
///
/// #[query]
/// fn would_greet(ctx: &QueryContext) -> String {
///     greeting(ctx)
/// }
///
/// #[interstice_sdk::test]
/// fn both_know_who_calls(db: &mut TestDatabase) {
///     let ada = db.act_as("ada").to_string();
///     let (greeted, would): (String, String) = (db.call("greet", ()).unwrap(), db.query("would_greet", ()).unwrap());
///     assert!(greeted.starts_with(&ada) && greeted.ends_with("for nobody"));
///     assert_eq!(would, greeted, "a query has the time of the last transaction");
/// }
/// ```
pub trait Context {
    /// The transaction's time; in a query, that of the newest transaction that it sees. Never decreases.
    fn now(&self) -> Timestamp;

    /// Who called the outermost function; in an event or a schedule, the module itself.
    fn caller(&self) -> Identity;

    /// The module that called this function, if one did.
    fn calling_module(&self) -> Option<&str>;
}

/// The surroundings of a reducer.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// #[table]
/// pub struct Alarm {
///     #[primary_key]
///     pub id: u64,
///     pub by: Identity,
///     pub rings: ScheduleId,
///     pub colour: u64,
/// }
///
/// #[reducer]
/// fn set(ctx: &ReducerContext, alarms: Insert<Alarm>, id: u64, at: Timestamp) -> u64 {
///     assert!(ctx.calling_module().is_none(), "no module calls this one");
///     let rings = if at > ctx.now() {
///         ctx.schedule_at::<ring>(at, (id, "now".to_owned()))
///     } else {
///         ctx.schedule::<ring>(Duration::from_mins(5), (id, "late".to_owned()))
///     };
///     ctx.log().info("an alarm is set");
///     alarms.insert(Alarm { id, by: ctx.caller(), rings, colour: ctx.rng().below(16) });
///     ctx.offset_hint()
/// }
///
/// #[reducer]
/// fn stop(ctx: &ReducerContext, alarms: Write<Alarm>, id: u64) -> bool {
///     let alarm = alarms.delete(id).filter(|alarm| alarm.by == ctx.caller());
///     alarm.is_some_and(|alarm| ctx.cancel(alarm.rings))
/// }
///
/// #[reducer(access = internal)]
/// fn ring(alarms: Write<Alarm>, id: u64, what: String) {
///     info!("{id} rings {what}");
///     alarms.delete(id);
/// }
///
/// #[interstice_sdk::test]
/// fn alarms_ring_or_are_stopped(db: &mut TestDatabase) {
///     let at = db.now().saturating_add(Duration::from_hours(1));
///     let offset: u64 = db.call("set", (1_u64, at)).unwrap();
///     assert_eq!(db.call::<u64>("set", (2_u64, at)), Ok(offset + 1));
///     assert_eq!(db.call::<u64>("set", (3_u64, Timestamp::EPOCH)), Ok(offset + 2));
///     assert_eq!(db.call::<bool>("stop", (1_u64,)), Ok(true));
///     db.take_log();
///     db.advance(Duration::from_hours(1));
///     let lines: Vec<_> = db.take_log().into_iter().map(|line| line.text).collect();
///     assert_eq!(lines, ["3 rings late", "2 rings now"]);
/// }
/// ```
pub struct ReducerContext {
    surroundings: Surroundings,
    seed: [u8; 16],
    stream: u64,
    offset_hint: Offset,
    random: RefCell<Option<ChaCha12Rng>>,
}

/// The surroundings of a query.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// # #[table]
/// # pub struct Note { #[primary_key(auto_inc)] pub id: u64, pub by: Identity, pub at: Timestamp }
/// # #[reducer]
/// # fn write(ctx: &ReducerContext, notes: Insert<Note>) {
/// #     notes.insert(Note { id: 0, by: ctx.caller(), at: ctx.now() });
/// # }
/// /// How many notes whoever asks has written in the last hour.
/// #[query]
/// fn mine(ctx: &QueryContext, notes: Read<Note>) -> u64 {
///     ctx.log().debug(if ctx.calling_module().is_some() { "a module asks" } else { "somebody asks" });
///     let recent = notes.iter().filter(|note| ctx.now().since(note.at) < Duration::from_hours(1));
///     recent.filter(|note| note.by == ctx.caller()).count() as u64
/// }
///
/// #[interstice_sdk::test]
/// fn notes_grow_old(db: &mut TestDatabase) {
///     db.call::<()>("write", ()).unwrap();
///     assert_eq!(db.query::<u64>("mine", ()), Ok(1));
///     db.act_as("somebody else");
///     db.advance(Duration::from_hours(2));
///     db.call::<()>("write", ()).unwrap(); // now it is later
///     assert_eq!(db.query::<u64>("mine", ()), Ok(1));
/// }
/// ```
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
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// #[query]
/// fn cards() -> Vec<u64> {
///     (1..=4).collect()
/// }
///
/// /// Swaps each card with one before it, or with itself.
/// #[reducer]
/// fn shuffle(ctx: &ReducerContext, mut cards: Vec<u64>) -> Vec<u64> {
///     let mut rng = ctx.rng();
///     for last in (1..cards.len()).rev() {
///         cards.swap(last, rng.below(last as u64 + 1) as usize);
///     }
///     cards.push(rng.next_u64());
///     cards
/// }
///
/// #[interstice_sdk::test]
/// fn every_shuffle_is_another(db: &mut TestDatabase) {
///     let mut shuffle = || db.call::<Vec<u64>>("shuffle", (vec![1_u64, 2, 3, 4],)).unwrap();
///     assert_ne!(shuffle().pop(), shuffle().pop());
///     let mut shuffled = shuffle();
///     shuffled.truncate(4);
///     shuffled.sort();
///     assert_eq!(shuffled, [1, 2, 3, 4]);
///     db.assert_replays(); // and the same when it is run again
/// }
/// ```
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
