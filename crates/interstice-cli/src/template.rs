//! What a new project begins as: one of the examples, or a blank one. There is one source of each, and under another name it is the
//! same: the crate's name is exchanged where it stands for the crate or its module, and nowhere else.

use clap::ValueEnum;

/// What a new project begins as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// Greetings: a table, a reducer with a typed error, a query
    Hello,
    /// Rooms, messages and people: composite keys and indexes
    Chat,
    /// Items in warehouses: references, and migrations from former versions
    Inventory,
    /// A query, and room for the rest
    Blank,
}

/// Path and text of each of these files in a folder.
macro_rules! files {
    ($folder:literal: $($path:literal)*) => { &[$(($path, include_str!(concat!($folder, "/", $path)))),*] };
}

/// As the examples name the crate that they are written against.
const SDK: &str = "\"../../crates/interstice-sdk\"";

/// What a new project is called, and where what it needs is.
pub(crate) struct Names<'n> {
    /// Its crate.
    pub(crate) package: &'n str,
    /// Its module: the same with `_` for `-`.
    pub(crate) module: &'n str,
    /// The crate `interstice-sdk`, as a TOML string.
    pub(crate) sdk: &'n str,
}

impl Template {
    /// The name on the command line, which is the name of the crate that it is made of.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Chat => "chat",
            Self::Inventory => "inventory",
            Self::Blank => "blank",
        }
    }

    /// The paths of its files and their texts, as they are in this tree.
    fn originals(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Hello => files!("../../../examples/hello": "Cargo.toml" "README.md" "src/lib.rs" "tests/hello.rs"),
            Self::Chat => files!("../../../examples/chat": "Cargo.toml" "README.md" "src/lib.rs" "tests/chat.rs"),
            Self::Inventory => files!("../../../examples/inventory":
                "Cargo.toml" "README.md" "schema/v1.json" "schema/v2.json" "schema/v3.json" "src/former.rs" "src/lib.rs"
                "tests/inventory.rs"),
            Self::Blank => files!("../templates/blank": "Cargo.toml" "README.md" "src/lib.rs" "tests/blank.rs"),
        }
    }

    /// The paths of the files of a project with these names, and their texts.
    pub(crate) fn files(self, names: &Names<'_>) -> Vec<(String, String)> {
        let file = |(path, text): &(&str, &str)| {
            let path = path.replace(&format!("tests/{}.rs", self.name()), &format!("tests/{}.rs", names.module));
            let text = text.replace(SDK, names.sdk);
            (path, self.renamed(&text, names))
        };
        self.originals().iter().map(file).collect()
    }

    fn renamed(self, text: &str, names: &Names<'_>) -> String {
        let old = self.name();
        // Whoever reads this stands in the project.
        let text = text.replace(&format!(" examples/{old}"), "").replace(&format!(" -p {old}"), "");
        let mut out = String::with_capacity(text.len());
        let mut end = 0;
        for (at, _) in text.match_indices(old) {
            if let Some(new) = name_at((&text[..at], &text[at + old.len()..]), names) {
                out.extend([&text[end..at], new]);
                end = at + old.len();
            }
        }
        out.push_str(&text[end..]);
        comments_in_line(&out)
    }
}

/// The name that belongs between `before` and `behind`; `None` if what stands there names neither crate nor module.
fn name_at<'n>((before, behind): (&str, &str), names: &Names<'n>) -> Option<&'n str> {
    let is_manifest = before.ends_with("name = \"") && behind.starts_with('"');
    let is_title = before == "# " && behind.starts_with('\n');
    if is_manifest || is_title {
        return Some(names.package);
    }
    let is_word = before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-'));
    let is_path = behind.starts_with("::") || behind.starts_with(" as _;");
    let is_member = behind.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
    let is_quoted = before.ends_with('`') && behind.starts_with('`');
    let is_schema = before.ends_with("\"module\": \"") && behind.starts_with('"');
    (!is_word && (is_path || is_member || is_quoted || is_schema)).then_some(names.module)
}

/// Comments behind commands begin in one column, however long the names in the commands are.
fn comments_in_line(text: &str) -> String {
    let parts = |line: &str| -> Option<(String, String)> {
        let (command, comment) = line.strip_prefix("$ ")?.split_once(" # ")?;
        Some((command.trim_end().to_owned(), comment.to_owned()))
    };
    let width = text.lines().filter_map(parts).map(|(command, _)| command.chars().count()).max().unwrap_or(0);
    let line = |line: &str| match parts(line) {
        Some((command, comment)) => format!("$ {command:width$}    # {comment}\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    const NAMES: Names<'_> = Names { package: "my-game", module: "my_game", sdk: "\"/sdk\"" };

    fn folder(template: Template) -> &'static str {
        match template {
            Template::Blank => "crates/interstice-cli/templates/blank",
            Template::Hello => "examples/hello",
            Template::Chat => "examples/chat",
            Template::Inventory => "examples/inventory",
        }
    }

    #[test]
    fn a_template_has_every_file_that_its_folder_has() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for template in Template::value_variants() {
            let folder = folder(*template);
            let listed = Command::new("git").args(["ls-files", folder]).current_dir(&root).output().expect("git");
            let listed = String::from_utf8(listed.stdout).expect("paths are text");
            let paths = template.originals().iter().map(|(path, _)| format!("{folder}/{path}"));
            assert_eq!(paths.collect::<Vec<_>>(), listed.lines().collect::<Vec<_>>());
        }
    }

    #[test]
    fn nothing_of_the_old_name_is_left_where_it_names_crate_or_module() {
        for template in Template::value_variants() {
            for (path, text) in template.files(&NAMES) {
                let old = template.name();
                assert!(!path.contains(old) && !text.contains("../.."), "{path}");
                for left in [format!("{old}::"), format!("{old}."), format!("\"{old}\""), format!("# {old}\n")] {
                    assert!(!text.contains(&left), "{path}: {left}");
                }
                for left in ["examples/", "-p "] {
                    assert!(!text.contains(left), "{path}: {left}");
                }
            }
        }
    }

    #[test]
    fn a_name_is_exchanged_where_it_stands_for_the_module_and_nowhere_else() {
        let renamed = |text: &str| Template::Chat.renamed(text, &NAMES);
        for (text, wanted) in [
            ("name = \"chat\"\n", "name = \"my-game\"\n"),
            ("# chat\n\nA chat.\n", "# my-game\n\nA chat.\n"),
            ("use chat::{Body};\n", "use my_game::{Body};\n"),
            ("call = [\"chat.send\", \"chat\"]\n", "call = [\"my_game.send\", \"chat\"]\n"),
            ("//! `chat` on a database: a chat. Then\n", "//! `my_game` on a database: a chat. Then\n"),
            ("snapchat::x, chat.Then, chatter.x\n", "snapchat::x, chat.Then, chatter.x\n"),
            ("\"module\": \"chat\",\n", "\"module\": \"my_game\",\n"),
            (
                "$ interstice dev examples/chat   # builds\n$ cargo test -p chat  # tests\n",
                "$ interstice dev    # builds\n$ cargo test        # tests\n",
            ),
        ] {
            assert_eq!(renamed(text), wanted);
        }
    }
}
