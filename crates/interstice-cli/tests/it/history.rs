//! What clients know of a node that may end at any moment, and the oracle that judges what is there afterwards.
//!
//! The load: calls that greet somebody, each another name; calls that greet two and must be refused for the second; a query
//! behind every answer; a subscriber. Outcomes are *acknowledged* at an offset, *refused*, or *unknown*, which may be either.
//!
//! The oracle, whenever a node has recovered:
//! 1. Every acknowledged call is there, at its offset, and the node holds the receipts that were given for them.
//! 2. What was refused left nothing; nothing is there that nobody sent, nothing twice.
//! 3. What a subscriber or a query saw is there, at the offset at which it was seen.
//! 4. At the end: rows = log; every event was delivered exactly once; every transaction run again comes to what it recorded,
//!    digest included; every byte of log and snapshots is good.

use crate::support::{Node, run};
use interstice_client::socket::Socket;
use interstice_protocol::receipt::Receipt;
use interstice_protocol::reply::Reply;
use interstice_protocol::request::{ANY_SIGNATURE, Invocation, Request};
use interstice_types::problem::Problem;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// Calls in flight.
const WINDOW: u32 = 64;
/// Every so many calls is one that must be refused.
const REFUSED: u32 = 8;
/// Receipts that are presented to each node, the newest among them.
const RECEIPTS: usize = 8;
/// Request ids that are no calls.
const SUBSCRIBED: u32 = u32::MAX - 1;
const ASKED: u32 = u32::MAX - 2;
const PRESENTED: u32 = u32::MAX - 1_000;
/// No answer takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The settings of a small log: segments are changed and snapshots are made all the time.
pub(crate) const SETTINGS: &str = "[log]\nsegment = \"128 KiB\"\n[snapshots]\ntransactions = 500\n";

/// A number from the environment.
pub(crate) fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// Where or when the `n`th thing goes wrong, below `span`: others for another `INTERSTICE_SEED`, the same in each run.
pub(crate) fn pick(n: u32, span: u32) -> u32 {
    // Primes: neighbours fall far apart.
    (n + number("INTERSTICE_SEED", 0).wrapping_mul(1_000_003) % 65_536) * 7_919 % span
}

/// What histories met: each count by what it counts.
#[derive(Debug, Default)]
pub(crate) struct Met(BTreeMap<String, u32>);

impl Met {
    pub(crate) fn add(&mut self, what: &str, count: usize) {
        *self.0.entry(what.to_owned()).or_default() += count as u32;
    }

    pub(crate) fn get(&self, what: &str) -> u32 {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// A harness proves only what it reaches.
    pub(crate) fn require(&self, all: &[&str]) {
        let missing: Vec<_> = all.iter().filter(|what| self.get(what) == 0).collect();
        assert!(missing.is_empty(), "never reached: {missing:?} in {self:?}");
    }

    /// What the end of a node has left in its data directory.
    pub(crate) fn note_files(&mut self, data: &Path) {
        let count = |folder: &str, start: &str| files(&data.join(folder), start) as u32;
        self.add("unfinished segments", usize::from(count("log", "spare-") > 0));
        self.add("unfinished snapshots", usize::from(has_unfinished_snapshot(data)));
        self.0.insert("torn tails".to_owned(), count("log", "quarantine-"));
        self.0.insert("segments".to_owned(), count("log", "0"));
    }
}

/// Whether a snapshot in this data directory was begun and has no name yet.
pub(crate) fn has_unfinished_snapshot(data: &Path) -> bool {
    files(&data.join("snapshots"), "unfinished-") > 0
}

/// How many files in a folder have names that begin so.
fn files(folder: &Path, start: &str) -> usize {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter(|file| file.file_name().to_str().unwrap().starts_with(start)).count()
}

/// What the clients know, and what was there when it was last looked at.
#[derive(Default)]
pub(crate) struct History {
    sent: u32,
    /// Calls and seen rows by number, and their offsets.
    pub(crate) acknowledged: BTreeMap<u32, u64>,
    seen: BTreeMap<u32, u64>,
    /// By a query.
    glimpsed: BTreeSet<u32>,
    refused: BTreeSet<u32>,
    receipts: Vec<Receipt>,
    /// Of the log, before offset `checked`.
    recorded: BTreeMap<u32, u64>,
    checked: u64,
    in_flight: u32,
    pub(crate) met: Met,
}

fn is_refused(number: u32) -> bool {
    number % REFUSED == REFUSED - 1
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// Whether a call was not begun because its module's compiled code, which is mapped from the disk, is gone with that.
fn is_of_the_disk(problem: &Problem) -> bool {
    problem.code == "host-fault" && problem.message.contains("(os error 5)")
}

/// The number of a guest; none if it is not one of ours.
fn guest(name: &str) -> Option<u32> {
    name.strip_prefix("guest ")?.parse().ok()
}

/// The number of the guest in a row, whose name stands behind its id.
fn guest_in(row: &[u8]) -> Option<u32> {
    let size = u32::from_le_bytes(row.get(8..12)?.try_into().ok()?) as usize;
    guest(std::str::from_utf8(row.get(12..12 + size)?).ok()?)
}

impl History {
    /// Publishes what the load calls.
    pub(crate) fn begin(node: &Node) -> Self {
        node.publish("examples/hello");
        node.publish("examples/caller");
        Self::default()
    }

    fn push(&mut self, socket: &mut Socket) {
        let (function, args) = if is_refused(self.sent) {
            (("caller", "greet_both"), [text(&format!("refused {}", self.sent)), text("")].concat())
        } else {
            (("hello", "greet"), text(&format!("guest {}", self.sent)))
        };
        let invocation = Invocation { module: function.0, function: function.1, signature: ANY_SIGNATURE, args: &args };
        socket.push(self.sent, &Request::Call(invocation));
        self.sent += 1;
        self.in_flight += 1;
    }

    /// Makes so many calls, or as many as there can be until the node is gone.
    pub(crate) async fn load(&mut self, url: &str, calls: u32) {
        self.in_flight = 0;
        let Ok(mut socket) = Socket::connect(url, None).await else { return };
        let step = (self.receipts.len() / RECEIPTS).max(1);
        for (number, receipt) in self.receipts.iter().rev().step_by(step).take(RECEIPTS).enumerate() {
            socket.push(PRESENTED - number as u32, &Request::Receipt(*receipt));
        }
        socket.push(SUBSCRIBED, &Request::Subscribe { sql: "select * from hello.greeting", initial: false });
        let last = self.sent.saturating_add(calls);
        (0..WINDOW.min(calls)).for_each(|_| self.push(&mut socket));
        while self.in_flight > 0 && socket.send().await.is_ok() {
            let answers = tokio::time::timeout(PATIENCE, socket.receive()).await.expect("the node does not answer");
            let Ok(answers) = answers else { return };
            for answer in answers.iter() {
                let (id, reply) = answer.unwrap();
                self.take(id, reply);
            }
            while self.in_flight < WINDOW && self.sent < last {
                self.push(&mut socket);
            }
            let invocation = Invocation {
                module: "hello",
                function: "latest",
                signature: ANY_SIGNATURE,
                args: &1_u32.to_le_bytes(),
            };
            socket.push(ASKED, &Request::Query(invocation));
        }
    }

    fn take(&mut self, id: u32, reply: Reply<'_>) {
        match (id, reply) {
            (_, Reply::Receipt(receipt)) => self.receipts.push(receipt),
            (SUBSCRIBED, Reply::Update { offset, inserts, .. }) => {
                self.seen.extend(inserts.iter().filter_map(guest_in).map(|number| (number, offset)));
            }
            (SUBSCRIBED, Reply::Columns(_) | Reply::Rows { .. }) => {}
            // Behind the count of rows.
            (ASKED, Reply::Ok { value, .. }) => self.glimpsed.extend(guest_in(&value[4..])),
            (id, Reply::Ok { .. }) if id > PRESENTED - RECEIPTS as u32 => {
                self.met.add("receipts held", 1);
            }
            (id, Reply::Error(problem)) if id > PRESENTED - RECEIPTS as u32 => {
                // To look for one the node reads its log.
                let unread = problem.code == "unavailable" || problem.code == "unreadable-log";
                assert!(unread || is_of_the_disk(&problem), "{id}: {problem}");
            }
            (id, Reply::Ok { offset, .. }) => {
                assert!(!is_refused(id), "done, and was to be refused: {id}");
                assert!(self.acknowledged.insert(id, offset).is_none(), "acknowledged twice: {id}");
                self.in_flight -= 1;
            }
            (id, Reply::Error(problem)) => {
                self.in_flight -= 1;
                match &*problem.code {
                    "empty-name" => assert!(is_refused(id), "{id}: {problem}"),
                    "unknown" => self.met.add("calls answered unknown", 1),
                    "unavailable" => drop(self.refused.insert(id)),
                    _ if is_of_the_disk(&problem) => drop(self.refused.insert(id)),
                    "read-only" => {
                        self.refused.insert(id);
                        self.met.add("calls refused for want of space", 1);
                    }
                    _ => panic!("{id}: {problem}"),
                }
            }
            other => panic!("{other:?}"),
        }
    }

    /// Holds what a node has recovered against what is known; only what is new in its log is read.
    pub(crate) fn check(&mut self, node: &Node) {
        let dump = node.run(&["log", "dump", "--from", &self.checked.to_string(), "-o", "jsonl"]).ok().stdout;
        for line in dump.lines() {
            let transaction: serde_json::Value = serde_json::from_str(line).unwrap();
            let offset: u64 = transaction["offset"].as_str().unwrap().parse().unwrap();
            assert_eq!(offset, self.checked, "{line}");
            self.checked = offset + 1;
            assert_ne!(transaction["function"], "caller.greet_both", "refused, and there: {line}");
            if transaction["function"] != "hello.greet" {
                continue;
            }
            let number = guest(transaction["args"]["name"].as_str().unwrap()).expect("nobody sent it");
            assert!(number < self.sent && !is_refused(number), "nobody sent it: {line}");
            assert!(!self.refused.contains(&number), "refused, and there: {line}");
            assert!(self.recorded.insert(number, offset).is_none(), "there twice: {line}");
        }
        for (number, offset) in self.acknowledged.iter().chain(&self.seen) {
            assert_eq!(self.recorded.get(number), Some(offset), "acknowledged or seen, and lost: {number}");
        }
        for number in &self.glimpsed {
            assert!(self.recorded.contains_key(number), "seen by a query, and lost: {number}");
        }
    }

    /// All of it, from the first transaction on, with rows and events; the node ends.
    pub(crate) fn check_all(&mut self, node: Node, data: &Path) {
        self.checked = 0;
        self.recorded.clear();
        self.check(&node);
        let names: BTreeSet<_> = column(&node, "select name from hello.greeting where name <> 'world'").collect();
        let recorded: BTreeSet<_> = self.recorded.keys().map(|number| format!("guest {number}")).collect();
        assert!(names == recorded, "the rows are not those of the log");
        let deadline = Instant::now() + PATIENCE;
        while node.run(&["status", "-o", "json"]).ok().json()["pending_events"] != 0 {
            assert!(Instant::now() < deadline, "events are still pending");
        }
        assert!(column(&node, "select count from caller.tally").all(|count| count == "1"), "delivered twice");
        let counted: BTreeSet<_> = column(&node, "select name from caller.tally").collect();
        assert!(counted == names, "an event was lost or invented");
        node.replays();
        node.run(&["snapshot", "verify"]).ok();
        node.kill();
        run(&["log", "verify", "--data", data.to_str().unwrap()]).ok();
    }

    /// One line of what was met.
    #[expect(clippy::print_stdout, reason = "what a harness has reached")]
    pub(crate) fn tell(&self, what: &str) {
        println!(
            "{what}, seed {}: {} sent, {} acknowledged, {} refused or failed, {} seen, {} receipts, 0 lost, 0 invented; {:?}",
            number("INTERSTICE_SEED", 0),
            self.sent,
            self.acknowledged.len(),
            self.refused.len(),
            self.seen.len() + self.glimpsed.len(),
            self.receipts.len(),
            self.met.0
        );
    }
}

/// The first column of what a query finds.
fn column(node: &Node, sql: &str) -> impl Iterator<Item = String> {
    let rows = node.run(&["sql", sql, "-o", "json"]).ok().json()["rows"].as_array().unwrap().clone();
    rows.into_iter().map(|row| row[0].as_str().unwrap().to_owned())
}
