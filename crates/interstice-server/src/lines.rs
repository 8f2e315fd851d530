//! Lines that functions logged, the newest of them: a bounded ring in memory, which fills as answers leave.
//!
//! What falls out is not gone: the log has the transaction, and running it again logs the same lines again. Only of calls that were refused,
//! or changed nothing in the log, there is nothing to run again.

use crate::reports;
use interstice_engine::engine::Output;
use interstice_engine::execution::LogLine;
use interstice_protocol::http::Lines as Page;
use interstice_protocol::limits::MAX_PAGE_COUNT;
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use interstice_types::time::Timestamp;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// What a line takes beside its text, about.
const LINE_OVERHEAD: usize = 160;

/// What a call or a transaction logged.
pub struct Entry {
    /// Its transaction, if there is one.
    pub offset: Option<Offset>,
    /// When it was made, or answered.
    pub time: Timestamp,
    /// How it ended.
    pub outcome: &'static str,
    /// The code of what it ended with.
    pub code: Option<String>,
    /// What it logged; there is something.
    pub lines: Vec<LogLine>,
}

/// The newest lines.
pub(crate) struct Lines {
    ring: Mutex<Ring>,
    /// The number of the next line.
    next: watch::Sender<u64>,
}

struct Ring {
    entries: VecDeque<Entry>,
    /// The number of the first line of the first entry.
    first: u64,
    /// The number of the next line.
    next: u64,
    size: usize,
    limit: usize,
    /// Of transactions from here on all lines are there.
    kept_from: Offset,
}

impl Lines {
    /// None yet, of transactions from `kept_from` on; no more than `limit` bytes.
    pub(crate) fn new(limit: usize, kept_from: Offset) -> Self {
        let ring = Ring { entries: VecDeque::new(), first: 0, next: 0, size: 0, limit, kept_from };
        Self { ring: Mutex::new(ring), next: watch::Sender::new(0) }
    }

    /// Keeps what `output` logged; `now` is the wall clock.
    #[inline]
    pub(crate) fn note(&self, output: &mut Output, now: impl FnOnce() -> Timestamp) {
        if !output.log.is_empty() {
            self.keep(entry_of(output, now));
        }
    }

    #[cold]
    fn keep(&self, entry: Entry) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.push(entry);
        let next = ring.next;
        drop(ring);
        self.next.send_replace(next);
    }

    /// Those from number `from` on.
    pub(crate) fn page(&self, from: u64) -> Page {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let mut page = Page { lines: Vec::new(), next: ring.first, kept_from: ring.kept_from };
        for entry in &ring.entries {
            for line in reports::entry_lines(entry, "node") {
                if page.next >= from {
                    if page.lines.len() == MAX_PAGE_COUNT {
                        return page;
                    }
                    page.lines.push(line);
                }
                page.next += 1;
            }
        }
        page
    }

    /// Tells of the number of the next line, whenever it becomes another.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.next.subscribe()
    }
}

impl Ring {
    fn push(&mut self, entry: Entry) {
        self.size += entry.size();
        self.next += entry.lines.len() as u64;
        self.entries.push_back(entry);
        while self.size > self.limit {
            let Some(gone) = self.entries.pop_front() else { break };
            self.size -= gone.size();
            self.first += gone.lines.len() as u64;
            self.kept_from = gone.offset.map_or(self.kept_from, |offset| offset + 1);
        }
    }
}

impl Entry {
    fn size(&self) -> usize {
        self.lines.iter().map(|line| line.text.len() + line.module.len() + line.function.len() + LINE_OVERHEAD).sum()
    }
}

fn entry_of(output: &mut Output, now: impl FnOnce() -> Timestamp) -> Entry {
    let lines = std::mem::take(&mut output.log);
    let code = output.reply.as_ref().err().map(|problem: &Problem| problem.code.to_string());
    let Some(transaction) = &output.transaction else {
        let outcome = if code.is_some() { "refused" } else { "ok" };
        return Entry { offset: None, time: now(), outcome, code, lines };
    };
    let (offset, outcome) = (Some(transaction.offset), transaction.outcome.name());
    Entry { offset, time: transaction.time, outcome, code, lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(offset: Option<Offset>, texts: &[&str]) -> Entry {
        let line = |text: &&str| LogLine {
            module: "m".to_owned(),
            function: "f".to_owned(),
            level: 3,
            text: (*text).to_owned(),
            undone: false,
        };
        let lines = texts.iter().map(line).collect();
        Entry { offset, time: Timestamp(0), outcome: "ok", code: None, lines }
    }

    fn texts(page: &Page) -> Vec<&str> {
        page.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn the_oldest_fall_out_by_whole_transactions_and_from_where_on_all_are_kept_is_known() {
        let one = entry(Some(7), &["a"]).size();
        // Room for three lines, and no byte more.
        let lines = Lines::new(3 * one, 5);
        for (offset, said) in [(Some(7), &["a", "b"][..]), (None, &["c"])] {
            lines.keep(entry(offset, said));
        }
        let page = lines.page(0);
        assert_eq!((texts(&page), page.next, page.kept_from), (vec!["a", "b", "c"], 3, 5));
        assert_eq!(texts(&lines.page(1)), ["b", "c"]);
        lines.keep(entry(Some(9), &["d"]));
        let page = lines.page(0);
        assert_eq!((texts(&page), page.next, page.kept_from), (vec!["c", "d"], 4, 8));
        // Of a call without a transaction nothing is missing then.
        lines.keep(entry(Some(10), &["e", "f"]));
        let page = lines.page(0);
        assert_eq!((texts(&page), page.next, page.kept_from), (vec!["d", "e", "f"], 6, 8));
        assert_eq!((texts(&lines.page(6)), lines.page(6).next), (Vec::new(), 6));
        assert_eq!(*lines.watch().borrow(), 6);
    }
}
