//! The disk fails: at any operation of the thread that writes the log, one after the other, the node ends at once.

use crate::support::{Answer, SCHEMA, artefact, call, start_on};
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

/// What the committer asks of the storage.
#[derive(Default)]
struct Watch {
    /// Which operation fails, and how many of its kind pass before; `None` until everything is in place.
    failing: Option<(Operation, usize)>,
    failed: bool,
    /// What was asked after it.
    after: Vec<Operation>,
}

impl Watch {
    fn fails(&mut self, operation: Operation) -> bool {
        if self.failed {
            self.after.push(operation);
            return false;
        }
        match &mut self.failing {
            Some((failing, 0)) if *failing == operation => self.failed = true,
            Some((failing, left)) if *failing == operation => *left -= 1,
            _ => {}
        }
        self.failed
    }
}

/// What came of one run.
struct Outcome {
    failed: bool,
    after: Vec<Operation>,
    /// The code of the problem that the node ended with.
    ended: Option<String>,
    answers: BTreeMap<String, usize>,
}

fn run(failing: (Operation, usize), error: io::ErrorKind) -> Outcome {
    let (inner, watch) = (MemoryStorage::default(), Arc::new(Mutex::new(Watch::default())));
    let storage = {
        let watch = Arc::clone(&watch);
        HookedStorage::new(inner.clone(), move |operation| {
            let committer = std::thread::current().name() == Some("committer");
            let fails = committer && watch.lock().unwrap().fails(operation);
            if fails { Err(error.into()) } else { Ok(()) }
        })
    };
    let node = start_on(storage, MIN_SEGMENT_SIZE);
    node.publish(SCHEMA);
    watch.lock().unwrap().failing = Some(failing);
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
    // Ending is watched too: the last seal may be what fails.
    let failed = watch.lock().unwrap().failed;
    let ended = if failed { node.0.join() } else { node.0.stop() }.err().map(|problem| problem.code.to_string());
    let Watch { failed, after, .. } = std::mem::take(&mut *watch.lock().unwrap());
    let again = start_on(inner, MIN_SEGMENT_SIZE);
    let count: u64 = again.post("/v1/query/guest/count", "")["value"].as_str().unwrap().parse().unwrap();
    assert!(count >= acknowledged * ROWS && count.is_multiple_of(ROWS), "{count} rows, {acknowledged} acknowledged");
    let unknown = answers.get("unknown").copied().unwrap_or(0) as u64;
    assert!(count <= (acknowledged + unknown) * ROWS, "{count} rows: what was refused was done, {answers:?}");
    assert_eq!(again.get("/v1/log/verify")["ok"], true);
    Outcome { failed, after, ended, answers }
}

#[test]
fn a_disk_that_fails_while_the_next_segment_is_made_has_failed() {
    for failing in [Operation::Create, Operation::Write { created: true }, Operation::Sync] {
        let inner = MemoryStorage::default();
        let storage = HookedStorage::new(inner.clone(), move |operation| {
            let fails = operation == failing && std::thread::current().name() == Some("next-segment");
            if fails { Err(io::Error::other("the disk is gone")) } else { Ok(()) }
        });
        let node = start_on(storage, MIN_SEGMENT_SIZE);
        let (status, _) = node.http("POST", "/v1/publish", &artefact(SCHEMA));
        let problem = node.0.join().unwrap_err();
        assert_eq!(problem.code, "fenced", "{failing:?}");
        assert!(problem.message.contains("the disk is gone"), "{problem}");
        let there = start_on(inner, MIN_SEGMENT_SIZE).get("/v1/modules")["modules"].as_array().unwrap().len();
        assert!(there == 1 || status != 200, "{failing:?}: acknowledged and lost");
    }
}

#[test]
fn whatever_fails_while_the_log_is_written_is_the_last_thing_that_is_tried() {
    let written = Operation::Write { created: false };
    for operation in [written, Operation::Sync, Operation::Rename, Operation::SyncDirectory] {
        for passing in 0.. {
            let error = [io::ErrorKind::Other, io::ErrorKind::StorageFull][passing % 2];
            let Outcome { failed, after, ended, answers } = run((operation, passing), error);
            let what = format!("{operation:?} behind {passing}, {error}: {ended:?} {answers:?}");
            if !failed {
                assert!(passing > 0, "it was never asked for: {what}");
                assert!(ended.is_none() && answers["ok"] == (CALLS * TIMES) as usize, "{what}");
                break;
            }
            // A spare in which there is suddenly no space is given back: that is no attempt to write.
            let after: Vec<_> = after.into_iter().filter(|after| *after != Operation::Remove).collect();
            assert!(after.is_empty(), "{what}, then: {after:?}");
            let full = error == io::ErrorKind::StorageFull && ended.as_deref() == Some("disk-full");
            assert!(full || ended.as_deref() == Some("fenced"), "{what}");
            let known = ["ok", "unknown", "unavailable"];
            assert!(answers.keys().all(|code| known.contains(&&**code)), "{what}");
        }
    }
}
