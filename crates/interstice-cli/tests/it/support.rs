//! Running the command, nodes that end with their test, and modules that are built once.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Where all of the workspace are built into: what new projects have in common with them is there already.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The command with arguments.
pub(crate) fn interstice(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_interstice"));
    for setting in ["INTERSTICE_SERVER", "INTERSTICE_LOG_LEVEL", "INTERSTICE_LOG_FORMAT"] {
        command.env_remove(setting);
    }
    command.args(args).current_dir(root());
    command
}

/// The examples, by name.
pub(crate) fn example_names() -> Vec<String> {
    let examples = std::fs::read_dir(root().join("examples")).unwrap();
    let mut names: Vec<_> = examples.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What the command printed, and its exit code.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let exit = output.status.code().unwrap_or(-1);
        Self { exit, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The one document on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Nothing went wrong.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.exit, 0, "{self:?}");
        self
    }

    /// It ended with this exit code and, first on stderr, this problem code.
    pub(crate) fn refused(self, exit: i32, code: &str) -> Self {
        assert_eq!(self.exit, exit, "{self:?}");
        assert!(self.stderr.contains(&format!("error[{code}]: ")), "wanted {code}: {self:?}");
        self
    }
}

/// Runs the command.
pub(crate) fn run(args: &[&str]) -> Ran {
    Ran::of(interstice(args).output().unwrap())
}

/// Runs the command with text on stdin.
pub(crate) fn run_with_stdin(args: &[&str], stdin: &str) -> Ran {
    feed(interstice(args), stdin)
}

fn feed(mut command: Command, stdin: &str) -> Ran {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    Ran::of(child.wait_with_output().unwrap())
}

/// Runs the tests of the project in `directory`: built apart, and for all of them the same way, so that what they have in common is
/// compiled once.
pub(crate) fn test_in(directory: &Path) -> Ran {
    let mut command = Command::new("cargo");
    command.args(["test", "--offline"]).current_dir(directory);
    command.env("CARGO_TARGET_DIR", target().join("templates")).env("CARGO_PROFILE_DEV_DEBUG", "0");
    // What Cargo says to the tests that it runs is not meant for those that they run.
    let said = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("CARGO_PKG_"));
    for name in said {
        command.env_remove(name);
    }
    Ran::of(command.output().unwrap())
}

/// A running node; killed when dropped.
pub(crate) struct Node {
    child: Child,
    pub(crate) url: String,
    /// What it wrote to stderr so far.
    said: Arc<Mutex<String>>,
}

impl Node {
    /// Starts a node on a data directory.
    pub(crate) fn start(data: &Path) -> Self {
        Self::spawn(&["start", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"])
    }

    /// Starts a node in memory.
    pub(crate) fn in_memory() -> Self {
        Self::spawn(&["start", "--memory", "--listen", "127.0.0.1:0"])
    }

    fn spawn(args: &[&str]) -> Self {
        Self::launch(&mut interstice(args)).unwrap_or_else(|ran| panic!("the node ended: {ran:?}"))
    }

    /// Starts a node by a command of any kind; if it ends before it listens, what came of it.
    pub(crate) fn launch(command: &mut Command) -> Result<Self, Ran> {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = Arc::new(Mutex::new(String::new()));
        let url = loop {
            let Some(line) = lines.next() else {
                let exit = child.wait().unwrap().code().unwrap_or(-1);
                return Err(Ran { exit, stdout: String::new(), stderr: said.lock().unwrap().clone() });
            };
            let line = line.unwrap();
            said.lock().unwrap().extend([line.as_str(), "\n"]);
            if let Some(url) = line.split([' ', '"']).find(|word| word.starts_with("http://")) {
                break url.to_owned();
            }
        };
        // Read on, so that the node never waits for a reader.
        let hears = Arc::clone(&said);
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| hears.lock().unwrap().extend([line.as_str(), "\n"]));
        });
        Ok(Self { child, url, said })
    }

    /// What it wrote to stderr so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Asks it to end, waits until it has; gives its exit code.
    pub(crate) fn terminate(self) -> Option<i32> {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        self.wait()
    }

    /// Runs the command against this node.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(interstice(args).env("INTERSTICE_SERVER", &self.url).output().unwrap())
    }

    /// Runs the command against this node with text on stdin.
    pub(crate) fn run_with_stdin(&self, args: &[&str], stdin: &str) -> Ran {
        let mut command = interstice(args);
        command.env("INTERSTICE_SERVER", &self.url);
        feed(command, stdin)
    }

    /// Runs the command against this node, for copies of projects: what they are built into is not where the originals are.
    pub(crate) fn run_apart(&self, args: &[&str]) -> Ran {
        let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/copies");
        Ran::of(interstice(args).env("INTERSTICE_SERVER", &self.url).env("CARGO_TARGET_DIR", target).output().unwrap())
    }

    /// Its history, run again, comes out as recorded; on the second engine too.
    pub(crate) fn replays(&self) {
        self.run(&["replay", "check"]).ok();
        self.run(&["replay", "check", "--engine", "wasmi"]).ok();
    }

    /// Publishes a project of the workspace.
    pub(crate) fn publish(&self, project: &str) {
        self.run(&["publish", project]).ok();
    }

    /// Waits until it ends by itself; gives its exit code.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Waits for so long until it ends by itself; gives its exit code, or kills it.
    pub(crate) fn wait_for(mut self, patience: Duration) -> Option<i32> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The artefact of a project, built.
pub(crate) fn build(project: &str) -> PathBuf {
    PathBuf::from(run(&["build", project, "-o", "json"]).ok().json()["wasm"].as_str().unwrap())
}

/// A copy of a project of the workspace, its source and manifest edited; a workspace of its own.
pub(crate) fn copy_of(project: &str, edit: impl Fn(String) -> String) -> tempfile::TempDir {
    let (copy, project) = (tempfile::tempdir().unwrap(), root().join(project));
    std::fs::create_dir(copy.path().join("src")).unwrap();
    let source = std::fs::read_to_string(project.join("src/lib.rs")).unwrap();
    std::fs::write(copy.path().join("src/lib.rs"), edit(source)).unwrap();
    let manifest = edit(std::fs::read_to_string(project.join("Cargo.toml")).unwrap());
    let manifest = manifest.replace("../../crates", root().join("crates").to_str().unwrap()) + "\n[workspace]\n";
    std::fs::write(copy.path().join("Cargo.toml"), manifest).unwrap();
    std::fs::copy(root().join("Cargo.lock"), copy.path().join("Cargo.lock")).unwrap();
    copy
}

/// Copies all that is in a directory.
pub(crate) fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_files(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}

/// Looks again and again, for half a minute.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "waited for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
