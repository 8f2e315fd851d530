//! System calls of the release binary fail, by `strace`: `INTERSTICE_SYSCALL_FAULTS` nodes (120 unless set), each with one fault
//! more or less deep in its life, on one data directory, judged by [`crate::history`]. A node refuses to start, ends with what
//! waits answered `unknown`, or goes on where the fault did no harm; without faults the next one has everything.
//!
//! A short write is one that writes nothing: `strace` can only take the place of a call, not cut it.

use crate::history::{History, SETTINGS, number, pick};
use crate::support::Node;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What fails, how, among the first so many in each thread, and whether only files that there are at the start count.
const CASES: &[(&str, &str, u32, bool)] = &[
    ("pwrite64", "error=EIO", 40, false),
    ("fdatasync", "error=EIO", 40, false),
    ("fsync", "error=EIO", 4, false),
    ("pwrite64", "error=ENOSPC", 40, false),
    ("pread64", "error=EIO", 60, true),
    ("rename", "error=EIO", 3, false),
    ("pwrite64", "retval=0", 40, false),
    ("fdatasync", "error=EINTR", 40, false),
    ("openat", "error=EIO", 12, true),
    ("fdatasync", "error=ENOSPC", 40, false),
    ("unlink", "error=EIO", 2, false),
    ("pwrite64", "error=EINTR", 40, false),
    ("fsync", "error=EINTR", 4, false),
    ("pread64", "error=EINTR", 60, true),
    ("rename", "error=ENOSPC", 3, false),
    ("fsync", "error=ENOSPC", 4, false),
    ("openat", "error=EINTR", 12, true),
];
/// Calls made to each node.
const CALLS: u32 = 1_500;
/// For the seal of an idle log, and a snapshot.
const IDLE: Duration = Duration::from_millis(120);
/// Faults that must reach everything.
const ENOUGH: u32 = 100;

/// A node in which the `when`th call of its kind fails, in each thread.
fn faulty(data: &Path, trace: &Path, (calls, fault, _, there): (&str, &str, u32, bool), when: u32) -> Command {
    let mut command = Command::new("strace");
    // The node is our child, `strace` is not: what ends one does not end the other.
    command.args(["-D", "-f", "-qq", "-o"]).arg(trace).env_remove("INTERSTICE_SERVER");
    command.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{fault}:when={when}")]);
    for folder in ["", "log", "snapshots"].iter().filter(|_| there) {
        let files = std::fs::read_dir(data.join(folder)).into_iter().flatten().flatten().map(|file| file.path());
        for path in files.chain([data.join(folder)]) {
            command.arg("-P").arg(path);
        }
    }
    command.arg(env!("CARGO_BIN_EXE_interstice")).args(["start", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    command
}

/// Whether `strace` may do here what it is to do.
fn can_trace() -> bool {
    let args =
        ["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=none", "-e", "inject=fsync:error=EIO:when=9", "true"];
    Command::new("strace").args(args).output().is_ok_and(|output| output.status.success())
}

#[test]
fn a_system_call_that_fails_costs_nothing_that_was_acknowledged_or_seen() {
    if !can_trace() {
        return println!("SKIPPED: strace is not there, or may not trace");
    }
    let faults = number("INTERSTICE_SYSCALL_FAULTS", 120);
    let directory = tempfile::tempdir().unwrap();
    let (data, trace) = (directory.path().join("data"), directory.path().join("trace"));
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("config.toml"), SETTINGS).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut node = Node::start(&data);
    let mut history = History::begin(&node);
    for round in 0..faults {
        node.kill();
        let case = CASES[round as usize % CASES.len()];
        // Every other one near the beginning.
        let span = if round % 2 == 0 { case.2 } else { case.2.min(6) };
        let when = 1 + pick(round, span);
        let outcome = match Node::launch(&mut faulty(&data, &trace, case, when)) {
            Err(ran) => {
                assert_eq!(ran.exit, 9, "{case:?}, {when}: {ran:?}");
                format!("refused at start by {}", case.0)
            }
            Ok(faulty) => {
                runtime.block_on(history.load(&faulty.url, CALLS));
                match faulty.wait_for(IDLE) {
                    None => "went on".to_owned(),
                    Some(9) => format!("ended by {}", case.0),
                    exit => panic!("{case:?}, {when}: it ended with {exit:?}"),
                }
            }
        };
        let is_hit = std::fs::read_to_string(&trace).is_ok_and(|trace| trace.contains("(INJECTED)"));
        history.met.add(if is_hit || outcome != "went on" { &outcome } else { "never asked for" }, 1);
        history.met.note_files(&data);
        node = Node::start(&data);
        history.check(&node);
    }
    history.check_all(node, &data);
    history.tell(&format!("{faults} faults of system calls"));
    if faults >= ENOUGH {
        history.met.require(&["went on", "calls answered unknown", "receipts held"]);
        for call in ["pwrite64", "fdatasync", "fsync", "rename"] {
            history.met.require(&[&format!("ended by {call}")]);
        }
        for call in ["pwrite64", "fdatasync", "fsync", "openat", "pread64"] {
            history.met.require(&[&format!("refused at start by {call}")]);
        }
    }
}
