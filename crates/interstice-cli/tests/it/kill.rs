//! `kill -9` of the release binary under load, again and again, on one data directory.
//!
//! `INTERSTICE_KILLS` rounds (50 unless set). After each: every acknowledged call is there at its offset, nothing is there
//! that nobody sent or twice, every greeting was counted by the event reducer exactly once, and the newest receipt is held.

use crate::support::{Node, run};
use interstice_client::socket::Socket;
use interstice_protocol::receipt::Receipt;
use interstice_protocol::reply::Reply;
use interstice_protocol::request::{ANY_SIGNATURE, Invocation, Request};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// Calls in flight.
const WINDOW: u32 = 64;
/// The request id under which the newest receipt is presented.
const PRESENTED: u32 = u32::MAX - 1;

/// What the client knows: whom it sent, and who was acknowledged at which offset.
#[derive(Default)]
struct History {
    sent: u32,
    acknowledged: BTreeMap<String, u64>,
    receipt: Option<Receipt>,
    /// Receipts of a killed node that the next one held.
    held: u32,
}

fn name(number: u32) -> String {
    format!("guest {number}")
}

impl History {
    fn push(&mut self, socket: &mut Socket) {
        let name = name(self.sent);
        let args = [&(name.len() as u32).to_le_bytes()[..], name.as_bytes()].concat();
        let invocation = Invocation { module: "hello", function: "greet", signature: ANY_SIGNATURE, args: &args };
        socket.push(self.sent, &Request::Call(invocation));
        self.sent += 1;
    }

    /// Calls until the node is gone.
    async fn load(&mut self, url: &str) {
        let Ok(mut socket) = Socket::connect(url, None).await else { return };
        if let Some(receipt) = self.receipt {
            socket.push(PRESENTED, &Request::Receipt(receipt));
        }
        (0..WINDOW).for_each(|_| self.push(&mut socket));
        while socket.send().await.is_ok() {
            let Ok(answers) = socket.receive().await else { return };
            for answer in answers.iter() {
                match answer.unwrap() {
                    (PRESENTED, Reply::Ok { .. }) => {
                        self.held += 1;
                        continue;
                    }
                    (_, Reply::Receipt(receipt)) => {
                        self.receipt = Some(receipt);
                        continue;
                    }
                    (id, Reply::Ok { offset, .. }) => {
                        assert!(self.acknowledged.insert(name(id), offset).is_none(), "acknowledged twice: {id}");
                    }
                    (_, Reply::Error(problem)) => assert_eq!(problem.code, "unknown", "{problem}"),
                    other => panic!("{other:?}"),
                }
                self.push(&mut socket);
            }
        }
    }

    /// Compares with what is there, read without a node.
    fn check(&self, data: &Path) {
        let data = data.to_str().unwrap();
        let dump = run(&["log", "dump", "--data", data, "-o", "jsonl"]).ok().stdout;
        let mut recorded = BTreeMap::new();
        for line in dump.lines() {
            let transaction: serde_json::Value = serde_json::from_str(line).unwrap();
            if transaction["function"] == "hello.greet" {
                let name = transaction["args"]["name"].as_str().unwrap().to_owned();
                let offset: u64 = transaction["offset"].as_str().unwrap().parse().unwrap();
                assert!(recorded.insert(name, offset).is_none(), "there twice: {line}");
            }
        }
        for (name, offset) in &self.acknowledged {
            assert_eq!(recorded.get(name), Some(offset), "acknowledged and lost: {name}");
        }
        let sent: BTreeSet<_> = (0..self.sent).map(name).collect();
        assert!(recorded.keys().all(|name| sent.contains(name)), "invented");
    }
}

/// Names and counts of the tally, once no event is pending.
fn tallies(node: &Node) -> BTreeMap<String, String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while node.run(&["status", "-o", "json"]).ok().json()["pending_events"] != 0 {
        assert!(Instant::now() < deadline, "events are still pending");
    }
    let rows = node.run(&["sql", "select name, count from caller.tally", "-o", "json"]).ok().json();
    let pair = |row: &serde_json::Value| (row[0].as_str().unwrap().to_owned(), row[1].as_str().unwrap().to_owned());
    rows["rows"].as_array().unwrap().iter().map(pair).collect()
}

#[test]
fn no_acknowledged_call_is_lost_none_is_invented_events_are_delivered_once() {
    let rounds: u32 = std::env::var("INTERSTICE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(50);
    let directory = tempfile::tempdir().unwrap();
    // Segments are changed and snapshots are made in most of the rounds: a kill meets either sooner or later.
    let settings = "[log]\nsegment = \"128 KiB\"\n[snapshots]\ntransactions = 500\n";
    std::fs::write(directory.path().join("config.toml"), settings).unwrap();
    let node = Node::start(directory.path());
    node.publish("examples/hello");
    node.publish("examples/caller");
    node.kill();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut history = History::default();
    let mut killed_under_load = 0;
    for round in 0..rounds {
        let node = Node::start(directory.path());
        let url = node.url.clone();
        // Other moments in each round, the same in each run.
        let moment = Duration::from_millis(u64::from(round * 7_919 % 120));
        let before = history.acknowledged.len();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(moment);
            node.kill();
        });
        runtime.block_on(history.load(&url));
        killer.join().unwrap();
        killed_under_load += u32::from(history.acknowledged.len() > before);
        if round % 10 == 9 || round + 1 == rounds {
            history.check(directory.path());
        }
    }
    let node = Node::start(directory.path());
    let counted = tallies(&node);
    let greeted = node.run(&["sql", "select name from hello.greeting where name <> 'world'", "-o", "json"]).ok().json();
    let greeted: BTreeSet<_> =
        greeted["rows"].as_array().unwrap().iter().map(|row| row[0].as_str().unwrap().to_owned()).collect();
    assert!(counted.values().all(|count| count == "1"), "an event was delivered twice");
    assert_eq!(counted.keys().cloned().collect::<BTreeSet<_>>(), greeted, "an event was lost or invented");
    node.run(&["replay", "check"]).ok();
    node.run(&["snapshot", "verify"]).ok();
    assert!(node.run(&["status", "-o", "json"]).ok().json()["snapshot"].is_number(), "no snapshot was made");
    node.kill();
    run(&["log", "verify", "--data", directory.path().to_str().unwrap()]).ok();
    println!(
        "{rounds} kills, {killed_under_load} under load: {} sent, {} acknowledged, {} there, 0 lost, 0 invented",
        history.sent,
        history.acknowledged.len(),
        greeted.len()
    );
    assert!(rounds < 10 || history.held > 0, "no receipt outlived a kill");
    assert!(rounds < 10 || killed_under_load > rounds / 2, "the load was not under way");
}
