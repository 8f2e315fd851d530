//! What the debugger's screen shows, and what keys do to it. It knows no terminal: keys come in, `draw` looks at it.

use super::dialogue::{Dialogue, Said};
use crate::failure::Failure;
use interstice::debug::GoesOn;
use interstice::debug::answer::Brief;
use interstice::debug::breakpoint::Breakpoint;
use interstice_types::id::Offset;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::ops::Range;
use std::sync::Arc;

/// Transactions that are listed on each side of the one that is looked at.
const AROUND: u64 = 100;
/// Lines that one key scrolls by.
const PAGE: usize = 10;
/// Letters of a line that is typed.
const MAX_TYPED: usize = 16 << 10;

/// What of a transaction is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Cause,
    Changes,
    Calls,
    Logs,
    /// Tables, rows of one, or an answer to SQL.
    Rows,
    /// What was said last, which is none of these.
    Said,
}

impl View {
    /// Those that have a number.
    pub(super) const ALL: [Self; 5] = [Self::Cause, Self::Changes, Self::Calls, Self::Logs, Self::Rows];

    /// Its name on the screen.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cause => "cause",
            Self::Changes => "changes",
            Self::Calls => "calls",
            Self::Logs => "logs",
            Self::Rows => "tables",
            Self::Said => "answer",
        }
    }
}

/// Whether there is more to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    GoesOn,
    Ends,
}

/// The screen.
pub(super) struct Screen<'d> {
    dialogue: Dialogue<'d>,
    pub(super) view: View,
    /// What the view of rows asks.
    rows: String,
    /// What the view shows.
    pub(super) text: String,
    /// The first of its lines that is seen.
    pub(super) scroll: usize,
    /// Transactions around.
    pub(super) list: Vec<Brief>,
    /// What there is to say to what was done last; whether it is a problem.
    pub(super) message: (String, bool),
    /// What is being typed.
    pub(super) typed: Option<String>,
    /// Why not all of the history can be seen.
    pub(super) notice: Option<String>,
}

impl<'d> Screen<'d> {
    /// Shows where `dialogue` stands.
    ///
    /// # Errors
    /// If that cannot be read.
    pub(super) fn new(dialogue: Dialogue<'d>, notice: Option<String>) -> Result<Self, Failure> {
        let mut screen = Self {
            dialogue,
            view: View::Cause,
            rows: "tables".to_owned(),
            text: String::new(),
            scroll: 0,
            list: Vec::new(),
            message: (String::new(), false),
            typed: None,
            notice,
        };
        screen.list = screen.dialogue.around(AROUND, AROUND)?;
        screen.look(&|| true);
        Ok(screen)
    }

    /// The transaction that is looked at.
    pub(super) fn offset(&self) -> Offset {
        self.dialogue.debugger().offset()
    }

    /// What can be looked at.
    pub(super) fn range(&self) -> Range<Offset> {
        self.dialogue.debugger().range()
    }

    /// The breakpoints that are set.
    pub(super) fn breakpoints(&self) -> Vec<(u32, Breakpoint)> {
        self.dialogue.debugger().breakpoints()
    }

    /// Where the history is.
    pub(super) fn place(&self) -> String {
        self.dialogue.place()
    }

    /// Does what a key says. What takes long ends early once `goes_on` says no.
    pub(super) fn press(&mut self, key: KeyEvent, goes_on: GoesOn<'_>) -> Flow {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match (&mut self.typed, key.code) {
            (_, KeyCode::Char('c')) if is_control => return Flow::Ends,
            (Some(_), KeyCode::Esc) => self.typed = None,
            (Some(typed), KeyCode::Backspace) => {
                if typed.pop().is_none() {
                    self.typed = None;
                }
            }
            (Some(_), KeyCode::Enter) => {
                let line = self.typed.take().unwrap_or_default();
                return if line.trim().is_empty() { Flow::GoesOn } else { self.say(&line, goes_on) };
            }
            (Some(typed), KeyCode::Char(letter)) if !is_control && typed.len() < MAX_TYPED => typed.push(letter),
            (Some(_), _) => {}
            (None, code) => return self.press_alone(code, goes_on),
        }
        Flow::GoesOn
    }

    /// A key while nothing is being typed.
    fn press_alone(&mut self, code: KeyCode, goes_on: GoesOn<'_>) -> Flow {
        let line = match code {
            KeyCode::Right | KeyCode::Char('n') => "step",
            KeyCode::Left | KeyCode::Char('p') => "back",
            KeyCode::Char(']') => "step 10",
            KeyCode::Char('[') => "back 10",
            KeyCode::Home | KeyCode::Char('g') => "goto first",
            KeyCode::End | KeyCode::Char('G') => "goto head",
            KeyCode::Char('c') => "continue",
            KeyCode::Char('r') => "reverse",
            KeyCode::Char('?') => "help",
            KeyCode::Char('q') => "quit",
            code => {
                self.press_for_view(code, goes_on);
                return Flow::GoesOn;
            }
        };
        self.say(line, goes_on)
    }

    fn press_for_view(&mut self, code: KeyCode, goes_on: GoesOn<'_>) {
        let last = self.text.lines().count().saturating_sub(1);
        match code {
            KeyCode::Char(':') => self.typed = Some(String::new()),
            KeyCode::Char('b') => self.typed = Some("break ".to_owned()),
            KeyCode::Char('t') => self.typed = Some("table ".to_owned()),
            KeyCode::Char('s') => self.typed = Some("sql ".to_owned()),
            KeyCode::Char(digit @ '1'..='5') => self.show(View::ALL[digit as usize - '1' as usize], goes_on),
            KeyCode::Tab => {
                let number = View::ALL.iter().position(|view| *view == self.view);
                self.show(View::ALL[number.map_or(0, |number| (number + 1) % View::ALL.len())], goes_on);
            }
            KeyCode::Down => self.scroll = (self.scroll + 1).min(last),
            KeyCode::Up => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::PageDown => self.scroll = (self.scroll + PAGE).min(last),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(PAGE),
            _ => {}
        }
    }

    /// Says a line to the debugger, and shows what it answers.
    pub(super) fn say(&mut self, line: &str, goes_on: GoesOn<'_>) -> Flow {
        let said = match self.dialogue.say(line, goes_on) {
            Ok(Some(said)) => said,
            Ok(None) => return Flow::Ends,
            Err(failure) => {
                self.complain(&failure);
                return Flow::GoesOn;
            }
        };
        self.message = (String::new(), false);
        match said.document["answer"].as_str().unwrap_or_default() {
            "moved" => {
                // The first line is in the list.
                let why = said.text.split_once('\n').map_or("", |(_, why)| why);
                self.message.0 = why.replace('\n', ", ");
                match self.dialogue.around(AROUND, AROUND) {
                    Ok(list) => self.list = list,
                    Err(failure) => self.complain(&failure),
                }
                if self.view == View::Said {
                    self.view = View::Cause;
                }
                self.look(goes_on);
            }
            "cause" => self.put(View::Cause, &said),
            "changes" => self.put(View::Changes, &said),
            "calls" => self.put(View::Calls, &said),
            "logs" => self.put(View::Logs, &said),
            "tables" | "rows" => {
                line.trim().clone_into(&mut self.rows);
                self.put(View::Rows, &said);
            }
            _ if !said.text.contains('\n') => self.message.0.clone_from(&said.text),
            _ => self.put(View::Said, &said),
        }
        Flow::GoesOn
    }

    fn show(&mut self, view: View, goes_on: GoesOn<'_>) {
        self.view = view;
        self.look(goes_on);
    }

    fn put(&mut self, view: View, said: &Arc<Said>) {
        (self.view, self.scroll) = (view, 0);
        self.text.clone_from(&said.text);
    }

    /// Shows what the view shows where the debugger stands now.
    fn look(&mut self, goes_on: GoesOn<'_>) {
        let line = match self.view {
            View::Cause => "cause",
            View::Changes => "changes",
            View::Calls => "calls",
            View::Logs => "logs",
            View::Rows => self.rows.as_str(),
            View::Said => return,
        };
        self.scroll = 0;
        self.text = match self.dialogue.say(line, goes_on) {
            Ok(said) => said.map(|said| said.text.clone()).unwrap_or_default(),
            Err(failure) => failure.problem.to_string(),
        };
    }

    /// A problem that fits into a line is said there, else it is shown whole.
    fn complain(&mut self, failure: &Failure) {
        let problem = &failure.problem;
        self.message = (format!("{}: {}", problem.code, problem.message), true);
        if problem.place.is_some() || problem.hint.is_some() {
            (self.view, self.scroll) = (View::Said, 0);
            self.text = problem.to_string();
        }
    }
}
