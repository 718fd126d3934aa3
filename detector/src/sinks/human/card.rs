//! A card as text for a terminal: an incident, a digest, a notice.

use std::fmt::Write as _;

use super::Colour;
use crate::alert::card::{Card, Command, Line, Section};
use crate::alert::escape::{clip, escape};

/// Most characters of a line.
const MOST: usize = 600;

/// The card, with its last newline; every line escaped.
pub fn text(card: &Card, colour: Colour) -> String {
    let Card {
        schema: _,
        about: _,
        id: _,
        revision: _,
        level,
        host: _,
        time: _,
        updated: _,
        title,
        sentence,
        agent: _,
        rules: _,
        tags: _,
        findings: _,
        news,
        sections,
        commands,
    } = card;
    let mut out = String::new();
    let _ = writeln!(out, "{} {}", colour.badge(*level), colour.paint("1", &escape(title)));
    let _ = writeln!(out, "  {}", clip(sentence, 2 * MOST));
    for text in news {
        let _ = writeln!(out, "  {} {}", colour.paint("1", "new"), clip(text, MOST));
    }
    for Section { name, lines } in sections {
        let _ = writeln!(out, "  {}", colour.paint("2", &escape(name)));
        for Line { label, text, code: _ } in lines {
            let _ = match label.is_empty() {
                true => writeln!(out, "    {}", clip(text, MOST)),
                false => writeln!(out, "    {} {}", colour.paint("2", &clip(label, 64)), clip(text, MOST)),
            };
        }
    }
    for Command { what, line } in commands {
        let _ = writeln!(out, "  {} {}", colour.paint("2", &format!("{}:", escape(what))), escape(line));
    }
    out
}
