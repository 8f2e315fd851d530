//! Which files modules are made of, and when one of them is saved.
//!
//! The compiler says which files it read. Their directories are watched, and not the files: an editor that saves by renaming makes another
//! file. What is new in a project's own directory counts too.

use crate::failure::Failure;
use crate::project::Project;
use interstice_types::problem::Problem;
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Endings of the names of files that a module may be made of.
const SOURCES: [&str; 3] = ["rs", "toml", "json"];

/// The files of some projects.
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    directories: BTreeSet<PathBuf>,
    /// By project: what it was made of, and the directory of its own.
    made_of: Vec<(BTreeSet<PathBuf>, PathBuf)>,
}

impl Watch {
    /// Tells `changed` of every file that may have been saved.
    pub(super) fn new(changed: impl Fn(PathBuf) + Send + 'static) -> Result<Self, Failure> {
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let Ok(event) = event else { return };
            if is_save(event.kind) {
                event.paths.into_iter().for_each(&changed);
            }
        });
        Ok(Self { watcher: watcher.map_err(not_watched)?, directories: BTreeSet::new(), made_of: Vec::new() })
    }

    /// Watches what `projects` are made of now.
    pub(super) fn follow(&mut self, projects: &[Project]) -> Result<(), Failure> {
        self.made_of = projects.iter().map(|project| (made_of(project), whole(project.directory()))).collect();
        let own = self.made_of.iter().flat_map(|(_, directory)| [directory.clone(), directory.join("src")]);
        let parents = self.made_of.iter().flat_map(|(files, _)| files.iter().filter_map(|file| file.parent()));
        let directories: BTreeSet<_> = parents.map(Path::to_owned).chain(own).filter(|path| path.is_dir()).collect();
        for directory in directories.difference(&self.directories) {
            self.watcher.watch(directory, RecursiveMode::NonRecursive).map_err(not_watched)?;
        }
        for directory in self.directories.difference(&directories) {
            // One that is gone is not watched any more.
            let _ = self.watcher.unwatch(directory);
        }
        self.directories = directories;
        Ok(())
    }

    /// The projects that are made of this file, by their places.
    pub(super) fn projects_of(&self, file: &Path) -> Vec<usize> {
        let is_source = file.extension().is_some_and(|ext| SOURCES.iter().any(|source| ext == *source));
        let is_of = |(files, own): &(BTreeSet<PathBuf>, PathBuf)| {
            files.contains(file) || is_source && file.parent().is_some_and(|at| at == own || at == own.join("src"))
        };
        self.made_of.iter().enumerate().filter(|(_, project)| is_of(project)).map(|(place, _)| place).collect()
    }
}

fn is_save(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) | EventKind::Other | EventKind::Any => false,
        EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) => true,
    }
}

fn made_of(project: &Project) -> BTreeSet<PathBuf> {
    let own = ["Cargo.toml", "src/lib.rs"].map(|name| project.directory().join(name));
    project.sources().into_iter().chain(own).map(|file| whole(&file)).collect()
}

/// The path without links in it, if it is there.
fn whole(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn not_watched(error: notify::Error) -> Failure {
    let hint = "`interstice build` and `interstice publish` do by hand what `dev` does at each save";
    Problem::new("not-watched", format!("the files of a project cannot be watched: {error}")).hint(hint).into()
}
