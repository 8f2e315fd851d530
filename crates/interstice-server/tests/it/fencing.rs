//! The disk fails: at any operation of the thread that writes the log, one after the other, the node ends at once.

use crate::support::{Answer, SCHEMA, call, start_on};
use interstice_log::local::MIN_SEGMENT_SIZE;
use interstice_log::storage::hooked::{HookedStorage, Operation};
use interstice_log::storage::memory::MemoryStorage;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

/// Calls that are in flight together, and how often: each call writes more than a tenth of a segment.
const CALLS: u32 = 4;
const TIMES: u32 = 4;
const ROWS: u64 = 200;

/// What the committer asks of the storage from when this is set on.
#[derive(Default)]
struct Watch {
    /// Which operation fails, counted from 0; `None` before.
    fails_at: Option<usize>,
    /// What was asked, the failed one too.
    asked: Vec<Operation>,
}

/// What came of one run.
struct Outcome {
    asked: Vec<Operation>,
    /// The code of the problem that the node ended with.
    ended: Option<String>,
    answers: BTreeMap<String, usize>,
}

fn run(fails_at: usize, kind: io::ErrorKind) -> Outcome {
    let (inner, watch) = (MemoryStorage::default(), Arc::new(Mutex::new(Watch::default())));
    let storage = {
        let watch = Arc::clone(&watch);
        HookedStorage::new(inner.clone(), move |operation| {
            let mut watch = watch.lock().unwrap();
            let committer = std::thread::current().name() == Some("committer");
            let Some(fails_at) = watch.fails_at.filter(|_| committer) else { return Ok(()) };
            watch.asked.push(operation);
            if watch.asked.len() == fails_at + 1 { Err(kind.into()) } else { Ok(()) }
        })
    };
    let node = start_on(storage, MIN_SEGMENT_SIZE);
    node.publish(SCHEMA);
    watch.lock().unwrap().fails_at = Some(fails_at);
    let mut socket = node.connect();
    let (mut answers, mut acknowledged) = (BTreeMap::new(), 0_u64);
    for _ in 0..TIMES {
        let rows = ROWS.to_le_bytes();
        let calls: Vec<_> = (0..CALLS).map(|id| (id, call("fill", &rows))).collect();
        socket.send(&calls);
        for answer in socket.take(CALLS as usize) {
            let what = match answer {
                Answer::Ok { .. } => {
                    acknowledged += 1;
                    "ok".to_owned()
                }
                Answer::Error { code, .. } => code,
                other => panic!("{other:?}"),
            };
            *answers.entry(what).or_default() += 1;
        }
        if answers.len() > 1 || !answers.contains_key("ok") {
            break;
        }
    }
    let asked = watch.lock().unwrap().asked.len();
    let ended =
        if asked > fails_at { node.0.join() } else { node.0.stop() }.err().map(|problem| problem.code.to_string());
    let asked = std::mem::take(&mut watch.lock().unwrap().asked);
    let again = start_on(inner, MIN_SEGMENT_SIZE);
    let count: u64 = again.post("/v1/query/guest/count", "")["value"].as_str().unwrap().parse().unwrap();
    assert!(count >= acknowledged * ROWS && count.is_multiple_of(ROWS), "{count} rows, {acknowledged} acknowledged");
    assert_eq!(again.get("/v1/log/verify")["ok"], true);
    Outcome { asked, ended, answers }
}

#[test]
fn whatever_fails_while_the_log_is_written_is_the_last_thing_that_is_tried() {
    let mut failed = BTreeMap::new();
    for fails_at in 0.. {
        let kinds = [io::ErrorKind::Other, io::ErrorKind::StorageFull];
        let kind = kinds[fails_at % 2];
        let Outcome { asked, ended, answers } = run(fails_at, kind);
        let Some(operation) = asked.get(fails_at) else {
            assert!(ended.is_none() && answers["ok"] == (CALLS * TIMES) as usize, "{ended:?} {answers:?}");
            break;
        };
        *failed.entry(format!("{operation:?}")).or_insert(0) += 1;
        // A spare in which there is suddenly no space is given back: that is no attempt to write.
        let after: Vec<_> = asked[fails_at + 1..].iter().filter(|after| **after != Operation::Remove).collect();
        assert!(after.is_empty(), "{operation:?} failed at {fails_at}, then: {after:?}");
        let ended = ended.unwrap_or_default();
        let expected = if kind == io::ErrorKind::Other { ["fenced"; 2] } else { ["fenced", "disk-full"] };
        assert!(expected.contains(&&*ended), "{operation:?} failed at {fails_at}: {ended}");
        let known = ["ok", "unknown", "unavailable"];
        assert!(answers.keys().all(|code| known.contains(&&**code)), "{operation:?} at {fails_at}: {answers:?}");
    }
    let kinds = ["Rename", "Sync", "SyncDirectory", "Write { created: false }"];
    assert!(kinds.iter().all(|kind| failed.contains_key(*kind)), "{failed:?}");
}
