//! The debugger: a place in history that is moved in both directions, and everything that can be seen from there.
//!
//! It is a state machine without a terminal: a [`Command`] goes in, an [`Answer`] comes out. It stands
//! *at* a transaction; tables are seen as they are behind it. How far it can go is a range of offsets; within that every move, however it
//! comes about, ends in the same view.
//!
//! *Reading order*: this file, `command`, `answer`, `walk`, `breakpoint`, `calls`.

pub mod answer;
pub mod breakpoint;
pub mod calls;
pub mod command;
mod walk;

use crate::framing::UnpackError;
use crate::history::describe::head;
use crate::history::names;
use crate::moment::{Moment, MomentError, state_at};
use crate::snapshot::load::{LoadError, load_before};
use crate::sql::{Select, unknown_table};
use answer::{Answer, Brief, Changed, Moved, Rows, Stopped};
use breakpoint::{Breakpoint, Breakpoints};
use calls::Rerun;
use command::Command;
use interstice_engine::engine::Engine;
use interstice_engine::limits::Limits;
use interstice_engine::recorded::RecordedError;
use interstice_log::log::CommitLog;
use interstice_log::storage::Storage;
use interstice_store::range::KeyRange;
use interstice_store::table::IndexId;
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use interstice_types::row::RowBytes;
use interstice_types::transaction::Transaction;
use std::io;
use std::ops::Range;
use std::sync::Arc;
pub use walk::{GoesOn, History, MARK_INTERVAL, MAX_SCENES};
use walk::{Scene, Walk};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum DebugError {
    /// What was asked makes no sense there.
    #[error("{0}")]
    Problem(Problem),
    /// The log cannot be read.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// What it records does not fit together.
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    /// There is no state to begin with.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// There is no state at the end.
    #[error(transparent)]
    Moment(#[from] MomentError),
    /// The snapshots cannot be listed.
    #[error("listing the snapshots: {0}")]
    Snapshots(#[source] io::Error),
    /// The log ends before the transaction at an offset that it said it has.
    #[error("the log ends before transaction {offset}")]
    Ended {
        /// Which.
        offset: Offset,
    },
    /// Whoever waited did not any more.
    #[error("it was interrupted")]
    Interrupted,
}

impl DebugError {
    /// Whether what was read was given up meanwhile.
    pub fn is_trimmed(&self) -> bool {
        match self {
            Self::Unpack(error) | Self::Load(LoadError::Unpack(error)) => error.is_trimmed(),
            Self::Load(LoadError::NoBeginning { .. }) => true,
            Self::Moment(error) => error.is_trimmed(),
            _ => false,
        }
    }
}

impl From<Problem> for DebugError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// A debugger on a history.
pub struct Debugger<L: CommitLog, S> {
    walk: Walk<L, S>,
    range: Range<Offset>,
    at: Offset,
    breakpoints: Breakpoints,
    /// The transaction that ran again last.
    rerun: Option<(Offset, Rerun)>,
    /// The state at the end of the range, once somebody asked for it.
    end: Option<Box<Engine>>,
}

impl<L: CommitLog, S: Storage> Debugger<L, S> {
    /// Stands at `moment` of `history`; it is moved within `range`, which is not empty and not outside of the log.
    ///
    /// # Errors
    /// [`DebugError`]; `unknown-offset` if the moment is not in the range.
    ///
    /// # Panics
    /// If the range is empty.
    pub fn new(
        history: History<L, S>,
        range: Range<Offset>,
        moment: Moment,
        goes_on: GoesOn<'_>,
    ) -> Result<Self, DebugError> {
        assert!(!range.is_empty(), "there is a transaction to stand at");
        let (walk, at) = (Walk::new(history, range.start), range.start);
        let mut debugger = Self { walk, range, at, breakpoints: Breakpoints::default(), rerun: None, end: None };
        debugger.go_to(moment, goes_on)?;
        Ok(debugger)
    }

    /// The transaction that it stands at.
    pub fn offset(&self) -> Offset {
        self.at
    }

    /// How far it can be moved.
    pub fn range(&self) -> Range<Offset> {
        self.range.clone()
    }

    /// Transactions that were applied so far: what moving it cost.
    pub fn applied(&self) -> u64 {
        self.walk.applied()
    }

    /// States that are kept: before transactions near by, and marks farther away.
    pub fn kept(&self) -> (usize, usize) {
        self.walk.kept()
    }

    /// The breakpoints that are set, with their numbers.
    pub fn breakpoints(&self) -> Vec<(u32, Breakpoint)> {
        self.breakpoints.list()
    }

    /// Does what is asked. A move that takes long ends where it is, and what is to be shown is not, once `goes_on` says no.
    ///
    /// # Errors
    /// [`DebugError`]; it stands where it stood then.
    pub fn perform(&mut self, command: &Command, goes_on: GoesOn<'_>) -> Result<Answer, DebugError> {
        Ok(match command {
            Command::Step(count) => {
                let last = self.range.end - 1;
                let to = self.at.saturating_add(*count);
                let stopped = if to > last { Stopped::Last } else { Stopped::Arrived };
                self.move_to(to.min(last), stopped, goes_on)?
            }
            Command::Back(count) => {
                let to = self.at.checked_sub(*count).filter(|to| *to >= self.range.start);
                let stopped = if to.is_none() { Stopped::First } else { Stopped::Arrived };
                self.move_to(to.unwrap_or(self.range.start), stopped, goes_on)?
            }
            Command::Goto(moment) => {
                self.go_to(*moment, goes_on)?;
                self.moved(Stopped::Arrived, goes_on)?
            }
            Command::Continue => self.seek(goes_on)?,
            Command::Reverse => self.seek_back(goes_on)?,
            Command::Break(breakpoint) => self.set(breakpoint.clone(), goes_on)?,
            Command::Breaks => Answer::Breakpoints(self.breakpoints.list()),
            Command::Delete(number) => Answer::Breakpoint(*number, self.breakpoints.delete(*number)?),
            Command::Cause => {
                let (transaction, before, _) = self.here(goes_on)?;
                Answer::Cause(head(&transaction, before).into())
            }
            Command::Changes => {
                let (transaction, before, _) = self.here(goes_on)?;
                Answer::Changes(Changed::all(&transaction, before))
            }
            Command::Calls(limit) => {
                self.run_again(goes_on)?;
                self.walk.go(self.at, goes_on)?;
                let (transaction, before, behind) = self.scene();
                Answer::Calls(self.rerun().calls(&transaction, [before, behind], *limit))
            }
            Command::Logs => {
                self.run_again(goes_on)?;
                Answer::Logs(self.rerun().log.clone(), self.rerun().verdict().clone())
            }
            Command::Tables => Answer::Tables(tables_of(self.here(goes_on)?.2)),
            Command::Table(name, limit) => Answer::Rows(rows_of(self.here(goes_on)?.2, name, *limit)?),
            Command::Sql(text) => Answer::Rows(answer_of(self.here(goes_on)?.2, text)?),
            Command::Help => Answer::Help,
        })
    }

    /// The transactions around the one that it stands at: at most `before` in front, and `behind` behind it.
    ///
    /// # Errors
    /// [`DebugError`].
    pub fn around(&mut self, before: u64, behind: u64, goes_on: GoesOn<'_>) -> Result<Vec<Brief>, DebugError> {
        let first = self.at.saturating_sub(before).max(self.range.start);
        let last = self.at.saturating_add(behind).min(self.range.end - 1);
        // The first one first: what comes behind it is added to it.
        self.walk.go(first, goes_on)?;
        self.walk.go(last, goes_on)?;
        // Where each of them changed very much there is no room for all.
        let scenes = (first..=last).filter_map(|offset| self.walk.scene(offset));
        Ok(scenes.map(|scene| Brief::of(&scene.transaction, &scene.before)).collect())
    }

    /// The transaction that it stands at, and the states before and behind it.
    fn here(&mut self, goes_on: GoesOn<'_>) -> Result<(Arc<Transaction>, &Engine, &Engine), DebugError> {
        self.walk.go(self.at, goes_on)?;
        Ok(self.scene())
    }

    /// As [`here`](Self::here), once the walk is there.
    fn scene(&self) -> (Arc<Transaction>, &Engine, &Engine) {
        let expected = "invariant: the walk is there";
        let Scene { before, transaction, .. } = self.walk.scene(self.at).expect(expected);
        (Arc::clone(transaction), before, self.walk.behind(self.at).expect(expected))
    }

    fn moved(&mut self, stopped: Stopped, goes_on: GoesOn<'_>) -> Result<Answer, DebugError> {
        let (transaction, before, _) = self.here(goes_on)?;
        Ok(Answer::Moved(Moved { at: Brief::of(&transaction, before), stopped }))
    }

    fn move_to(&mut self, to: Offset, stopped: Stopped, goes_on: GoesOn<'_>) -> Result<Answer, DebugError> {
        self.walk.go(to, goes_on)?;
        self.at = to;
        self.moved(stopped, goes_on)
    }

    fn go_to(&mut self, moment: Moment, goes_on: GoesOn<'_>) -> Result<(), DebugError> {
        let last = self.range.end - 1;
        let to = match moment {
            Moment::Head => last,
            Moment::Behind(offset) => offset,
            Moment::At(time) => match self.walk.offset_at(time)? {
                Some(offset) => offset.min(last),
                None => return Err(MomentError::Before { moment }.into()),
            },
        };
        if !self.range.contains(&to) {
            let text = format!("offset {to} is outside of what is looked at, {} to {last}", self.range.start);
            let hint = "`goto first` and `goto head` go to its ends; `--from` and `--to` say what is looked at";
            return Err(Problem::new("unknown-offset", text).hint(hint).into());
        }
        self.walk.go(to, goes_on)?;
        self.at = to;
        Ok(())
    }

    fn seek(&mut self, goes_on: GoesOn<'_>) -> Result<Answer, DebugError> {
        self.walk.go(self.at, goes_on)?;
        let (at, hits) = self.walk.seek(self.at, self.range.end, &mut self.breakpoints, goes_on)?;
        self.at = at;
        let stopped = match hits {
            Some(hits) => Stopped::Breakpoints(hits),
            None if at + 1 == self.range.end => Stopped::Last,
            None => Stopped::Interrupted,
        };
        self.moved(stopped, &|| true)
    }

    fn seek_back(&mut self, goes_on: GoesOn<'_>) -> Result<Answer, DebugError> {
        let first = self.range.start;
        let (at, hits) = self.walk.seek_back(self.at, first, &mut self.breakpoints, goes_on)?;
        self.at = at;
        let stopped = match hits {
            Some(hits) => Stopped::Breakpoints(hits),
            None if at == first => Stopped::First,
            None => Stopped::Interrupted,
        };
        self.moved(stopped, &|| true)
    }

    /// What is named must be there where it stands, or at the end.
    fn set(&mut self, breakpoint: Breakpoint, goes_on: GoesOn<'_>) -> Result<Answer, DebugError> {
        self.walk.go(self.at, goes_on)?;
        let here = self.walk.behind(self.at).expect("invariant: the walk is there");
        let number = match self.breakpoints.set(breakpoint.clone(), here) {
            Ok(number) => number,
            // What is not there may come to be.
            Err(problem) if !is_about_names(&problem) => return Err(problem.into()),
            Err(_) => {
                let end = match self.end.take() {
                    Some(end) => end,
                    None => Box::new(self.state_at_end()?),
                };
                let end = self.end.insert(end);
                self.breakpoints.set(breakpoint.clone(), end)?
            }
        };
        Ok(Answer::Breakpoint(number, breakpoint))
    }

    fn state_at_end(&self) -> Result<Engine, DebugError> {
        let History { log, snapshots, loader } = self.walk.history();
        let (start, _) = load_before(log, snapshots, self.range.end, (Arc::clone(loader), Limits::default()))?;
        Ok(state_at(log, start, Moment::Behind(self.range.end - 1))?)
    }

    /// Has the transaction that it stands at run again, unless it just did.
    fn run_again(&mut self, goes_on: GoesOn<'_>) -> Result<(), DebugError> {
        if self.rerun.as_ref().is_none_or(|(offset, _)| *offset != self.at) {
            let (transaction, before, _) = self.here(goes_on)?;
            self.rerun = Some((transaction.offset, Rerun::of(&transaction, before)?));
        }
        Ok(())
    }

    fn rerun(&self) -> &Rerun {
        &self.rerun.as_ref().expect("invariant: it just ran").1
    }
}

/// Whether a problem says that something of that name is not there.
fn is_about_names(problem: &Problem) -> bool {
    matches!(&*problem.code, "unknown-module" | "unknown-function" | "unknown-table" | "unknown-column")
}

/// All tables of modules and of the node, by name.
fn tables_of(state: &Engine) -> Vec<(String, usize)> {
    let tables = state.store().tables();
    let mut tables: Vec<_> =
        tables.map(|table| (names::full(table.module(), &table.schema().name), table.count())).collect();
    tables.sort();
    tables
}

/// The first rows of a table by primary key.
fn rows_of(state: &Engine, name: &str, limit: usize) -> Result<Rows, Problem> {
    let (module, table) = name.split_once('.').unwrap_or((name, ""));
    let found = state.catalog().table(module, table).and_then(|id| state.store().table(id));
    let table = found.ok_or_else(|| unknown_table(name, &state.snapshot()))?;
    let rows: Vec<_> = table.scan(IndexId::PRIMARY, &KeyRange::all(), false).take(limit).map(RowBytes::from).collect();
    let (fields, more) = (table.schema().fields().into(), table.count() - rows.len());
    Ok(Rows { offset: state.next_offset() - 1, fields, rows, more })
}

fn answer_of(state: &Engine, text: &str) -> Result<Rows, Problem> {
    let snapshot = state.snapshot();
    let select = Select::parse(text, &snapshot)?;
    let rows = select.rows(&snapshot)?;
    Ok(Rows { offset: snapshot.next_offset - 1, fields: Arc::clone(select.fields()), rows, more: 0 })
}
