//! `dev` while a module is edited: each save is live, data come along, and where they cannot, what was said is done.

use crate::support::{Node, copy_of, interstice, run, wait_until};
use serde_json::json;
use std::path::PathBuf;
use tempfile::TempDir;

/// A module that is edited, under a name of its own: tests build beside each other.
struct Edited {
    project: TempDir,
    data: TempDir,
    name: &'static str,
}

impl Edited {
    fn new(name: &'static str) -> Self {
        let project = copy_of("examples/hello", |manifest| {
            let manifest = manifest.replace("name = \"hello\"", &format!("name = \"{name}\""));
            manifest.replace("hello.", &format!("{name}."))
        });
        Self { project, data: tempfile::tempdir().unwrap(), name }
    }

    fn data(&self) -> PathBuf {
        self.data.path().join("data")
    }

    /// `dev` on it, without a terminal.
    fn dev(&self, on_break: &str) -> Node {
        let (project, data) = (self.project.path().to_str().unwrap(), self.data());
        let words =
            ["dev", project, "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0", "--on-break", on_break];
        let node = Node::launch(&mut interstice(&words)).unwrap();
        wait_until("what can be tried is said", || node.said().contains("it is live"));
        node
    }

    fn edit(&self, from: &str, to: &str) {
        let file = self.project.path().join("src/lib.rs");
        let source = std::fs::read_to_string(&file).unwrap();
        assert!(source.contains(from), "{from:?} is not in the source");
        std::fs::write(&file, source.replace(from, to)).unwrap();
    }

    fn rows(&self, node: &Node, columns: &str) -> serde_json::Value {
        let statement = format!("select {columns} from {}.greeting order by id", self.name);
        node.run(&["sql", &statement, "-o", "json"]).ok().json()["rows"].clone()
    }

    /// Directories beside the data.
    fn aside(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.data.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).filter(|name| name != "data").collect();
        names.sort();
        names
    }
}

/// How often `text` was said.
fn said(node: &Node, text: &str) -> usize {
    node.said().matches(text).count()
}

/// The last line that begins with this word.
fn line(node: &Node, begins: &str) -> String {
    let said = node.said();
    let line = said.lines().rev().find(|line| line.trim_start().starts_with(begins));
    line.unwrap_or_else(|| panic!("{begins} is not in {said}")).to_owned()
}

#[test]
fn each_save_is_live_and_the_rows_stay() {
    let edited = Edited::new("saved");
    let node = edited.dev("ask");
    node.run(&["call", "saved.greet", "ada"]).ok();
    edited.edit("Hello, {name}!", "Good morning, {name}!");
    wait_until("the edit is live", || said(&node, "after the save") == 1);
    let live = line(&node, "live");
    for stage in ["saved (", "s after the save: noticed ", "compiled ", "checked ", "published "] {
        assert!(live.contains(stage), "{stage:?} is not in {live}");
    }
    node.run(&["call", "saved.greet", "grace"]).ok();
    assert_eq!(edited.rows(&node, "text"), json!([["Hello, world!"], ["Hello, ada!"], ["Good morning, grace!"]]));
    // What does not compile leaves the version before in force, and the next save goes on.
    edited.edit("Good morning, {name}!", "Good evening, {nobody}!");
    wait_until("the compiler says no", || said(&node, "error[not-built]") == 1);
    node.run(&["call", "saved.greet", "edsger"]).ok();
    edited.edit("{nobody}", "{name}");
    wait_until("the edit is live", || said(&node, "after the save") == 2);
    // A new column comes with its default.
    edited.edit("pub said_at: Timestamp,", "pub said_at: Timestamp,\n    #[default(7)]\n    pub volume: u32,");
    edited.edit("said_at: ctx.now()", "said_at: ctx.now(), volume: 9");
    wait_until("the edit is live", || said(&node, "after the save") >= 3);
    wait_until("the column is there", || edited.rows(&node, "volume").as_array().is_some_and(|rows| rows.len() == 4));
    assert_eq!(edited.rows(&node, "volume"), json!([[7], [7], [7], [7]]));
    // Every transaction was run again beside the node.
    wait_until("all of them came out the same", || {
        let status = node.run(&["status", "-o", "json"]).ok().json();
        status["verify"]["checked"].as_u64().is_some_and(|checked| checked > 4) && status["alarms"] == json!([])
    });
    assert_eq!(node.terminate(), Some(0));
}

/// An edit that leaves a column of rows that are there without a place.
fn drop_column(edited: &Edited) {
    // In one write: both go together.
    edited.edit("    pub name: String,\n    pub text", "    pub text");
    edited.edit("{name}!\"), name, said_at", "{name}!\"), said_at");
}

#[test]
fn an_edit_that_data_stand_in_the_way_of_is_migrated_replayed_wiped_or_kept() {
    let edited = Edited::new("broken");
    // Nobody is there to ask: it is said what can be done, and nothing is lost.
    let node = edited.dev("ask");
    node.run(&["call", "broken.greet", "ada"]).ok();
    drop_column(&edited);
    wait_until("it is said what can be done", || said(&node, "--on-break migrate|replay|wipe") == 1);
    assert!(node.said().contains("error[destructive]"), "{}", node.said());
    for choice in ["m  migrate:", "r  replay:", "w  wipe:", "k  keep:"] {
        assert!(node.said().contains(choice), "{choice}: {}", node.said());
    }
    let before = json!([["world"], ["ada"]]);
    assert_eq!(edited.rows(&node, "name"), before);
    assert_eq!(node.terminate(), Some(0));

    // The types as they were are saved for a migration; until that is written the rows are as they were.
    let node = edited.dev("migrate");
    assert!(node.said().contains("write it, and save"), "{}", node.said());
    assert!(edited.project.path().join("schema/v1.json").is_file());
    assert_eq!(edited.rows(&node, "name"), before);
    assert_eq!((node.terminate(), edited.aside()), (Some(0), Vec::new()));

    // History as if the code had always been so; it goes on behind it.
    let node = edited.dev("replay");
    assert!(node.said().contains("history ran through the new code: 3 same · 0 differ"), "{}", node.said());
    assert_eq!(edited.rows(&node, "text"), json!([["Hello, world!"], ["Hello, ada!"]]));
    assert_eq!(edited.aside(), ["data.before-1"]);
    node.run(&["call", "broken.greet", "grace"]).ok();
    assert!(node.run(&["replay", "check"]).ok().stdout.contains("0 divergences"));
    edited.edit("Hello, {name}!", "Good morning, {name}!");
    wait_until("the edit is live", || said(&node, "after the save") == 1);
    assert_eq!(node.terminate(), Some(0));

    // A column that nobody says the value of in rows that are there, while it runs.
    let node = edited.dev("wipe");
    edited.edit("    pub text: String,", "    pub text: String,\n    pub volume: u32,");
    edited.edit("{name}!\"), said_at", "{name}!\"), volume: 3, said_at");
    wait_until("it begins anew", || said(&node, "it begins anew") == 1);
    wait_until("the module is in force", || {
        let ran = node.run(&["sql", "select text, volume from broken.greeting", "-o", "json"]);
        ran.exit == 0 && ran.json()["rows"] == json!([["Good morning, world!", 3]])
    });
    node.run(&["call", "broken.greet", "grace"]).ok();
    assert_eq!(edited.aside(), ["data.before-1", "data.before-2"]);
    assert_eq!(node.terminate(), Some(0));
    // What was kept aside is whole.
    let before = edited.data.path().join("data.before-1");
    let rows =
        run(&["sql", "select name from broken.greeting order by id", "-o", "json", "--data", before.to_str().unwrap()]);
    assert_eq!(rows.ok().json()["rows"], json!([["world"], ["ada"]]));
}
