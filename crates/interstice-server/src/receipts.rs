//! Receipts: given with every acknowledgement, and checked when a client presents one.
//!
//! A check, in order:
//! 1. Is it one of those that were given of late? Then it holds.
//! 2. Else a thread for blocking work reads the log, up to the frame that the receipt is of. Few do so at a time.

use crate::node::Node;
use interstice_log::frame::Lineage;
use interstice_log::log::{self, Standing as Found};
use interstice_protocol::problems;
use interstice_protocol::receipt::{Receipt, Standing};
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Receipts that are known without reading the log: those of so many frames.
const MAX_KNOWN: usize = 1024;
/// Checks that read the log at the same time; others wait for them.
const MAX_CHECKS: usize = 2;

/// The receipts that were given of late, and the places of those who check others.
pub(crate) struct Receipts {
    known: Mutex<VecDeque<Receipt>>,
    checks: Arc<Semaphore>,
}

impl Receipts {
    pub(crate) fn new() -> Self {
        Self { known: Mutex::default(), checks: Arc::new(Semaphore::new(MAX_CHECKS)) }
    }

    /// Notes what will be given. The receipts are of durable frames, in order.
    pub(crate) fn note(&self, given: &[log::Receipt]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(given.iter().filter_map(shown));
        let surplus = known.len().saturating_sub(MAX_KNOWN);
        known.drain(..surplus);
    }

    /// The receipt of the newest frame that was settled here, if one was.
    pub(crate) fn newest(&self) -> Option<Receipt> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).back().copied()
    }

    fn knows(&self, receipt: &Receipt) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(receipt)
    }
}

/// The receipts of one sync. Answers come in the order of their transactions: each is looked for behind the one before.
pub(crate) struct Given {
    receipts: Vec<log::Receipt>,
    next: usize,
}

impl Given {
    pub(crate) fn new(receipts: Vec<log::Receipt>) -> Self {
        Self { receipts, next: 0 }
    }

    /// The receipt of the frame that completes the transaction `offset`.
    pub(crate) fn of(&mut self, offset: Offset) -> Receipt {
        while self.receipts.get(self.next).is_some_and(|receipt| receipt.next_offset <= offset) {
            self.next += 1;
        }
        let found = self.receipts.get(self.next).and_then(shown);
        found.expect("invariant: what was done in a round is in its frames")
    }
}

/// A receipt as clients see it: it names the newest transaction of its frame. There is none before the first one.
fn shown(receipt: &log::Receipt) -> Option<Receipt> {
    let offset = receipt.next_offset.checked_sub(1)?;
    Some(Receipt { lineage: receipt.lineage.0, offset, chain: receipt.chain })
}

/// Whether this node has the history in which `receipt` was given.
pub(crate) async fn check(node: &Arc<Node>, receipt: Receipt) -> Result<Standing, Problem> {
    if node.receipts.knows(&receipt) {
        return Ok(Standing::Held);
    }
    let ended = || problems::unavailable("the check ended by a bug");
    let place = Arc::clone(&node.receipts.checks).acquire_owned().await.map_err(|_| ended())?;
    let node = Arc::clone(node);
    let reading = tokio::task::spawn_blocking(move || {
        let _place = place;
        read(&node, &receipt)
    });
    reading.await.map_err(|_| ended())?
}

fn read(node: &Node, receipt: &Receipt) -> Result<Standing, Problem> {
    let Receipt { lineage, offset, chain } = *receipt;
    let found = match offset.checked_add(1) {
        Some(next_offset) => {
            let receipt = log::Receipt { lineage: Lineage(lineage), next_offset, chain };
            node.log.standing(&receipt).map_err(|error| unreadable(&error))?
        }
        None => Found::Diverged,
    };
    match found {
        Found::Held => Ok(Standing::Held),
        Found::Unverifiable => Ok(Standing::Unverifiable),
        Found::Diverged => {
            let tail = node.log.tail();
            Err(problems::history_diverged(receipt, &tail.lineage.0, tail.next_offset))
        }
    }
}

/// A log that cannot be read where it should say something.
pub(crate) fn unreadable(error: &impl std::fmt::Display) -> Problem {
    Problem::new("unreadable-log", error.to_string()).hint("see every fault with `interstice log verify`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(next_offset: u64, byte: u8) -> log::Receipt {
        log::Receipt { lineage: Lineage([1; 16]), next_offset, chain: [byte; 32] }
    }

    #[test]
    fn a_transaction_has_the_receipt_of_the_frame_that_completes_it() {
        // Offsets 3 and 4, the parts of 5, then a seal.
        let frames = vec![receipt(5, 1), receipt(5, 2), receipt(6, 3), receipt(6, 4)];
        let mut given = Given::new(frames);
        let found = [3, 4, 5].map(|offset| given.of(offset)).map(|receipt| (receipt.offset, receipt.chain[0]));
        assert_eq!(found, [(4, 1), (4, 1), (5, 3)]);
    }

    #[test]
    fn so_many_are_known_and_not_one_more() {
        let receipts = Receipts::new();
        let given: Vec<_> = (0..=MAX_KNOWN as u64).map(|before| receipt(before + 1, 1)).collect();
        receipts.note(&given[..MAX_KNOWN]);
        let (first, last) = (shown(&given[0]).unwrap(), shown(&given[MAX_KNOWN]).unwrap());
        assert!(receipts.knows(&first) && !receipts.knows(&last));
        receipts.note(&given[MAX_KNOWN..]);
        assert!(!receipts.knows(&first) && receipts.knows(&last));
        assert!(!receipts.knows(&Receipt { chain: [2; 32], ..last }));
    }
}
