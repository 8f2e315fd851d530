//! How the debugger's screen looks: transactions on the one side, what one of them is on the other; beside each other where there is room.

use super::screen::{Screen, View};
use interstice::debug::answer::Brief;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};

/// Below this many columns the two are above each other.
const WIDE: u16 = 100;
/// Lines of the list then, its frame among them.
const LIST_HEIGHT: u16 = 9;

/// What keys do.
const KEYS: &str = "→ step  ← back  c continue  r reverse  : command  ? help  q quit  1-5 view  ↑↓ scroll  b break  t table  \
                    s sql  g first  G head  ] [ by 10";

/// Draws `screen`.
pub(super) fn draw(screen: &Screen<'_>, frame: &mut Frame<'_>) {
    let rows = [Constraint::Length(1), Constraint::Min(0), Constraint::Length(1), Constraint::Length(1)];
    let [title, body, message, keys] = Layout::vertical(rows).areas(frame.area());
    frame.render_widget(Paragraph::new(title_line(screen)), title);
    let (list, view) = if body.width >= WIDE {
        let [list, view] = Layout::horizontal([Constraint::Percentage(42), Constraint::Percentage(58)]).areas(body);
        (list, view)
    } else {
        let [list, view] = Layout::vertical([Constraint::Length(LIST_HEIGHT), Constraint::Min(0)]).areas(body);
        (list, view)
    };
    draw_list(screen, frame, list);
    draw_view(screen, frame, view);
    draw_message(screen, frame, message);
    let style = Style::new().add_modifier(Modifier::DIM);
    frame.render_widget(Paragraph::new(Span::styled(KEYS, style)), keys);
}

fn title_line(screen: &Screen<'_>) -> Line<'static> {
    let range = screen.range();
    let place = format!(" {}  at {} of {} to {} ", screen.place(), screen.offset(), range.start, range.end - 1);
    let mut parts = vec![Span::styled(place, Style::new().add_modifier(Modifier::REVERSED))];
    match screen.breakpoints().len() {
        0 => {}
        1 => parts.push(Span::raw("  1 breakpoint")),
        set => parts.push(Span::raw(format!("  {set} breakpoints"))),
    }
    if let Some(notice) = &screen.notice {
        parts.push(Span::styled(format!("  only what stands before the damage: {notice}"), problem()));
    }
    Line::from(parts)
}

fn problem() -> Style {
    Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
}

fn draw_list(screen: &Screen<'_>, frame: &mut Frame<'_>, area: Rect) {
    let block = Block::new().borders(Borders::ALL).title(" transactions ");
    let height = usize::from(block.inner(area).height);
    let at = screen.offset().to_string();
    let here = screen.list.iter().position(|brief| brief.offset == at).unwrap_or(0);
    // The one that is looked at is in the middle, unless an end of the list is near.
    let first = here.saturating_sub(height / 2).min(screen.list.len().saturating_sub(height));
    let width = screen.list.iter().map(|brief| brief.offset.len()).max().unwrap_or(0);
    let lines = screen.list.iter().skip(first).take(height).map(|brief| list_line(brief, brief.offset == at, width));
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()).block(block), area);
}

fn list_line(brief: &Brief, is_here: bool, width: usize) -> Line<'static> {
    let call: String = brief.call.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect();
    let outcome = if brief.outcome == "ok" { String::new() } else { format!(" {}", brief.outcome) };
    let mark = if is_here { "▶" } else { " " };
    let text = format!("{mark}{:>width$} {:<2}{outcome} {call}", brief.offset, format!("±{}", brief.rows));
    let style = match (is_here, brief.outcome) {
        (true, _) => Style::new().add_modifier(Modifier::REVERSED),
        (false, "ok") => Style::new(),
        (false, _) => Style::new().fg(Color::Red),
    };
    Line::styled(text, style)
}

fn draw_view(screen: &Screen<'_>, frame: &mut Frame<'_>, area: Rect) {
    let mut title = vec![Span::raw(" ")];
    for (number, view) in View::ALL.into_iter().enumerate() {
        let is_shown = view == screen.view;
        let style = if is_shown { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        title.extend([Span::styled(format!("{} {}", number + 1, view.name()), style), Span::raw("  ")]);
    }
    if screen.view == View::Said {
        title.push(Span::styled(View::Said.name(), Style::new().add_modifier(Modifier::REVERSED)));
        title.push(Span::raw(" "));
    }
    let block = Block::new().borders(Borders::ALL).title(Line::from(title));
    let lines = screen.text.lines().skip(screen.scroll).map(view_line);
    let text = Text::from(lines.collect::<Vec<_>>());
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }).block(block), area);
}

/// What is not as recorded must not be overlooked.
fn view_line(line: &str) -> Line<'_> {
    let style = match line {
        line if line.starts_with("NOT AS RECORDED") => problem(),
        line if line.starts_with("+ ") => Style::new().fg(Color::Green),
        line if line.starts_with("- ") => Style::new().fg(Color::Red),
        line if line.starts_with("~ ") => Style::new().fg(Color::Yellow),
        _ => Style::new(),
    };
    Line::styled(line, style)
}

fn draw_message(screen: &Screen<'_>, frame: &mut Frame<'_>, area: Rect) {
    if let Some(typed) = &screen.typed {
        let line = Line::from(format!(":{typed}"));
        let width = line.width() as u16;
        // The end of a long line is seen.
        let hidden = (width + 1).saturating_sub(area.width);
        frame.render_widget(Paragraph::new(line).scroll((0, hidden)), area);
        frame.set_cursor_position(Position::new(area.x + width - hidden.min(width), area.y));
        return;
    }
    let (text, is_problem) = &screen.message;
    let style = if *is_problem { problem() } else { Style::new() };
    frame.render_widget(Paragraph::new(Span::styled(text.as_str(), style)), area);
}

#[cfg(test)]
mod tests {
    use super::super::dialogue::Dialogue;
    use super::super::screen::Flow;
    use super::*;
    use crate::directory::{Directory, loader};
    use expect_test::{Expect, expect};
    use interstice::debug::{Debugger, History};
    use interstice::moment::Moment;
    use interstice_log::log::CommitLog;
    use interstice_types::id::Offset;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use std::path::Path;

    /// A history that is the same for ever.
    fn directory() -> Directory {
        Directory::open(Path::new("../../fixtures/log-v1")).unwrap()
    }

    fn screen(directory: &Directory, at: Offset) -> Screen<'_> {
        let log = directory.log().unwrap();
        let end = log.tail().next_offset;
        let history = History { snapshots: directory.snapshots(&log), log, loader: loader().unwrap() };
        let debugger = Debugger::new(history, 0..end, Moment::Behind(at), &|| true).unwrap();
        Screen::new(Dialogue::new(debugger, directory), None).unwrap()
    }

    fn shown(screen: &Screen<'_>, (width, height): (u16, u16)) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(screen, frame)).unwrap();
        terminal.backend().to_string()
    }

    fn press(screen: &mut Screen<'_>, keys: &str) {
        for key in keys.chars() {
            let code = match key {
                '→' => KeyCode::Right,
                '←' => KeyCode::Left,
                '↓' => KeyCode::Down,
                '⏎' => KeyCode::Enter,
                '⇥' => KeyCode::Tab,
                '⎋' => KeyCode::Esc,
                letter => KeyCode::Char(letter),
            };
            assert_eq!(screen.press(KeyEvent::new(code, KeyModifiers::NONE), &|| true), Flow::GoesOn, "{key}");
        }
    }

    fn check(screen: &Screen<'_>, size: (u16, u16), expected: &Expect) {
        expected.assert_eq(&shown(screen, size));
    }

    #[test]
    fn a_wide_screen_has_the_list_beside_the_view() {
        let directory = directory();
        let mut screen = screen(&directory, 6);
        check(
            &screen,
            (120, 20),
            &expect![[r#"
                " data directory `../../fixtures/log-v1`  at 6 of 0 to 19                                                                "
                "┌ transactions ──────────────────────────────────┐┌ 1 cause  2 changes  3 calls  4 logs  5 tables  ────────────────────┐"
                "│  0 ±0 genesis                                  ││offset    6                                                         │"
                "│  1 ±5 publish kinds                            ││time      2026-11-25T18:05:40.457603Z                               │"
                "│  2 ±1 kinds.put(name="first")                  ││cause     call                                                      │"
                "│  3 ±2 event kinds.on_put                       ││function  kinds.resize                                              │"
                "│  4 ±1 kinds.put(name="second")                 ││args      {"id":"1","size":5}                                       │"
                "│  5 ±2 event kinds.on_put                       ││caller                                                              │"
                "│▶ 6 ±1 kinds.resize(id=1, size=5)               ││58ab843a5a6597cbf4058fd9f3f3cd847c6ecb5c5a88de48d3d1c681f8edc2a4    │"
                "│  7 ±2 event kinds.on_resize                    ││outcome   ok                                                        │"
                "│  8 ±1 kinds.resize(id=1, size=3)               ││value     true                                                      │"
                "│  9 ±2 event kinds.on_resize                    ││digest    c8d7288c89e2254f429f9a1570c1918e                          │"
                "│ 10 ±1 kinds.take(id=2)                         ││fuel      1309                                                      │"
                "│ 11 ±2 event kinds.on_take                      ││                                                                    │"
                "│ 12 ±1 kinds.forget(what="second")              ││                                                                    │"
                "│ 13 ±1 kinds.put(name="trap")                   ││                                                                    │"
                "│ 14 ±2 trapped event kinds.on_put               ││                                                                    │"
                "└────────────────────────────────────────────────┘└────────────────────────────────────────────────────────────────────┘"
                "                                                                                                                        "
                "→ step  ← back  c continue  r reverse  : command  ? help  q quit  1-5 view  ↑↓ scroll  b break  t table  s sql  g first "
            "#]],
        );
        press(&mut screen, "→2");
        check(
            &screen,
            (120, 20),
            &expect![[r#"
                " data directory `../../fixtures/log-v1`  at 7 of 0 to 19                                                                "
                "┌ transactions ──────────────────────────────────┐┌ 1 cause  2 changes  3 calls  4 logs  5 tables  ────────────────────┐"
                "│  0 ±0 genesis                                  ││+ kinds.heard grown  what=grown, times=1                            │"
                "│  1 ±5 publish kinds                            ││~ interstice.event_cursor 0  of 4 → 6, change 1 → 0, subscriber 0 → │"
                "│  2 ±1 kinds.put(name="first")                  ││1                                                                   │"
                "│  3 ±2 event kinds.on_put                       ││                                                                    │"
                "│  4 ±1 kinds.put(name="second")                 ││                                                                    │"
                "│  5 ±2 event kinds.on_put                       ││                                                                    │"
                "│  6 ±1 kinds.resize(id=1, size=5)               ││                                                                    │"
                "│▶ 7 ±2 event kinds.on_resize                    ││                                                                    │"
                "│  8 ±1 kinds.resize(id=1, size=3)               ││                                                                    │"
                "│  9 ±2 event kinds.on_resize                    ││                                                                    │"
                "│ 10 ±1 kinds.take(id=2)                         ││                                                                    │"
                "│ 11 ±2 event kinds.on_take                      ││                                                                    │"
                "│ 12 ±1 kinds.forget(what="second")              ││                                                                    │"
                "│ 13 ±1 kinds.put(name="trap")                   ││                                                                    │"
                "│ 14 ±2 trapped event kinds.on_put               ││                                                                    │"
                "└────────────────────────────────────────────────┘└────────────────────────────────────────────────────────────────────┘"
                "                                                                                                                        "
                "→ step  ← back  c continue  r reverse  : command  ? help  q quit  1-5 view  ↑↓ scroll  b break  t table  s sql  g first "
            "#]],
        );
        press(&mut screen, "3");
        check(
            &screen,
            (120, 20),
            &expect![[r#"
                " data directory `../../fixtures/log-v1`  at 7 of 0 to 19                                                                "
                "┌ transactions ──────────────────────────────────┐┌ 1 cause  2 changes  3 calls  4 logs  5 tables  ────────────────────┐"
                "│  0 ±0 genesis                                  ││run again, as recorded                                              │"
                "│  1 ±5 publish kinds                            ││kinds.on_resize                                                     │"
                "│  2 ±1 kinds.put(name="first")                  ││{"new":{"id":"1","name":"first","size":5},"old":{"id":"1","name":"fi│"
                "│  3 ±2 event kinds.on_put                       ││rst","size":null}}                                                  │"
                "│  4 ±1 kinds.put(name="second")                 ││  0 get kinds.heard, key grown → null  fuel 1126                    │"
                "│  5 ±2 event kinds.on_put                       ││  1 get kinds.heard, key grown → null  fuel 674                     │"
                "│  6 ±1 kinds.resize(id=1, size=5)               ││  2 insert kinds.heard, row {"times":"1","what":"grown"} →          │"
                "│▶ 7 ±2 event kinds.on_resize                    ││{"times":"1","what":"grown"}  fuel 201                              │"
                "│  8 ±1 kinds.resize(id=1, size=3)               ││ok  fuel 246                                                        │"
                "│  9 ±2 event kinds.on_resize                    ││                                                                    │"
                "│ 10 ±1 kinds.take(id=2)                         ││                                                                    │"
                "│ 11 ±2 event kinds.on_take                      ││                                                                    │"
                "│ 12 ±1 kinds.forget(what="second")              ││                                                                    │"
                "│ 13 ±1 kinds.put(name="trap")                   ││                                                                    │"
                "│ 14 ±2 trapped event kinds.on_put               ││                                                                    │"
                "└────────────────────────────────────────────────┘└────────────────────────────────────────────────────────────────────┘"
                "                                                                                                                        "
                "→ step  ← back  c continue  r reverse  : command  ? help  q quit  1-5 view  ↑↓ scroll  b break  t table  s sql  g first "
            "#]],
        );
    }

    #[test]
    fn a_narrow_screen_has_the_list_above_the_view() {
        let directory = directory();
        let mut screen = screen(&directory, 6);
        press(&mut screen, "t");
        check(
            &screen,
            (60, 18),
            &expect![[r#"
                " data directory `../../fixtures/log-v1`  at 6 of 0 to 19    "
                "┌ transactions ────────────────────────────────────────────┐"
                "│  3 ±2 event kinds.on_put                                 │"
                "│  4 ±1 kinds.put(name="second")                           │"
                "│  5 ±2 event kinds.on_put                                 │"
                "│▶ 6 ±1 kinds.resize(id=1, size=5)                         │"
                "│  7 ±2 event kinds.on_resize                              │"
                "│  8 ±1 kinds.resize(id=1, size=3)                         │"
                "│  9 ±2 event kinds.on_resize                              │"
                "└──────────────────────────────────────────────────────────┘"
                "┌ 1 cause  2 changes  3 calls  4 logs  5 tables  ──────────┐"
                "│offset    6                                               │"
                "│time      2026-11-25T18:05:40.457603Z                     │"
                "│cause     call                                            │"
                "│function  kinds.resize                                    │"
                "└──────────────────────────────────────────────────────────┘"
                ":table                                                      "
                "→ step  ← back  c continue  r reverse  : command  ? help  q "
            "#]],
        );
        press(&mut screen, "kinds.item 1⏎G");
        check(
            &screen,
            (60, 18),
            &expect![[r#"
                " data directory `../../fixtures/log-v1`  at 19 of 0 to 19   "
                "┌ transactions ────────────────────────────────────────────┐"
                "│ 13 ±1 kinds.put(name="trap")                             │"
                "│ 14 ±2 trapped event kinds.on_put                         │"
                "│ 15 ±1 kinds.put(name="reject")                           │"
                "│ 16 ±2 rejected event kinds.on_put                        │"
                "│ 17 ±2 publish kinds                                      │"
                "│ 18 ±1 kinds.put(name="01234567890123456789012345678901234│"
                "│▶19 ±2 event kinds.on_put                                 │"
                "└──────────────────────────────────────────────────────────┘"
                "┌ 1 cause  2 changes  3 calls  4 logs  5 tables  ──────────┐"
                "│id  name   size  colour                                   │"
                "│1   first  3     plain                                    │"
                "│3 more                                                    │"
                "│                                                          │"
                "└──────────────────────────────────────────────────────────┘"
                "                                                            "
                "→ step  ← back  c continue  r reverse  : command  ? help  q "
            "#]],
        );
    }

    #[test]
    fn what_is_said_is_answered_on_the_screen() {
        let directory = directory();
        let mut screen = screen(&directory, 0);
        press(&mut screen, "btable kinds.heard⏎");
        assert_eq!(screen.message, ("breakpoint 1: table kinds.heard".to_owned(), false));
        press(&mut screen, "c");
        assert_eq!((screen.offset(), &*screen.message.0), (1, "breakpoint 1: table kinds.heard"));
        press(&mut screen, "c");
        assert_eq!((screen.offset(), &*screen.message.0), (3, "breakpoint 1: table kinds.heard"));
        assert!(shown(&screen, (120, 20)).contains("  1 breakpoint "));
        press(&mut screen, "rr");
        assert_eq!((screen.offset(), &*screen.message.0), (0, "there is nothing before it"));
        press(&mut screen, ":goto 99⏎");
        assert_eq!((screen.offset(), screen.message.1), (0, true));
        press(&mut screen, "ssele⎋");
        assert_eq!(screen.typed, None);
        press(&mut screen, ":sql select what from kinds.heard where tmes = 1⏎");
        assert!(shown(&screen, (120, 20)).contains("^^^^"), "{}", shown(&screen, (120, 20)));
        press(&mut screen, "G5⇥?");
        assert!(shown(&screen, (120, 30)).contains("break key MODULE.TABLE KEY"));
        assert_eq!(screen.press(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE), &|| true), Flow::Ends);
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        press(&mut screen, ":half a li");
        assert_eq!(screen.press(control_c, &|| true), Flow::Ends);
    }

    #[test]
    fn no_size_is_too_small_and_no_key_too_strange() {
        let directory = directory();
        let mut screen = screen(&directory, 9);
        for (number, keys) in
            ["→", "3", "↓↓↓", "[", "⇥", "5", "]", "?", "↓", ":x", "⎋", "r", "c", "4", "é"].iter().enumerate()
        {
            press(&mut screen, keys);
            for size in [(1, 1), (2, 3), (99, 4), (100, 4), (40, 200), (300, number as u16 + 1)] {
                shown(&screen, size);
            }
        }
    }
}
