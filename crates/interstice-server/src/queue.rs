//! A queue between threads that gives all that waits at once.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A bounded queue. Whoever takes, takes everything.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    emptied: Condvar,
    limit: usize,
}

#[derive(Debug)]
struct State<T> {
    items: Vec<T>,
    /// Sum of the weights.
    weight: usize,
    closed: bool,
}

/// Why something was not taken into a queue. It comes back.
#[derive(Debug)]
pub(crate) enum Refused<T> {
    Full(T),
    Closed(T),
}

/// What a wait for items ended with.
#[derive(Debug)]
pub(crate) enum Taken<T> {
    Items(Vec<T>),
    /// The time was up.
    Nothing,
    /// The queue is closed and empty.
    Closed,
}

impl<T> Queue<T> {
    /// A queue that holds items up to a sum of weights.
    pub(crate) fn new(limit: usize) -> Self {
        let state = State { items: Vec::new(), weight: 0, closed: false };
        Self { state: Mutex::new(state), filled: Condvar::new(), emptied: Condvar::new(), limit }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item, unless the queue is full or closed. An item too heavy for any queue passes if the queue is empty.
    pub(crate) fn offer(&self, item: T, weight: usize) -> Result<(), Refused<T>> {
        let state = self.state();
        if state.closed {
            return Err(Refused::Closed(item));
        }
        if !state.items.is_empty() && state.weight + weight > self.limit {
            return Err(Refused::Full(item));
        }
        self.add(state, item, weight);
        Ok(())
    }

    /// Adds an item, also to a queue that is full; one that is closed loses it.
    pub(crate) fn insist(&self, item: T, weight: usize) {
        let state = self.state();
        if !state.closed {
            self.add(state, item, weight);
        }
    }

    /// Adds an item, waiting while the queue is full; gives it back if the queue is closed.
    pub(crate) fn push(&self, item: T, weight: usize) -> Result<(), T> {
        let mut state = self.state();
        while !state.closed && !state.items.is_empty() && state.weight + weight > self.limit {
            state = self.emptied.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Err(item);
        }
        self.add(state, item, weight);
        Ok(())
    }

    fn add(&self, mut state: MutexGuard<'_, State<T>>, item: T, weight: usize) {
        let was_empty = state.items.is_empty();
        state.items.push(item);
        state.weight += weight;
        drop(state);
        // Whoever takes, takes everything: only the first item has to wake it.
        if was_empty {
            self.filled.notify_one();
        }
    }

    /// Everything that waits; waits itself until there is something, or until `patience` is over.
    pub(crate) fn take(&self, patience: Option<Duration>) -> Taken<T> {
        let mut state = self.state();
        if state.items.is_empty() && !state.closed {
            state = match patience {
                None => {
                    let waits = |state: &mut State<T>| state.items.is_empty() && !state.closed;
                    self.filled.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner)
                }
                Some(time) if time.is_zero() => return Taken::Nothing,
                Some(time) => self.filled.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        if state.items.is_empty() {
            return if state.closed { Taken::Closed } else { Taken::Nothing };
        }
        let items = std::mem::take(&mut state.items);
        state.weight = 0;
        drop(state);
        self.emptied.notify_all();
        Taken::Items(items)
    }

    /// Takes nothing more. What is inside can still be taken.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }
}

/// Closes a queue when its last user ends, by whatever way.
pub(crate) struct CloseOnDrop<'q, T>(pub(crate) &'q Queue<T>);

impl<T> Drop for CloseOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.close();
    }
}
