//! The power fails under the release binary: ext4 in a file, which loses all that it has not written when it is shut down
//! without its journal. `INTERSTICE_POWER_CUTS` of them (40 unless set), under load and while a node recovers, judged by
//! [`crate::history`]. Needs root and a loop device; says `SKIPPED` where it may not.

use crate::history::{History, SETTINGS, number, pick};
use crate::support::{Node, interstice};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Bytes of the disk.
const DISK_SIZE: u64 = 512 << 20;
/// How long a node may take to notice that its disk is gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// Cuts that must reach everything.
const ENOUGH: u32 = 20;
/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`.
const SHUTDOWN: &str =
    r#"open(my $f, "<", $ARGV[0]) or die $!; my $n = pack("L", 2); ioctl($f, 0x8004587D, $n) or die $!"#;

/// A disk with ext4, and where it is mounted; gone when dropped.
struct Disk {
    directory: tempfile::TempDir,
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{program} {args:?}: {said}")) }
}

impl Disk {
    /// A new one, mounted.
    fn make() -> Result<Self, String> {
        let disk = Self { directory: tempfile::tempdir().unwrap() };
        let image = disk.image();
        std::fs::File::create(&image).unwrap().set_len(DISK_SIZE).unwrap();
        run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()])?;
        std::fs::create_dir(disk.path()).unwrap();
        disk.mount()?;
        Ok(disk)
    }

    fn image(&self) -> PathBuf {
        self.directory.path().join("image")
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("disk")
    }

    fn mount(&self) -> Result<(), String> {
        run("mount", &["-o", "loop", self.image().to_str().unwrap(), self.path().to_str().unwrap()])
    }

    /// The power fails: nothing is written any more, and what is read is what was in memory.
    fn cut(path: &Path) -> Result<(), String> {
        run("perl", &["-e", SHUTDOWN, path.to_str().unwrap()])
    }

    /// The power comes back: what was in memory is gone.
    fn restore(&self) {
        run("umount", &[self.path().to_str().unwrap()]).unwrap();
        self.mount().unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = run("umount", &["-l", self.path().to_str().unwrap()]);
    }
}

/// Cuts the power `moment` after a node begins to start; whether it had not recovered.
fn cut_at_start(disk: &Disk, data: &Path, moment: Duration) -> bool {
    let path = disk.path();
    let cutter = std::thread::spawn(move || {
        std::thread::sleep(moment);
        Disk::cut(&path).unwrap();
    });
    let launched =
        Node::launch(&mut interstice(&["start", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]));
    cutter.join().unwrap();
    let recovering = launched.is_err();
    match launched {
        // It came to listen before, and notices with the next thing that it writes, if there is one.
        Ok(node) => drop(node.wait_for(Duration::from_millis(100))),
        Err(ran) => assert_eq!(ran.exit, 9, "{ran:?}"),
    }
    disk.restore();
    recovering
}

#[test]
fn a_power_cut_costs_nothing_that_was_acknowledged_or_seen() {
    let disk = match Disk::make().and_then(|disk| Disk::cut(&disk.path()).map(|()| disk)) {
        Ok(disk) => disk,
        Err(why) => return println!("SKIPPED: no power cuts here: {}", why.trim()),
    };
    disk.restore();
    let cuts = number("INTERSTICE_POWER_CUTS", 40);
    let data = disk.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("config.toml"), SETTINGS).unwrap();
    run("sync", &[]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let node = Node::start(&data);
    let mut history = History::begin(&node);
    node.kill();
    for cut in 0..cuts {
        let moment = Duration::from_micros(u64::from(pick(cut, 40_000)));
        if cut % 4 == 3 {
            history.met.add("while it recovered", usize::from(cut_at_start(&disk, &data, moment)));
            continue;
        }
        let node = Node::start(&data);
        history.check(&node);
        let (path, before) = (disk.path(), history.acknowledged.len());
        let cutter = std::thread::spawn(move || {
            std::thread::sleep(moment * 4);
            Disk::cut(&path).unwrap();
        });
        runtime.block_on(history.load(&node.url, u32::MAX));
        cutter.join().unwrap();
        assert_eq!(node.wait_for(PATIENCE), Some(9), "it does not notice that its disk is gone");
        history.met.add("under load", usize::from(history.acknowledged.len() > before));
        disk.restore();
        history.met.note_files(&data);
    }
    history.check_all(Node::start(&data), &data);
    history.tell(&format!("{cuts} power cuts"));
    if cuts >= ENOUGH {
        history.met.require(&[
            "under load",
            "while it recovered",
            "calls answered unknown",
            "segments",
            "receipts held",
        ]);
    }
}
