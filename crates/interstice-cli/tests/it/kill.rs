//! `kill -9` of the release binary, again and again, on one data directory: under load, while it recovers, while it makes a
//! snapshot, while it changes segments. `INTERSTICE_KILLS` of them (200 unless set), judged by [`crate::history`].

use crate::history::{History, SETTINGS, has_unfinished_snapshot, number, pick};
use crate::support::{Node, interstice};
use interstice_client::http::Http;
use interstice_protocol::http::route;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Kills in a row before a node has recovered.
const IN_A_ROW: u32 = 3;
/// How long a snapshot may take to begin, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(2);
/// Kills that must reach everything.
const ENOUGH: u32 = 60;
/// Calls for each node: more than it answers before it is killed, unless a snapshot keeps it alive; then the log does not
/// outgrow the snapshot.
const CALLS: u32 = 10_000;

/// Starts a node and kills it after `moment`; whether it had not recovered.
fn kill_at_start(data: &Path, moment: Duration) -> bool {
    let mut command = interstice(&["start", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(moment);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(status.code(), None, "it ended by itself: {said}");
    !said.contains("http://")
}

/// Waits until a snapshot is begun, or the node has `answered`, for then it is made already.
fn wait_for_snapshot(data: &Path, answered: &JoinHandle<()>) {
    let asked = Instant::now();
    while !has_unfinished_snapshot(data) && !answered.is_finished() && asked.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[test]
fn no_acknowledged_call_is_lost_none_is_invented_events_are_delivered_once() {
    let rounds = number("INTERSTICE_KILLS", 200);
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    std::fs::write(data.join("config.toml"), SETTINGS).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let node = Node::start(data);
    let mut history = History::begin(&node);
    node.kill();
    let (mut kills, mut round) = (0, 0);
    while kills < rounds {
        round += 1;
        if round % 4 == 0 {
            for again in 0..IN_A_ROW {
                let starting = kill_at_start(data, Duration::from_micros(u64::from(pick(kills + again, 40_000))));
                history.met.add("while it recovered", usize::from(starting));
                history.met.note_files(data);
            }
            kills += IN_A_ROW;
        }
        let node = Node::start(data);
        history.check(&node);
        let (url, moment) = (node.url.clone(), Duration::from_millis(u64::from(pick(kills, 120))));
        let wants_snapshot = round % 3 == 0;
        // Some are made, so that the next ones have little to fold: one that folds everything does not begin to be written in time.
        let is_made = round % 9 == 3;
        let before = history.acknowledged.len();
        // Within a scope: also if the load finds something, the node does not outlive this.
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(moment);
                if wants_snapshot {
                    let http = Http::new(&node.url, None);
                    // The node does not live to say what came of it.
                    let asks = move || drop(http.post(route::SNAPSHOTS, &serde_json::Value::Null));
                    let answered = std::thread::spawn(asks);
                    if is_made {
                        answered.join().unwrap();
                    } else {
                        wait_for_snapshot(data, &answered);
                    }
                    std::thread::sleep(moment / 40);
                }
                node.kill();
            });
            runtime.block_on(history.load(&url, CALLS));
        });
        kills += 1;
        history.met.add("under load", usize::from(history.acknowledged.len() > before));
        history.met.note_files(data);
    }
    history.check_all(Node::start(data), data);
    history.tell(&format!("{kills} kills"));
    if rounds >= ENOUGH {
        let all = ["under load", "while it recovered", "unfinished segments", "unfinished snapshots", "segments"];
        history.met.require(&all);
        history.met.require(&["receipts held"]);
    }
}
