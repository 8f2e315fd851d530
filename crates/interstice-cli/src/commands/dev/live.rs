//! The node of `dev` while its modules are edited.
//!
//! At a save: wait until the editor is done, build what is made of the file, bring it in force, and say how long each step took from the
//! save on. What does not compile, or is refused, leaves the version before in force.

use super::breaking::{self, Choice};
use super::tail;
use super::watch::Watch;
use super::{Options, bring_in_force, node_of, start, suggest, which};
use crate::commands::serve;
use crate::failure::{Failure, exit};
use crate::node::{Node, body};
use crate::output::Output;
use crate::project::{Built, Project};
use crate::report::Report;
use interstice_protocol::http::{Status, route};
use interstice_server::server::Server;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::Scope;
use std::time::{Duration, Instant, SystemTime};

/// Between two looks whether the node lives.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How long nothing may happen before an editor is done with a save.
const QUIET: Duration = Duration::from_millis(20);
/// A file that was written longer ago was not written by this save.
const OLDEST: Duration = Duration::from_secs(10);

/// What wakes it up.
enum News {
    /// A file may have been saved.
    Changed(PathBuf),
    /// The process is asked to end.
    AskedToEnd,
}

/// A node, and what it is made of.
struct Live<'l, 'scope, 'env> {
    projects: Vec<Project>,
    /// What each came to when it was built last.
    built: Vec<Built>,
    /// `None` while it is another one's turn.
    server: Option<Server>,
    node: Node,
    /// Tells the thread that shows what commits to end; `None` before there is one.
    tail: Option<Arc<AtomicBool>>,
    watch: Watch,
    news: Receiver<News>,
    options: &'l Options<'l>,
    output: &'env Output,
    threads: &'scope Scope<'scope, 'env>,
}

/// A save.
struct Save {
    at: SystemTime,
    files: BTreeSet<PathBuf>,
    /// From the save until it was known that the editor is done.
    noticing: Duration,
}

pub(super) fn run<'scope, 'env>(
    server: Server,
    (projects, built): (Vec<Project>, Vec<Built>),
    (options, output): (&Options<'_>, &'env Output),
    threads: &'scope Scope<'scope, 'env>,
) -> Result<Report, Failure> {
    let (sender, news) = channel();
    let changed = sender.clone();
    let watch = Watch::new(move |file| drop(changed.send(News::Changed(file))))?;
    serve::when_asked_to_end(move || drop(sender.send(News::AskedToEnd)))?;
    let (node, server) = (node_of(&server, options), Some(server));
    let mut live = Live { projects, built, server, node, tail: None, watch, news, options, output, threads };
    let ended = live.begin().and_then(|()| live.go_on());
    live.end_tail();
    ended
}

impl Live<'_, '_, '_> {
    fn begin(&mut self) -> Result<(), Failure> {
        self.watch.follow(&self.projects)?;
        for place in 0..self.built.len() {
            match bring_in_force(&self.node, &self.built[place], self.output) {
                Err(failure) if breaking::is_breaking(&failure) => self.broken(place, &failure)?,
                done => drop(done?),
            }
        }
        let schemas: Vec<_> = self.built.iter().map(|module| &module.schema).collect();
        suggest(&self.node, &schemas, self.output);
        self.begin_tail()
    }

    fn go_on(&mut self) -> Result<Report, Failure> {
        loop {
            let has_ended = self.server.as_ref().is_none_or(Server::has_ended);
            let save = match self.news.recv_timeout(LOOK_INTERVAL) {
                Ok(News::Changed(file)) => self.saved(file),
                Err(RecvTimeoutError::Timeout) if !has_ended => continue,
                Ok(News::AskedToEnd) | Err(_) => None,
            };
            let Some(save) = save else {
                self.stop()?;
                return Ok(Report::nothing());
            };
            self.reload(&save)?;
        }
    }

    /// Shows what commits from now on.
    fn begin_tail(&mut self) -> Result<(), Failure> {
        let from = body::<Status>(&self.node.get(route::STATUS)?)?.offset;
        let (node, is_over, output) = (self.node.clone(), Arc::<AtomicBool>::default(), self.output);
        self.tail = Some(Arc::clone(&is_over));
        self.threads.spawn(move || tail::run(&node, from, &is_over, output));
        Ok(())
    }

    fn end_tail(&self) {
        self.tail.iter().for_each(|is_over| is_over.store(true, Ordering::Relaxed));
    }

    /// Everything that is saved together; `None` if the process is asked to end meanwhile.
    fn saved(&self, file: PathBuf) -> Option<Save> {
        let (mut files, now) = (BTreeSet::from([file]), SystemTime::now());
        while let Ok(news) = self.news.recv_timeout(QUIET) {
            match news {
                News::Changed(file) => drop(files.insert(file)),
                News::AskedToEnd => return None,
            }
        }
        let written = |file: &PathBuf| std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
        let newest = files.iter().filter_map(written).max();
        // A file that says nothing sensible about it, or is gone, changed now.
        let at = newest.filter(|at| *at <= now && now.duration_since(*at).is_ok_and(|age| age < OLDEST)).unwrap_or(now);
        Some(Save { at, files, noticing: at.elapsed().unwrap_or_default() })
    }

    fn reload(&mut self, save: &Save) -> Result<(), Failure> {
        let places: BTreeSet<_> = save.files.iter().flat_map(|file| self.watch.projects_of(file)).collect();
        for place in places {
            // Also the manifest may be another one.
            match Project::open(self.projects[place].directory()) {
                Ok(project) => self.projects[place] = project,
                Err(failure) => {
                    self.output.fail(&failure);
                    continue;
                }
            }
            match self.projects[place].build(None, self.output) {
                Ok(built) => {
                    self.built[place] = built;
                    self.publish(place, save)?;
                }
                Err(failure) => drop(self.output.fail(&failure)),
            }
        }
        self.watch.follow(&self.projects)
    }

    fn publish(&mut self, place: usize, save: &Save) -> Result<(), Failure> {
        let (built, started) = (&self.built[place], Instant::now());
        match bring_in_force(&self.node, built, self.output) {
            Ok(false) => {}
            Ok(true) => self.output.step("live", &which(built), &stages(built, save, started.elapsed())),
            Err(failure) if breaking::is_breaking(&failure) => return self.broken(place, &failure),
            Err(failure) if failure.exit == exit::UNREACHABLE => return Err(failure),
            Err(failure) => drop(self.output.fail(&failure)),
        }
        Ok(())
    }

    /// The data have no place in what was edited.
    fn broken(&mut self, place: usize, failure: &Failure) -> Result<(), Failure> {
        self.output.fail(failure);
        match breaking::choose(self.options.on_break, self.output) {
            Choice::Keep => {}
            Choice::Migrate => match breaking::migration(&self.node, self.projects[place].directory(), self.output) {
                Ok(text) => self.output.note(&text),
                Err(failure) => drop(self.output.fail(&failure)),
            },
            Choice::Replay => self.go_on_from(|data, output, built| breaking::replay(data, &built[place], output))?,
            Choice::Wipe => self.go_on_from(|data, _, _| breaking::wipe(data))?,
        }
        Ok(())
    }

    /// Has `make` put other data in the place of those that there are, and goes on from them; from the old ones if it cannot.
    fn go_on_from(
        &mut self,
        make: impl FnOnce(&Path, &Output, &[Built]) -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        let address = self.server.as_ref().expect("invariant: there is a node").addr();
        self.stop()?;
        match make(self.options.data, self.output, &self.built) {
            Ok(text) => self.output.note(&text),
            Err(failure) => drop(self.output.fail(&failure)),
        }
        self.server = Some(start(self.options, address, self.output)?);
        for built in &self.built {
            if let Err(failure) = bring_in_force(&self.node, built, self.output) {
                self.output.fail(&failure);
            }
        }
        if self.tail.is_some() { self.begin_tail() } else { Ok(()) }
    }

    fn stop(&mut self) -> Result<(), Failure> {
        self.end_tail();
        let Some(server) = self.server.take() else { return Ok(()) };
        server.stop().map_err(|problem| Failure::new(exit::IO, problem))
    }
}

/// How long it took from the save until the module was in force, and where that went.
fn stages(built: &Built, save: &Save, publishing: Duration) -> String {
    let all = save.at.elapsed().unwrap_or_default().as_secs_f64();
    let describing = built.elapsed.saturating_sub(built.compiling);
    let parts =
        [("noticed", save.noticing), ("compiled", built.compiling), ("checked", describing), ("published", publishing)];
    let parts: Vec<_> = parts.iter().map(|(what, time)| format!("{what} {:.2}", time.as_secs_f64())).collect();
    format!("{all:.2} s after the save: {}", parts.join(", "))
}
