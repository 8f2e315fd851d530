//! Space for the log, reserved ahead: nothing is executed that may find no place in it.
//!
//! 1. The engine counts the bytes of all frames that it made, the committer those that are settled: the rest is in flight.
//! 2. Before a call, an event or a publish the engine asks whether what is in flight *and* half a segment more have their
//!    place: in the open segment, or in the one that is made ahead ([`Room`]).
//! 3. If not, it waits for the committer, or for the next segment to be made.
//! 4. If there is no space to make that, the node only reads: what would write is refused, reads go on. The committer tries
//!    again, with growing pauses, and when there is space everything goes on.
//!
//! A transaction of any size up to a segment has its place once the next segment is made. What is left: a disk that fills up
//! between the change of segments and the making of the next one, while a transaction of more than half a segment is executed,
//! more than the open one takes; and a transaction larger than a segment on a full disk. Neither can be taken back, for the engine
//! has gone on from it, and neither is in the log: the node ends, as after a failed write, and the caller hears `unknown`. To
//! reserve for these too, all writes would stop at each change of segments, or every segment would have twice its size.

use interstice_log::log::Room;
use interstice_log::planted::{self, Bug};
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between a failed attempt to reserve space and the next one, at first; then twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause: an attempt fills up the disk for a moment, which others use too.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// How long the engine waits before it looks whether the node still lives.
const PATIENCE: Duration = Duration::from_millis(50);

/// How far the log has space, as the engine, the committer and the maker of segments see it.
#[derive(Default)]
pub(crate) struct Reserve {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Bytes of frames that are settled.
    settled: u64,
    /// Whether a segment is being made.
    making: bool,
    /// Why there is no next segment, if there was no space for it.
    missing: Option<Missing>,
    /// Why there is none, if the disk failed.
    fault: Option<String>,
}

struct Missing {
    why: String,
    pause: Duration,
    again: Instant,
}

/// What the engine may do.
#[derive(Debug, PartialEq)]
pub(crate) enum Admission {
    /// Go on until it has made so many bytes in all.
    Until(u64),
    /// Hand over what it has, and wait.
    Wait,
    /// Nothing that writes: there is no space, for this reason.
    Refused(String),
}

impl Reserve {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many bytes more are settled.
    pub(crate) fn settled(&self, size: u64) {
        self.state().settled += size;
        self.changed.notify_all();
    }

    /// What the engine may do that has made so many bytes. `waiting` has it wait here for a moment, if it must.
    pub(crate) fn admit(&self, room: impl Fn() -> Option<Room>, made: u64, waiting: bool) -> Admission {
        let state = self.state();
        match state.admission(room(), made) {
            Admission::Wait if waiting => {
                let waited = self.changed.wait_timeout(state, PATIENCE);
                let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
                state.admission(room(), made)
            }
            found => found,
        }
    }

    /// Why nothing can be written now, for want of space.
    pub(crate) fn refusal(&self, room: Option<Room>) -> Option<String> {
        match self.state().admission(room, 0) {
            Admission::Refused(why) => Some(why),
            Admission::Until(_) | Admission::Wait => None,
        }
    }

    /// Whether it is time to make a segment.
    pub(crate) fn is_due(&self) -> bool {
        let state = self.state();
        !state.making && state.missing.as_ref().is_none_or(|missing| missing.again <= Instant::now())
    }

    /// A segment is being made from now on.
    pub(crate) fn begin(&self) {
        self.state().making = true;
    }

    /// What came of it.
    pub(crate) fn finish(&self, result: io::Result<()>) {
        let mut state = self.state();
        state.making = false;
        match result {
            Ok(()) => state.missing = None,
            Err(error) if is_passing(error.kind()) => {
                let pause = state.missing.take().map_or(FIRST_PAUSE, |last| LONGEST_PAUSE.min(last.pause * 2));
                state.missing = Some(Missing { why: error.to_string(), pause, again: Instant::now() + pause });
            }
            Err(error) => state.fault = Some(error.to_string()),
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Why making a segment failed, if the disk failed.
    pub(crate) fn fault(&self) -> Option<String> {
        self.state().fault.clone()
    }

    /// When to look here again: while a segment is being made, or could not be.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        let state = self.state();
        let again = state.missing.as_ref().map(|missing| missing.again.saturating_duration_since(Instant::now()));
        let waits = again.is_some() || state.making || state.fault.is_some();
        waits.then(|| again.unwrap_or_default().max(FIRST_PAUSE))
    }
}

/// Whether it may be otherwise in a moment, without anybody looking at the disk.
fn is_passing(kind: io::ErrorKind) -> bool {
    // The last one: no thread could be started.
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::WouldBlock)
}

impl State {
    fn admission(&self, room: Option<Room>, made: u64) -> Admission {
        let Some(room) = room else { return Admission::Until(u64::MAX) };
        match (in_flight(&room), &self.missing) {
            (Some(bytes), _) if made <= self.settled + bytes => Admission::Until(self.settled + bytes),
            (Some(_), _) | (None, None) => Admission::Wait,
            (None, Some(_)) if planted::is(Bug::ReadOnlyIgnored) => Admission::Until(u64::MAX),
            (None, Some(missing)) => Admission::Refused(missing.why.clone()),
        }
    }
}

/// How many bytes may be in flight while something more is begun; `None` if there is no room for anything more.
fn in_flight(room: &Room) -> Option<u64> {
    let next = room.segment / 2;
    let in_open = room.open.checked_sub(next);
    // What is in flight fills up the open segment at most, or it moves on with what comes next.
    let with_spare = room.spare.map(|spare| room.open.max(spare.saturating_sub(next)));
    in_open.max(with_spare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(open: u64, spare: Option<u64>) -> Room {
        Room { open, spare, segment: 100 }
    }

    #[test]
    fn half_a_segment_beside_what_is_in_flight_has_its_place() {
        for (open, spare, expected) in [
            (100, None, Some(50)),
            (50, None, Some(0)),
            (49, None, None),
            (0, None, None),
            (0, Some(100), Some(50)),
            (80, Some(100), Some(80)),
            (100, Some(100), Some(100)),
        ] {
            assert_eq!(in_flight(&room(open, spare)), expected, "{open} {spare:?}");
        }
    }

    #[test]
    fn who_finds_no_room_waits_until_it_is_known_that_there_is_no_space() {
        let reserve = Reserve::default();
        let ask = |open, made| reserve.admit(|| Some(room(open, None)), made, false);
        assert_eq!(ask(60, 10), Admission::Until(10));
        assert_eq!(ask(60, 11), Admission::Wait, "one byte more in flight");
        reserve.settled(1);
        assert_eq!(ask(60, 11), Admission::Until(11));
        assert_eq!(ask(49, 1), Admission::Wait);
        reserve.begin();
        assert!(!reserve.is_due());
        reserve.finish(Err(io::ErrorKind::StorageFull.into()));
        assert!(matches!(ask(49, 1), Admission::Refused(_)));
        assert_eq!(ask(50, 1), Admission::Until(1), "as long as there is room");
        assert!(!reserve.is_due(), "not again at once");
        reserve.begin();
        assert!(matches!(ask(49, 1), Admission::Refused(_)), "while it is tried again");
        reserve.finish(Ok(()));
        assert_eq!(ask(49, 1), Admission::Wait);
        assert_eq!(reserve.admit(|| None, u64::MAX, false), Admission::Until(u64::MAX), "a log that needs none");
    }

    #[test]
    fn pauses_grow_to_their_limit_and_a_disk_that_fails_is_not_a_full_one() {
        let reserve = Reserve::default();
        let pause = || reserve.state().missing.as_ref().map(|missing| missing.pause);
        for pauses in [250, 500, 1000, 2000, 4000, 4000] {
            reserve.finish(Err(io::ErrorKind::StorageFull.into()));
            assert_eq!(pause(), Some(Duration::from_millis(pauses)));
        }
        reserve.finish(Ok(()));
        assert_eq!((pause(), reserve.fault()), (None, None));
        reserve.finish(Err(io::Error::other("gone")));
        assert_eq!((pause(), reserve.fault()), (None, Some("gone".to_owned())));
    }
}
