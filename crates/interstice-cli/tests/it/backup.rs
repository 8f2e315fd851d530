//! Backups through the built command: of a node that goes on, of a directory; verified, restored, and used in place of one.

use crate::full::SmallDisk;
use crate::support::{Node, interstice, run, run_with_stdin};
use interstice_log::backup::{hash_of, hex};
use interstice_log::storage::Storage;
use interstice_log::storage::directory::DirectoryStorage;
use interstice_types::id::to_hex;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const SMALL: &str = "[log]\nsegment = \"32 KiB\"\n[snapshots]\ntransactions = 1_000_000\n";

/// A data directory, a directory of backups, and a node with `hello` on the first.
struct Place {
    directory: tempfile::TempDir,
    node: Option<Node>,
}

impl Place {
    fn new(settings: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Self { directory, node: None };
        std::fs::create_dir_all(place.data()).unwrap();
        std::fs::write(place.path("data/config.toml"), settings).unwrap();
        let node = Node::start(&place.data());
        node.publish("examples/hello");
        Self { node: Some(node), ..place }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn node(&self) -> &Node {
        self.node.as_ref().unwrap()
    }

    fn greet(&self, who: &str, count: usize) {
        greet(self.node(), who, count);
    }

    /// Waits until the node has sealed what it has: nothing is written then until somebody calls.
    fn idle(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let head = self.node().run(&["status", "-o", "json"]).ok().json()["head"].clone();
            let mark = std::fs::read(self.path("data/log/durable.mark")).unwrap();
            // The chain hash in each slot of the mark.
            let slots = [&mark[72..104], &mark[4096 + 72..4096 + 104]];
            if slots.iter().any(|chain| to_hex(chain) == head.as_str().unwrap()) {
                return;
            }
            assert!(Instant::now() < deadline, "the node is never idle");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Makes a backup of the running node.
    fn create(&self) -> Value {
        self.node().run(&["backup", "create", "--to", &self.text("backups"), "-o", "json"]).ok().json()
    }

    fn verify(&self) -> (i32, Value) {
        let verified = run(&["backup", "verify", &self.text("backups"), "-o", "json"]);
        (verified.exit, verified.json())
    }

    fn files(&self) -> BTreeSet<String> {
        names(&self.path("backups/files"))
    }
}

fn names(directory: &Path) -> BTreeSet<String> {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Those with this ending, in order.
fn ending(directory: &Path, ending: &str) -> Vec<String> {
    let mut names = names(directory).into_iter().collect::<Vec<_>>();
    names.retain(|name| Path::new(name).extension().is_some_and(|there| there == ending));
    names
}

fn greet(node: &Node, who: &str, count: usize) {
    let lines: Vec<_> = (0..count).map(|n| json!([format!("{who} {n}")]).to_string()).collect();
    let args = ["--server", &node.url, "call", "hello.greet", "--args", "-", "-o", "jsonl", "-q"];
    // As many as a pipe holds the answers of.
    lines.chunks(500).for_each(|lines| drop(run_with_stdin(&args, &lines.join("\n")).ok()));
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

/// Who was greeted, in order.
fn greeted(data: &str) -> Vec<String> {
    let rows = run(&["sql", "select name from hello.greeting order by id", "--data", data, "-o", "json"]).ok().json();
    rows["rows"].as_array().unwrap().iter().map(|row| row[0].as_str().unwrap().to_owned()).collect()
}

/// The state digest that the log recorded with the transaction `offset`.
fn digest(data: &str, offset: u64) -> Value {
    let found = run(&["log", "inspect", &offset.to_string(), "--data", data, "-o", "json"]).ok().json();
    found["transaction"]["digest"].clone()
}

#[test]
fn a_backup_of_a_node_under_load_holds_all_that_was_acknowledged_before_it_and_nothing_invented() {
    let place = Place::new(SMALL);
    let (acknowledged, end) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut made = Vec::new();
    std::thread::scope(|scope| {
        let calling = scope.spawn(|| {
            while !end.load(SeqCst) {
                let round = acknowledged.load(SeqCst) / 100;
                place.greet(&format!("round {round}"), 100);
                acknowledged.fetch_add(100, SeqCst);
            }
        });
        for _ in 0..4 {
            let before = acknowledged.load(SeqCst);
            while acknowledged.load(SeqCst) < before + 300 && !calling.is_finished() {
                std::thread::yield_now();
            }
            made.push((acknowledged.load(SeqCst), place.create()));
        }
        end.store(true, SeqCst);
    });
    let sent: Vec<_> = (0..acknowledged.load(SeqCst)).map(|n| format!("round {} {}", n / 100, n % 100)).collect();
    assert_eq!(place.verify().0, 0);
    for (number_of, (before, backup)) in made.iter().enumerate() {
        let out = place.text(&format!("restored {number_of}"));
        run(&["restore", backup["file"].as_str().unwrap(), "--out", &out]).ok();
        let there = greeted(&out);
        let (world, called) = there.split_first().unwrap();
        assert_eq!(world, "world");
        assert!(called.len() >= *before, "{} of {before} that were acknowledged", called.len());
        assert_eq!(called, &sent[..called.len()], "in the order in which they were sent, without a gap");
        assert_eq!(number(&backup["to"]), called.len() as u64 + 2);
        run(&["log", "verify", "--data", &out]).ok();
    }
    let restored = Node::start(&place.path("restored 3"));
    greet(&restored, "newcomer", 3);
    restored.replays();
}

#[test]
fn a_second_backup_copies_only_what_is_new() {
    let place = Place::new(SMALL);
    place.greet("first", 400);
    place.idle();
    let first = place.create();
    let (copied, files) = (number(&first["segments"]["copied"]), place.files());
    assert!(copied > 3 && number(&first["segments"]["there"]) == 0, "{first}");
    let again = place.create();
    assert_eq!(
        (&again["created"], &again["segments"]["copied"], &again["copied_bytes"]),
        (&json!(false), &json!(0), &json!(0))
    );
    assert_eq!(again["file"], first["file"]);
    assert_eq!(place.files(), files);

    place.greet("second", 100);
    let modified =
        |name: &String| std::fs::metadata(place.path("backups/files").join(name)).unwrap().modified().unwrap();
    let before: Vec<_> = files.iter().map(modified).collect();
    let second = place.create();
    // All but the front of the segment that was open.
    assert_eq!(number(&second["segments"]["there"]), copied - 1, "{second}");
    assert!(number(&second["segments"]["copied"]) >= 1 && number(&second["segments"]["copied"]) < copied, "{second}");
    assert_eq!(files.iter().map(modified).collect::<Vec<_>>(), before, "nothing is written again");
    let listed = run(&["backup", "list", &place.text("backups"), "-o", "json"]).ok().json();
    let ends: Vec<_> = listed["backups"].as_array().unwrap().iter().map(|backup| number(&backup["to"])).collect();
    assert_eq!(ends, [402, 502]);
    let text = run(&["backup", "list", &place.text("backups")]).ok().stdout;
    assert!(text.contains("0..402") && text.contains("0..502"), "{text}");

    // Somebody removes the older one: what only it named goes with the next backup.
    std::fs::remove_file(first["file"].as_str().unwrap()).unwrap();
    place.greet("third", 1);
    place.create();
    let left = place.files();
    assert_eq!(files.difference(&left).count(), 1, "the front that only the first backup had");
    assert_eq!(place.verify().0, 0);
}

#[test]
fn a_restore_to_an_offset_has_the_state_that_was_recorded_there() {
    let place = Place::new(SMALL);
    place.greet("early", 200);
    place.node().run(&["snapshot", "create"]).ok();
    place.greet("late", 200);
    let backup = place.create();
    place.greet("never", 10);
    let (file, data) = (backup["file"].as_str().unwrap(), place.text("data"));
    let all = greeted(&data);
    for to in [1, 2, 3, 57, 201, 202, 203, 350, 401, 402] {
        let out = place.text(&format!("to {to}"));
        let restored = run(&["restore", file, "--out", &out, "--to", &to.to_string(), "-o", "json"]).ok().json();
        assert_eq!((number(&restored["to"]), number(&restored["left_out"]["to"])), (to, 402));
        assert_eq!(digest(&out, to - 1), digest(&data, to - 1), "up to {to}");
        if to > 1 {
            assert_eq!(greeted(&out), all[..to as usize - 1], "up to {to}");
        }
        let verified = run(&["log", "verify", "--data", &out]).ok().stdout;
        assert!(verified.contains("another history begins here") && verified.contains("\"cause\":\"restore\""));
        run(&["log", "inspect", &to.to_string(), "--data", &out]).refused(1, "unknown-offset");
        assert_eq!(restored["snapshots"].as_array().unwrap().len(), usize::from(to >= 202), "up to {to}");
    }
    for to in ["0", "403", "99999999999999999999"] {
        assert_eq!(run(&["restore", file, "--out", &place.text("no"), "--to", to]).exit, 2, "{to}");
    }
    assert!(!place.path("no").exists() && !place.path("no.unfinished").exists());
    let node = Node::start(&place.path("to 57"));
    greet(&node, "newcomer", 2);
    node.replays();
    node.kill();
    assert_eq!(greeted(&place.text("to 57")).len(), 58);
    assert_eq!(std::fs::read_to_string(place.path("to 57/config.toml")).unwrap(), SMALL);
    // A restored history is backed up and restored like any other.
    let again = ["backup", "create", "--data", &place.text("to 57"), "--to", &place.text("others"), "-o", "json"];
    let again = run(&again).ok().json();
    run(&["restore", again["file"].as_str().unwrap(), "--out", &place.text("twice"), "--to", "58"]).ok();
    assert_eq!(greeted(&place.text("twice")).len(), 57);
}

#[test]
fn a_log_whose_beginning_was_given_up_is_restored_from_its_snapshots() {
    let settings = "[log]\nsegment = \"32 KiB\"\n[snapshots]\ntransactions = 300\n[retention]\nkeep = \"32 KiB\"\n";
    let place = Place::new(settings);
    let mut rounds = 0;
    while place.data().join("log").join(format!("{:020}.log", 0)).exists() {
        place.greet(&format!("round {rounds}"), 300);
        rounds += 1;
        assert!(rounds < 100, "the log's beginning is never given up");
    }
    let backup = place.create();
    let file = backup["file"].as_str().unwrap();
    let (from, to) = (number(&backup["from"]), number(&backup["to"]));
    assert!(from > 0 && number(&backup["snapshots"]) > 0, "{backup}");
    assert_eq!(place.verify().0, 0);
    let all = run(&["restore", file, "--out", &place.text("all"), "-o", "json"]).ok().json();
    assert_eq!(greeted(&place.text("all")).len() as u64, to - 1);
    let oldest = number(&all["snapshots"][0]);
    for cut in [oldest, oldest + 1, to - 1] {
        let out = place.text(&format!("to {cut}"));
        run(&["restore", file, "--out", &out, "--to", &cut.to_string()]).ok();
        // What came right before the oldest snapshot cannot be told any more, neither there nor here.
        if cut > oldest {
            assert_eq!(digest(&out, cut - 1), digest(&place.text("all"), cut - 1), "up to {cut}");
        }
        assert_eq!(greeted(&out).len() as u64, cut - 1);
        run(&["log", "verify", "--data", &out]).ok();
    }
    run(&["restore", file, "--out", &place.text("no"), "--to", &(oldest - 1).to_string()]).refused(2, "usage");
    let node = Node::start(&place.path("all"));
    greet(&node, "newcomer", 1);
    node.replays();
}

#[test]
fn backups_are_made_while_the_log_is_given_up_behind_them() {
    let settings = "[log]\nsegment = \"32 KiB\"\n[snapshots]\ntransactions = 100\n[retention]\nkeep = \"32 KiB\"\n";
    let place = Place::new(settings);
    let end = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let calling = scope.spawn(|| {
            let mut round = 0;
            while !end.load(SeqCst) {
                place.greet(&format!("round {round}"), 200);
                round += 1;
            }
        });
        let mut made = 0;
        while (made < 20 || place.data().join("log").join(format!("{:020}.log", 0)).exists()) && !calling.is_finished()
        {
            let backup = place.create();
            let (from, snapshots) = (number(&backup["from"]), number(&backup["snapshots"]));
            assert!(from == 0 || snapshots > 0, "it can be begun with: {backup}");
            made += 1;
        }
        end.store(true, SeqCst);
    });
    let (exit, found) = place.verify();
    assert_eq!(exit, 0, "{found}");
    let newest = ending(&place.path("backups"), "json").pop().unwrap();
    let file = place.path("backups").join(newest);
    run(&["restore", file.to_str().unwrap(), "--out", &place.text("out")]).ok();
    // What is not there is told apart from what cannot be read; a name is never a path.
    for name in [
        "log/00000000000000000000.log",
        "log/..%2F..%2Fkey",
        "snapshots/..%2Fkey",
        "snapshots/00000000000000000001.snapshot",
    ] {
        let error = ureq::get(format!("{}/v1/backup/{name}", place.node().url)).call().unwrap_err();
        assert!(matches!(error, ureq::Error::StatusCode(404)), "{name}: {error}");
    }
}

#[test]
fn a_backup_is_read_as_a_data_directory_is() {
    let place = Place::new(SMALL);
    place.greet("guest", 150);
    place.node().run(&["snapshot", "create"]).ok();
    place.greet("guest", 150);
    let backup = place.create();
    let (file, data) = (backup["file"].as_str().unwrap(), place.text("data"));
    assert_eq!(greeted(file), greeted(&data));
    let questions: [&[&str]; 6] = [
        &["log", "dump", "-o", "jsonl"],
        &["log", "inspect", "40"],
        &["schema", "show", "hello"],
        &["query", "hello.latest", "3"],
        &["snapshot", "list"],
        &["snapshot", "verify"],
    ];
    for question in questions {
        let of_backup = run(&[question, &["--data", file]].concat()).ok().stdout;
        assert_eq!(of_backup, run(&[question, &["--data", &data]].concat()).ok().stdout, "{question:?}");
    }
    let verified = run(&["log", "verify", "--data", file, "-o", "json"]).ok().json();
    assert_eq!((&verified["transactions"], &verified["ok"]), (&json!("302"), &json!(true)));
    run(&["replay", "check", "--data", file]).ok();
    run(&["snapshot", "create", "--data", file]).refused(2, "usage");
    let copied = run(&["backup", "create", "--data", file, "--to", &place.text("others"), "-o", "json"]).ok().json();
    assert_eq!(copied["chain"], backup["chain"]);
    assert_eq!(names(&place.path("others/files")), place.files());
}

/// Damages a file, looks, and puts it back.
fn damaged(path: &Path, damage: impl Fn(&mut Vec<u8>), look: impl FnOnce()) {
    let bytes = std::fs::read(path).unwrap();
    let mut other = bytes.clone();
    damage(&mut other);
    std::fs::write(path, other).unwrap();
    look();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_bit_that_turns_in_any_file_is_found_and_not_restored() {
    let place = Place::new(SMALL);
    place.greet("guest", 20);
    place.node().run(&["snapshot", "create"]).ok();
    place.greet("guest", 20);
    let file = place.create()["file"].as_str().unwrap().to_owned();
    let (backups, out) = (place.text("backups"), place.text("out"));
    let mut paths: Vec<_> = place.files().iter().map(|name| place.path("backups/files").join(name)).collect();
    paths.push(PathBuf::from(&file));
    let kinds: BTreeSet<_> = paths.iter().map(|path| path.extension().unwrap().to_owned()).collect();
    assert_eq!(kinds.len(), 4, "segment, snapshot, settings, manifest: {kinds:?}");
    let found_and_refused = |what: &str| {
        let verified = run(&["backup", "verify", &backups]);
        assert_eq!(verified.exit, 4, "{what}: {verified:?}");
        let refused = run(&["restore", &file, "--out", &out]).refused(8, "damaged-backup");
        assert!(refused.stderr.contains("interstice backup verify"), "{what}: {refused:?}");
        assert!(!Path::new(&out).exists(), "{what}");
    };
    for path in &paths {
        let size = std::fs::metadata(path).unwrap().len() as usize;
        for at in (0..size).step_by(size / 12 + 1).chain([size - 1]) {
            damaged(
                path,
                |bytes| bytes[at] ^= 1 << (at % 8),
                || {
                    found_and_refused(&format!("byte {at} of {}", path.display()));
                },
            );
        }
        damaged(path, |bytes| bytes.truncate(size / 2), || found_and_refused(&format!("{} cut", path.display())));
        damaged(path, |bytes| bytes.push(0), || found_and_refused(&format!("{} longer", path.display())));
    }
    let segment = &paths[0];
    damaged(
        segment,
        |bytes| bytes[5_000] ^= 1,
        || {
            let verified = run(&["backup", "verify", &file, "-o", "json"]).json();
            let kinds: BTreeSet<_> = verified["backups"][0]["faults"]
                .as_array()
                .unwrap()
                .iter()
                .map(|fault| fault["kind"].as_str().unwrap())
                .collect();
            assert_eq!(kinds, BTreeSet::from(["hash", "frame"]), "the bytes and the log: {verified}");
            assert_eq!(run(&["log", "verify", "--data", &file]).exit, 4);
        },
    );
    std::fs::rename(segment, place.path("away")).unwrap();
    found_and_refused("a file is missing");
    // The next backup copies again what is missing.
    place.create();
    assert_eq!(place.verify().0, 0);
    assert_eq!(std::fs::read(segment).unwrap(), std::fs::read(place.path("away")).unwrap());
    run(&["restore", &file, "--out", &out]).ok();
}

#[test]
fn a_manifest_of_a_newer_version_is_refused_and_nothing_is_touched() {
    let place = Place::new(SMALL);
    let file = place.create()["file"].as_str().unwrap().to_owned();
    let text = std::fs::read_to_string(&file).unwrap();
    let (body, _) = text.rsplit_once("\n  \"blake3\"").unwrap();
    let body = body.replace("interstice.backup/v1", "interstice.backup/v2");
    let newer = format!("{body}\n  \"blake3\": \"{}\"\n}}\n", hex(&hash_of(body.as_bytes())));
    std::fs::write(&file, &newer).unwrap();
    place.greet("guest", 1);
    let (backups, before) = (place.text("backups"), place.files());
    run(&["backup", "verify", &backups]).refused(10, "newer-format");
    run(&["restore", &file, "--out", &place.text("out")]).refused(10, "newer-format");
    place.node().run(&["backup", "create", "--to", &backups]).refused(10, "newer-format");
    assert_eq!((std::fs::read_to_string(&file).unwrap(), place.files()), (newer, before));
    let listed = run(&["backup", "list", &backups, "-o", "json"]).ok().json();
    assert!(listed["backups"][0]["fault"].as_str().unwrap().contains("format 2"), "{listed}");
}

#[test]
fn a_damaged_log_is_not_backed_up_and_the_backups_before_stand() {
    let mut place = Place::new(SMALL);
    place.greet("guest", 400);
    place.create();
    place.greet("guest", 200);
    let segments = ending(&place.path("data/log"), "log");
    let rotten = place.path("data/log").join(&segments[segments.len() - 2]);
    let mut bytes = std::fs::read(&rotten).unwrap();
    bytes[5_000] ^= 1;
    std::fs::write(&rotten, bytes).unwrap();
    let (before, backups, data) = (place.files(), place.text("backups"), place.text("data"));
    let refused = place.node().run(&["backup", "create", "--to", &backups]).refused(8, "corrupt-log");
    assert!(refused.stderr.contains("byte 4") && refused.stderr.contains("interstice log verify"), "{refused:?}");
    assert!(before.is_subset(&place.files()) && !place.files().iter().any(|name| name.starts_with("unfinished")));
    place.node = None;
    let refused = run(&["backup", "create", "--to", &backups, "--data", &data]).refused(8, "corrupt-log");
    assert!(refused.stderr.contains("interstice log verify"), "{refused:?}");
    assert_eq!(place.verify().0, 0);
    assert_eq!(ending(&place.path("backups"), "json").len(), 1);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let place = Place::new(SMALL);
    let file = place.create()["file"].as_str().unwrap().to_owned();
    let backups = place.text("backups");
    run(&["restore", &file, "--out", &place.text("data")]).refused(2, "usage");
    run(&["restore", &place.text("nothing.json"), "--out", &place.text("out")]).refused(1, "no-backup");
    run(&["restore", &place.text("data/config.toml"), "--out", &place.text("out")]).refused(1, "no-backups");
    run(&["backup", "list", &place.text("data")]).refused(1, "no-backups");
    run(&["backup", "verify", &place.text("nothing")]).refused(1, "no-backups");
    place.node().run(&["backup", "create", "--to", &place.text("data")]).refused(2, "usage");
    std::fs::create_dir(place.path("empty")).unwrap();
    run(&["restore", &file, "--out", &place.text("empty")]).ok();

    let other = Place::new(SMALL);
    let refused = other.node().run(&["backup", "create", "--to", &backups]).refused(1, "another-log");
    assert!(refused.stderr.contains("another directory"), "{refused:?}");
    Node::in_memory().run(&["backup", "create", "--to", &place.text("memory")]).ok();
    run(&["backup", "verify", &place.text("memory")]).ok();
    run(&["backup", "create", "--to", &place.text("nobody"), "--server", "http://127.0.0.1:1"])
        .refused(5, "unreachable");

    let _lock = DirectoryStorage::open(&place.path("backups")).unwrap().try_lock().unwrap().unwrap();
    place.node().run(&["backup", "create", "--to", &backups]).refused(11, "in-use");
    assert_eq!(place.verify().0, 0, "reading needs no lock");
}

#[test]
fn an_attempt_that_was_interrupted_leaves_whole_backups_and_the_next_goes_on_from_it() {
    let place = Place::new(SMALL);
    place.greet("guest", 300);
    let first = place.create();
    place.greet("guest", 300);
    place.idle();
    // As if the power had failed before the manifest had its name, and in the middle of a file.
    let second = place.create();
    std::fs::remove_file(second["file"].as_str().unwrap()).unwrap();
    std::fs::write(place.path("backups/unfinished-manifest.json"), "{").unwrap();
    std::fs::write(place.path("backups/files/unfinished-00000000000000000000.log"), [0; 100]).unwrap();
    assert_eq!(place.verify().0, 0);
    let listed = || run(&["backup", "list", &place.text("backups"), "-o", "json"]).ok().json();
    assert_eq!(listed()["backups"].as_array().unwrap().len(), 1);
    let again = place.create();
    assert_eq!((&again["segments"]["copied"], &again["file"]), (&json!(0), &second["file"]), "{again}");
    let unfinished = |names: BTreeSet<String>| names.iter().any(|name| name.starts_with("unfinished"));
    assert!(!unfinished(place.files()) && !unfinished(names(&place.path("backups"))));

    // Killed anywhere.
    for milliseconds in [2, 5, 10, 20, 40] {
        place.greet("guest", 200);
        let mut command = interstice(&["backup", "create", "--to", &place.text("backups"), "-q"]);
        let mut child = command.env("INTERSTICE_SERVER", &place.node().url).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        let _ = child.kill();
        child.wait().unwrap();
        let (exit, found) = place.verify();
        assert_eq!(exit, 0, "after {milliseconds} ms: {found}");
    }
    let last = place.create();
    assert!(!unfinished(place.files()) && place.verify().0 == 0);
    assert!(first["file"] != last["file"]);
    run(&["restore", last["file"].as_str().unwrap(), "--out", &place.text("out")]).ok();
    assert_eq!(greeted(&place.text("out")).len(), 1601);
}

#[test]
fn a_full_disk_leaves_the_backups_that_are_there_and_nothing_unfinished() {
    let Some(disk) = SmallDisk::mount("1m") else { return };
    let place = Place::new("");
    let backups = disk.path().join("backups");
    let create = || place.node().run(&["backup", "create", "--to", backups.to_str().unwrap()]);
    create().ok();
    place.greet("guest", 5_000);
    let refused = create().refused(9, "disk-full");
    assert!(refused.stderr.contains("df -h"), "{refused:?}");
    for directory in [&backups, &backups.join("files")] {
        assert!(!names(directory).iter().any(|name| name.starts_with("unfinished")), "{:?}", names(directory));
    }
    run(&["backup", "verify", backups.to_str().unwrap()]).ok();
}

/// Passes on what a node says until so many bytes have gone through, then nothing more.
fn failing_network(node: &Node, bytes: i64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (left, to) = (Arc::new(AtomicI64::new(bytes)), node.url.trim_start_matches("http://").to_owned());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, node) = (client.unwrap(), TcpStream::connect(&to).unwrap());
            if left.load(SeqCst) <= 0 {
                continue;
            }
            let (mut asked, mut asking) = (client.try_clone().unwrap(), node.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut asked, &mut asking));
            let left = Arc::clone(&left);
            std::thread::spawn(move || pass_on(node, client, &left));
        }
    });
    url
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, left: &AtomicI64) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if left.fetch_sub(count as i64, SeqCst) <= 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(std::net::Shutdown::Both), to.shutdown(std::net::Shutdown::Both));
}

#[test]
fn a_node_that_goes_away_meanwhile_leaves_no_backup_and_the_next_attempt_goes_on() {
    let place = Place::new(SMALL);
    place.greet("guest", 600);
    let backups = place.text("backups");
    for bytes in [2_000, 40_000, 90_000] {
        let url = failing_network(place.node(), bytes);
        run(&["backup", "create", "--to", &backups, "--server", &url]).refused(5, "unreachable");
        assert!(!place.files().iter().any(|name| name.starts_with("unfinished")), "after {bytes} bytes");
        assert_eq!(run(&["backup", "list", &backups, "-o", "json"]).ok().json()["backups"], json!([]));
    }
    let made = place.create();
    assert!(number(&made["segments"]["there"]) > 0, "what was copied before is not copied again: {made}");
    assert_eq!(place.verify().0, 0);
}

#[test]
fn a_directory_beside_a_running_node_is_backed_up_and_one_without_a_node_too() {
    let mut place = Place::new(SMALL);
    place.greet("guest", 300);
    place.idle();
    let (backups, data) = (place.text("backups"), place.text("data"));
    let beside = run(&["backup", "create", "--to", &backups, "--data", &data, "-o", "json"]).ok().json();
    assert_eq!(number(&beside["to"]), 302);
    place.node = None;
    let after = run(&["backup", "create", "--to", &backups, "--data", &data, "-o", "json"]).ok().json();
    assert_eq!((number(&after["to"]), number(&after["segments"]["copied"])), (302, 0), "{after}");
    assert_eq!(place.verify().0, 0);
}
