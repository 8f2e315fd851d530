//! A data directory without space, or read-only: on a small file system of its own, where the test may mount one.

use crate::history::{History, SETTINGS, number};
use crate::support::{Node, run};
use interstice_client::socket::Socket;
use interstice_protocol::reply::Reply;
use interstice_protocol::request::{ANY_SIGNATURE, Invocation, Request};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A file system in memory with so many bytes; gone when dropped.
pub(crate) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where mounting is not allowed.
    #[expect(clippy::print_stdout, reason = "a test that is left out says so")]
    pub(crate) fn mount(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(directory.path());
        let mounted = command.output().is_ok_and(|output| output.status.success());
        if !mounted {
            println!("SKIPPED: mounting a tmpfs is not allowed here");
        }
        mounted.then_some(Self(directory))
    }

    /// Nothing can be written from now on.
    pub(crate) fn make_read_only(&self) {
        let mounted = Command::new("mount").args(["-o", "remount,ro"]).arg(self.path()).status().unwrap();
        assert!(mounted.success());
    }

    pub(crate) fn path(&self) -> &Path {
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

/// Adds rows of half a megabyte, with ids from `first` on, until one is refused or `count` are there; returns who was
/// acknowledged, and the code of the refusal.
async fn fill(url: &str, first: u32, count: u32) -> (BTreeSet<u32>, String) {
    let mut acknowledged = BTreeSet::new();
    let mut socket = Socket::connect(url, None).await.unwrap();
    for id in first..first + count {
        let text = format!("{id:010}").repeat(50_000);
        let args = [&u64::from(id).to_le_bytes()[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
        let invocation = Invocation { module: "probe", function: "mark", signature: ANY_SIGNATURE, args: &args };
        socket.push(id, &Request::Call(invocation));
        socket.send().await.unwrap();
        let answers = socket.receive().await.unwrap();
        for answer in answers.iter() {
            match answer.unwrap() {
                (id, Reply::Ok { .. }) => assert!(acknowledged.insert(id), "acknowledged twice: {id}"),
                (_, Reply::Receipt(_)) => {}
                (_, Reply::Error(problem)) => return (acknowledged, problem.to_string()),
                other => panic!("{other:?}"),
            }
        }
    }
    (acknowledged, String::new())
}

/// Whoever was acknowledged is there.
fn check(data: &Path, acknowledged: &BTreeSet<u32>) {
    let data = data.to_str().unwrap();
    run(&["log", "verify", "--data", data]).ok();
    let ids = run(&["sql", "select id from probe.mark", "--data", data, "-o", "json"]).ok().json();
    let there: BTreeSet<u32> =
        ids["rows"].as_array().unwrap().iter().map(|row| row[0].as_str().unwrap().parse().unwrap()).collect();
    assert!(acknowledged.is_subset(&there), "acknowledged and lost");
}

#[test]
fn a_disk_that_fills_up_is_only_read_until_there_is_space_and_loses_nothing_acknowledged() {
    let Some(disk) = SmallDisk::mount("240m") else { return };
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; 80 << 20]).unwrap();
    let data = disk.path().join("data");
    let node = Node::start(&data);
    node.publish("fixtures/modules/probe");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut acknowledged, refusal) = runtime.block_on(fill(&node.url, 0, 1_000));
    assert!(refusal.starts_with("error[read-only]") && refusal.contains("df -h /"), "{refusal}");
    let count = acknowledged.len() as u32;
    assert!((51..1_000).contains(&count), "{count} were acknowledged");
    let status = node.run(&["status"]).ok().stdout;
    assert!(status.contains("read-only") && status.contains("64 MiB"), "{status}");
    assert_eq!(
        node.run(&["sql", "select count(*) from probe.mark", "-o", "json"]).ok().json()["rows"][0][0],
        count.to_string()
    );

    std::fs::remove_file(&ballast).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while node.run(&["status"]).ok().stdout.contains("read-only") {
        assert!(Instant::now() < deadline, "writes do not go on");
    }
    acknowledged.extend(runtime.block_on(fill(&node.url, 1_000, 10)).0);
    assert_eq!(acknowledged.len() as u32, count + 10);
    node.kill();
    check(&data, &acknowledged);
}

/// Gives the space back that a segment had reserved, and fills up the disk.
fn take_reserved_space(disk: &SmallDisk, segment: &Path) {
    let mut command = Command::new("fallocate");
    command.args(["--punch-hole", "--offset", "16MiB", "--length", "40MiB"]).arg(segment);
    assert!(command.output().unwrap().status.success(), "holes can be made in a file of a tmpfs");
    let mut ballast = std::fs::File::create(disk.path().join("ballast")).unwrap();
    let block = vec![7; 1 << 20];
    while ballast.write_all(&block).is_ok() {}
}

#[test]
fn no_space_where_it_was_reserved_ends_the_node_and_loses_nothing_acknowledged() {
    let Some(disk) = SmallDisk::mount("100m") else { return };
    let data = disk.path().join("data");
    let node = Node::start(&data);
    node.publish("fixtures/modules/probe");
    take_reserved_space(&disk, &data.join("log/00000000000000000000.log"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (acknowledged, refusal) = runtime.block_on(fill(&node.url, 0, 1_000));
    assert!(acknowledged.len() > 10 && refusal.starts_with("error[unknown]"), "{}: {refusal}", acknowledged.len());
    assert_eq!(node.wait(), Some(9));
    std::fs::remove_file(disk.path().join("ballast")).unwrap();
    check(&data, &acknowledged);
}

/// Fills the disk up to the last byte.
fn fill_disk(disk: &SmallDisk) {
    let mut ballast = std::fs::File::create(disk.path().join("ballast")).unwrap();
    for size in [1 << 20, 4 << 10, 1] {
        let block = vec![7; size];
        while ballast.write_all(&block).is_ok() {}
    }
}

/// `INTERSTICE_DISK_FULL` rounds (10 unless set): the disk fills up under load, space returns, the node goes on, and is killed.
#[test]
fn a_disk_that_fills_up_again_and_again_costs_nothing_that_was_acknowledged_or_seen() {
    let Some(disk) = SmallDisk::mount("48m") else { return };
    let rounds = number("INTERSTICE_DISK_FULL", 10);
    let data = disk.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("config.toml"), SETTINGS).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut node = Node::start(&data);
    let mut history = History::begin(&node);
    for _ in 0..rounds {
        let load = async |history: &mut History| history.load(&node.url, 3_000).await;
        runtime.block_on(load(&mut history));
        let (before, refused) = (history.acknowledged.len(), history.met.get("calls refused for want of space"));
        fill_disk(&disk);
        runtime.block_on(load(&mut history));
        assert!(history.met.get("calls refused for want of space") > refused, "the disk was not full");
        history.met.add("calls acknowledged on a full disk", history.acknowledged.len() - before);
        std::fs::remove_file(disk.path().join("ballast")).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while node.run(&["status"]).ok().stdout.contains("read-only") {
            assert!(Instant::now() < deadline, "writes do not go on");
        }
        let before = history.acknowledged.len();
        runtime.block_on(load(&mut history));
        assert!(history.acknowledged.len() > before, "writes do not go on");
        node.kill();
        history.met.note_files(&data);
        node = Node::start(&data);
        history.check(&node);
    }
    history.check_all(node, &data);
    history.tell(&format!("{rounds} full disks"));
    history.met.require(&["calls acknowledged on a full disk", "segments", "receipts held"]);
}
