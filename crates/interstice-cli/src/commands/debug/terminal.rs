//! The debugger in a terminal, which is as it was before when the debugger ends, however it ends.

use super::dialogue::Dialogue;
use super::draw::draw;
use super::screen::{Flow, Screen};
use crate::failure::{Failure, exit};
use interstice_types::problem::Problem;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use std::io;
use std::time::Duration;

/// Runs it until somebody ends it.
pub(super) fn run(dialogue: Dialogue<'_>, notice: Option<String>) -> Result<(), Failure> {
    let mut screen = Screen::new(dialogue, notice)?;
    // From here on a panic gives the terminal back before it says what it is.
    let mut terminal = ratatui::try_init().map_err(|error| failed(&error))?;
    let ended = talk(&mut terminal, &mut screen);
    let restored = ratatui::try_restore();
    ended.and(restored).map_err(|error| failed(&error))
}

fn talk(terminal: &mut DefaultTerminal, screen: &mut Screen<'_>) -> io::Result<()> {
    loop {
        // Also when its size is another one: it is drawn to fit.
        terminal.draw(|frame| draw(screen, frame))?;
        let Event::Key(key) = event::read()? else { continue };
        if key.kind != KeyEventKind::Release && screen.press(key, &is_waited_for) == Flow::Ends {
            return Ok(());
        }
    }
}

/// Whether nobody has pressed Escape or ctrl-c since the last look. Other keys are not kept for later: who pressed them saw nothing happen.
fn is_waited_for() -> bool {
    while event::poll(Duration::ZERO).unwrap_or(false) {
        let Ok(Event::Key(key)) = event::read() else { continue };
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if key.code == KeyCode::Esc || (is_control && key.code == KeyCode::Char('c')) {
            return false;
        }
    }
    true
}

fn failed(error: &io::Error) -> Failure {
    Failure::new(exit::IO, Problem::new("io", format!("the terminal: {error}")))
}
