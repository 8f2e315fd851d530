//! `new`: a module project that builds and passes its tests.
//!
//! 1. The name is one that Cargo and a schema take, nothing is in the way, and the SDK is there.
//! 2. The files are written into a directory beside it, under a name that nobody has.
//! 3. The directory gets its name: it is whole, or not there.
//! 4. If Cargo takes it for a part of a workspace around it in which it is not, it gets a workspace of its own.

use crate::failure::{Failure, exit};
use crate::output::Output;
use crate::report::Report;
use crate::template::{Names, Template};
use crate::unfinished::Unfinished;
use cargo_metadata::MetadataCommand;
use interstice_types::problem::Problem;
use interstice_types::schema::validate::MAX_NAME_SIZE;
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};

/// Where the SDK is in the tree that this command was built from.
const OWN_SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../interstice-sdk");

const IGNORED: &str = "/target\n/.interstice\n";

/// How Cargo says that a workspace does not count a project in it among its members.
const NO_MEMBER: &str = "believes it's in a workspace when it's not";

const OWN_WORKSPACE: &str = "\n# The workspace around this project does not count it among its members.\n[workspace]\n";

/// Names that mean something else in Rust, or to Cargo.
const TAKEN: &str = "\
    abstract alloc as async await become box break const continue core crate do dyn else enum extern false final fn \
    for gen if impl in interstice let loop macro match mod move mut override priv proc_macro pub ref return self \
    static std struct super test trait true try type typeof unsafe unsized use virtual where while yield";

/// Makes a project at `path`.
pub(crate) fn run(path: &Path, template: Template, sdk: Option<&Path>, output: &Output) -> Result<Report, Failure> {
    let package = package_name(path, template)?;
    refuse_what_is_there(path, template)?;
    let sdk = find_sdk(sdk, &command(path, template))?;
    let (module, quoted) = (package.replace('-', "_"), toml_string(&sdk)?);
    let mut files = template.files(&Names { package: &package, module: &module, sdk: &quoted });
    files.push((".gitignore".to_owned(), IGNORED.to_owned()));
    let failed = |error: io::Error| Failure::file(path, &error);
    let unfinished = Unfinished::make_of_files(path).map_err(failed)?;
    write(unfinished.path(), &files).map_err(failed)?;
    unfinished.finish(path).map_err(failed)?;
    // Under its name: a workspace around it may count it among its members by that.
    settle_workspace(path, &sdk).map_err(failed)?;
    let what = format!("as `{}`, {} files", template.name(), files.len());
    output.step("created", &path.display().to_string(), &what);
    output.note(&format!("\nnext:\n  cd {}\n  cargo test\n  interstice dev", shell_word(path)));
    let document = json!({
        "schema": "interstice.new/v1", "path": path, "package": package, "module": module, "template": template.name(),
        "files": files.iter().map(|(path, _)| path).collect::<Vec<_>>(),
    });
    Ok(Report::new(document, path.display().to_string()))
}

/// The name of the crate, if it is one that Cargo, Rust and a schema take.
fn package_name(path: &Path, template: Template) -> Result<String, Failure> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(reason) = wrong_with(&name) else { return Ok(name) };
    let better = path.with_file_name(similar_name(&name));
    let problem = Problem::new("invalid-name", format!("`{name}` is not a name for a project: {reason}"))
        .at(format!("the last part of `{}`", path.display()))
        .hint(command(&better, template));
    Err(Failure::new(exit::USAGE, problem))
}

/// Why Cargo, Rust or a schema would refuse `name`.
fn wrong_with(name: &str) -> Option<String> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if name.is_empty() {
        return Some("it is empty".to_owned());
    }
    if let Some(other) = name.chars().find(|c| !is_allowed(*c)) {
        return Some(format!("`{}` is none of `a` to `z`, `0` to `9`, `-` and `_`", other.escape_default()));
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Some("it does not begin with a letter".to_owned());
    }
    if name.len() > MAX_NAME_SIZE {
        return Some(format!("it has {} characters, more than {MAX_NAME_SIZE}", name.len()));
    }
    let module = name.replace('-', "_");
    if is_taken(&module) || module.starts_with("interstice_") {
        return Some("it means something else already".to_owned());
    }
    None
}

/// Whether a name means something else in Rust, or to Cargo.
pub(super) fn is_taken(name: &str) -> bool {
    TAKEN.split(' ').any(|taken| taken == name)
}

/// A name like `name` that is none of the wrong ones.
fn similar_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let plain: String = lower.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let trimmed = plain.trim_start_matches(|c: char| !c.is_ascii_lowercase()).trim_end_matches('-');
    let short = &trimmed[..trimmed.len().min(MAX_NAME_SIZE)];
    let candidates = [short.to_owned(), format!("my-{short}")].into_iter().filter(|_| !short.is_empty());
    candidates
        .chain(["my-module".to_owned()])
        .find(|name| wrong_with(name).is_none())
        .expect("invariant: the last one is right")
}

/// Nothing is written over.
fn refuse_what_is_there(path: &Path, template: Template) -> Result<(), Failure> {
    let is_empty = match std::fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            path.symlink_metadata().is_err()
        }
        Err(error) => return Err(Failure::file(path, &error)),
    };
    if is_empty {
        return Ok(());
    }
    let other = path.with_file_name(format!("{}-2", path.file_name().unwrap_or_default().to_string_lossy()));
    let whole = std::path::absolute(path).map_err(|error| Failure::file(path, &error))?;
    let problem = Problem::new("not-empty", format!("`{}` is there already, and is kept as it is", path.display()))
        .at(whole.display().to_string())
        .hint(command(&other, template));
    Err(Failure::new(exit::USAGE, problem))
}

/// The directory of the SDK, without detours.
fn find_sdk(given: Option<&Path>, command: &str) -> Result<PathBuf, Failure> {
    let directory = given.unwrap_or(Path::new(OWN_SDK));
    let manifest = std::fs::read_to_string(directory.join("Cargo.toml"));
    let is_sdk = manifest.is_ok_and(|text| text.lines().any(|line| line == "name = \"interstice-sdk\""));
    let found = directory.canonicalize().ok().filter(|_| is_sdk);
    found.ok_or_else(|| {
        let text = format!("the crate `interstice-sdk` is not in `{}`", directory.display());
        let place = if given.is_some() { "`--sdk`" } else { "the source tree that this command was built from" };
        let hint = format!("{command} --sdk ~/interstice/crates/interstice-sdk");
        Failure::new(exit::USAGE, Problem::new("no-sdk", text).at(place).hint(hint))
    })
}

/// A path in a manifest: JSON's strings are TOML's, but for one character that TOML wants written otherwise.
fn toml_string(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().ok_or_else(|| {
        Failure::usage(
            format!("`{}` is no text, and a manifest is", path.display()),
            "move the SDK to another directory",
        )
    })?;
    Ok(json!(text).to_string().replace('\u{7f}', "\\u007f"))
}

fn write(directory: &Path, files: &[(String, String)]) -> io::Result<()> {
    for (path, text) in files {
        let file = directory.join(path);
        std::fs::create_dir_all(file.parent().expect("invariant: a file of a project is in it"))?;
        std::fs::write(file, text)?;
    }
    Ok(())
}

/// As a member of a workspace the project is built with that one's versions; on its own, with those that the SDK was tested with.
fn settle_workspace(directory: &Path, sdk: &Path) -> io::Result<()> {
    let manifest = directory.join("Cargo.toml");
    let surrounded = directory.canonicalize()?.ancestors().skip(1).any(|above| above.join("Cargo.toml").is_file());
    if surrounded {
        match MetadataCommand::new().manifest_path(&manifest).no_deps().exec() {
            Ok(metadata) if metadata.workspace_root.as_std_path() != directory.canonicalize()? => return Ok(()),
            Ok(_) => {}
            // What else is wrong with the workspace, as that another member is not there yet, is not this project's to decide.
            Err(error) if !error.to_string().contains(NO_MEMBER) => return Ok(()),
            Err(_) => {
                let text = std::fs::read_to_string(&manifest)? + OWN_WORKSPACE;
                std::fs::write(&manifest, text)?;
            }
        }
    }
    match std::fs::copy(sdk.join("../../Cargo.lock"), directory.join("Cargo.lock")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What makes a project of this template at `path`.
fn command(path: &Path, template: Template) -> String {
    let template = match template {
        Template::Hello => String::new(),
        other => format!(" --template {}", other.name()),
    };
    format!("interstice new {}{template}", shell_word(path))
}

/// A path as a shell takes it.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/~".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_something_would_refuse_are_told_with_one_that_nothing_does() {
        for (name, reason, better) in [
            ("", "empty", "my-module"),
            ("My-Game", "`M` is none of", "my-game"),
            ("my game", "` ` is none of", "my-game"),
            ("9lives", "begin with a letter", "lives"),
            ("_x", "begin with a letter", "x"),
            ("größe", "`\\u{f6}` is none of", "gr--e"),
            ("match", "something else", "my-match"),
            ("test", "something else", "my-test"),
            ("std", "something else", "my-std"),
            ("proc-macro", "something else", "my-proc-macro"),
            ("interstice", "something else", "my-interstice"),
            ("interstice-sdk", "something else", "my-interstice-sdk"),
            ("...", "`.` is none of", "my-module"),
        ] {
            let said = wrong_with(name).expect(name);
            assert!(said.contains(reason), "{name}: {said}");
            assert_eq!(similar_name(name), better);
        }
        let long = "a".repeat(65);
        assert!(wrong_with(&long).expect("too long").contains("65 characters"));
        assert_eq!(similar_name(&long), "a".repeat(64));
        assert_eq!(wrong_with(&"a".repeat(64)), None);
        for name in ["a", "my-game", "my_game", "hello", "a1", "matches", "x-"] {
            assert_eq!(wrong_with(name), None, "{name}");
        }
    }

    #[test]
    fn a_path_is_quoted_for_toml_and_for_a_shell() {
        let odd = Path::new("/a b/\"c\"\\d'\n\u{7f}");
        assert_eq!(toml_string(odd).map_err(|_| ()), Ok(r#""/a b/\"c\"\\d'\n\u007f""#.to_owned()));
        assert_eq!(shell_word(Path::new("a/b-c")), "a/b-c");
        assert_eq!(shell_word(Path::new("it's here")), r"'it'\''s here'");
    }
}
