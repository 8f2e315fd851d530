//! A data directory without space, or read-only: on a small file system of its own, where the test may mount one.

use crate::support::{Node, run};
use interstice_client::socket::Socket;
use interstice_protocol::reply::Reply;
use interstice_protocol::request::{ANY_SIGNATURE, Invocation, Request};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// A file system in memory with so many bytes; gone when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where mounting is not allowed.
    #[expect(clippy::print_stdout, reason = "a test that is left out says so")]
    fn mount(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(directory.path());
        let mounted = command.output().is_ok_and(|output| output.status.success());
        if !mounted {
            println!("SKIPPED: mounting a tmpfs is not allowed here");
        }
        mounted.then_some(Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

#[test]
fn a_disk_without_room_for_a_log_is_refused() {
    let Some(disk) = SmallDisk::mount("8m") else { return };
    let data = disk.path().join("data");
    let data = data.to_str().unwrap();
    let refused = run(&["start", "--data", data, "--listen", "127.0.0.1:0"]).refused(9, "disk-full");
    assert!(refused.stderr.contains("hint:"), "{refused:?}");
}

#[test]
fn a_disk_that_is_read_only_is_refused() {
    let Some(disk) = SmallDisk::mount("8m,ro") else { return };
    let data = disk.path().join("data");
    run(&["start", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]).refused(9, "read-only");
}

/// Adds rows of half a megabyte until the node ends; returns who was acknowledged, at which offset.
async fn fill(url: &str) -> BTreeMap<u32, u64> {
    let mut acknowledged = BTreeMap::new();
    let mut socket = Socket::connect(url, None).await.unwrap();
    for id in 0..1_000_u32 {
        let text = format!("{id:010}").repeat(50_000);
        let args = [&u64::from(id).to_le_bytes()[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
        let invocation = Invocation { module: "probe", function: "mark", signature: ANY_SIGNATURE, args: &args };
        socket.push(id, &Request::Call(invocation));
        if socket.send().await.is_err() {
            return acknowledged;
        }
        let Ok(answers) = socket.receive().await else { return acknowledged };
        for answer in answers.iter() {
            match answer.unwrap() {
                (id, Reply::Ok { offset, .. }) => drop(acknowledged.insert(id, offset)),
                (_, Reply::Error(problem)) => {
                    assert!(["unknown", "unavailable"].contains(&&*problem.code), "{problem}");
                    return acknowledged;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("the disk never filled up");
}

#[test]
fn a_disk_that_fills_up_ends_the_node_and_loses_nothing_acknowledged() {
    let Some(disk) = SmallDisk::mount("100m") else { return };
    let data = disk.path().join("data");
    let node = Node::start(&data);
    node.publish("fixtures/modules/probe");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let acknowledged = runtime.block_on(fill(&node.url));
    assert!(acknowledged.len() > 50, "{} were acknowledged", acknowledged.len());
    assert_eq!(node.wait(), Some(9));
    let data = data.to_str().unwrap();
    run(&["log", "verify", "--data", data]).ok();
    let ids = run(&["sql", "select id from probe.mark", "--data", data, "-o", "json"]).ok().json();
    let there: Vec<u32> =
        ids["rows"].as_array().unwrap().iter().map(|row| row[0].as_str().unwrap().parse().unwrap()).collect();
    assert!(acknowledged.keys().all(|id| there.contains(id)), "acknowledged and lost");
}
