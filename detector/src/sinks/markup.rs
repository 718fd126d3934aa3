//! Text that is shown as it is in chat windows: what a channel could take for markup, a link or a call is shown as code.
//!
//! Escapes differ from channel to channel, and what becomes a link or a call without any markup (`@name`, `www.x.y`,
//! `#tag`, `/command`) often has none. Code is literal everywhere, and paths and commands read well in it.

use std::borrow::Cow;

use super::outline;
use super::{Body, Message};
use crate::alert::card::{self, Card, Line};
use crate::alert::incident::Incident;
use crate::alert::{Alert, Level};

/// Most digits of a number that is no telephone's.
const DIGITS: usize = 6;
/// What stands for a grave accent in code, which it would end.
const GRAVE: &str = "ˋ";

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Words, blanks and the punctuation of sentences: no channel sees anything else in it.
    Plain(&'a str),
    /// Anything else.
    Code(&'a str),
}

/// Takes a text of one line apart; put together, the pieces are the text without the blanks around it.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let text = text.trim();
    let mut out = Vec::new();
    // Where the piece begins that is not yet put out, and whether it is code.
    let (mut from, mut is_code) = (0, false);
    let mut at = 0;
    for word in text.split_inclusive(' ') {
        let core = word.trim_end().trim_end_matches([',', ';', '.', '!', '?', ':', ')', '"', '\'']);
        let core = core.trim_start_matches(['(', '"', '\'']);
        let is_plain = is_plain(core, word);
        let start = at + word.find(core).unwrap_or(0);
        let end = start + core.len();
        // Code goes on over a blank, but not over the punctuation around it.
        let goes_on =
            is_code && !is_plain && start == at && text.get(..at).is_some_and(|text| text.ends_with(' '));
        if !goes_on && is_code {
            let stop = text.get(from..at).map_or(at, |code| from + code.trim_end().len());
            push(&mut out, text, from, stop, true);
            (from, is_code) = (stop, false);
        }
        if !is_plain {
            if !is_code {
                push(&mut out, text, from, start, false);
                (from, is_code) = (start, true);
            }
            if word.trim_end().len() > end - at {
                push(&mut out, text, from, end, true);
                (from, is_code) = (end, false);
            }
        }
        at += word.len();
    }
    push(&mut out, text, from, text.len(), is_code);
    out
}

fn push<'a>(out: &mut Vec<Piece<'a>>, text: &'a str, from: usize, to: usize, is_code: bool) {
    match text.get(from..to) {
        None | Some("") => {}
        Some(code) if is_code => out.push(Piece::Code(code)),
        Some(plain) => out.push(Piece::Plain(plain)),
    }
}

/// Whether a word, without the punctuation around it, is one to every channel.
fn is_plain(core: &str, word: &str) -> bool {
    let is_numbered = word.trim_end().ends_with(['.', ')'])
        && !core.is_empty()
        && core.chars().all(|character| character.is_ascii_digit());
    let inner = |character: char| {
        character.is_alphanumeric() || matches!(character, '-' | ',' | '\'' | '’' | '%' | '…')
    };
    !is_numbered
        && !core.starts_with(['-', '%', ','])
        && core.chars().all(inner)
        && core.chars().filter(char::is_ascii_digit).count() <= DIGITS
}

/// A text of one line in Markdown, as Discord and Mattermost read it. It must not stand at the start of a line where
/// it is empty or the line is to be more than a paragraph.
pub(super) fn markdown(text: &str) -> String {
    let of_piece = |piece: Piece<'_>| match piece {
        Piece::Plain(plain) => plain.to_owned(),
        Piece::Code(code) => span(code),
    };
    pieces(text).into_iter().map(of_piece).collect()
}

/// Code within a line of Markdown; nothing where there is none.
pub(super) fn span(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!("`{}`", text.replace('`', GRAVE)) }
}

/// Everything of a card but its headline and its footer, as Markdown.
pub(super) fn body(card: &Card) -> String {
    let mut out = vec![markdown(&card.sentence), markdown(&outline::place(card))];
    let begin = |out: &mut Vec<String>, name: &str| {
        out.push(String::new());
        out.push(name_of(name));
    };
    if !card.news.is_empty() {
        begin(&mut out, "New");
        out.extend(card.news.iter().map(|news| format!("• {}", markdown(news))));
    }
    for section in &card.sections {
        begin(&mut out, &section.name);
        out.extend(section.lines.iter().map(line));
    }
    if !card.commands.is_empty() {
        begin(&mut out, "Commands");
        for command in &card.commands {
            out.push(format!("• {}", markdown(&command.what)));
            // Three in a row would end the block; one alone may be part of the command.
            out.push(format!("```\n{}\n```", command.line.replace("```", "ˋˋˋ")));
        }
    }
    out.join("\n")
}

/// The name of a section: bold, where it is made of words.
fn name_of(name: &str) -> String {
    match &*pieces(name) {
        [Piece::Plain(plain)] => format!("**{plain}**"),
        _ => markdown(name),
    }
}

fn line(shown: &Line) -> String {
    let Line { label, text, code } = shown;
    let label = if label.is_empty() { "•".to_owned() } else { span(label) };
    let text = if *code { span(text) } else { markdown(text) };
    format!("{label} {text}")
}

/// How long a text is to services that count in UTF-16; to others it is no longer.
pub(super) fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// What `render` makes of a text, or of the longest start of it that makes no more than `most`.
pub(super) fn shortened(text: &str, most: usize, render: impl Fn(&str) -> String) -> String {
    let mut keep = most;
    loop {
        let rendered = render(&outline::limit(text, keep));
        if length(&rendered) <= most || keep == 0 {
            return rendered;
        }
        keep = keep * 3 / 4;
    }
}

/// The colour of a level: red, green and blue.
pub(super) fn colour(level: Level) -> u32 {
    match level {
        Level::Critical => 0x00b4_2318,
        Level::High => 0x00e0_6c00,
        Level::Medium => 0x00d9_a400,
        Level::Low => 0x0036_7bc1,
        Level::Informational => 0x0077_7f8a,
    }
}

/// A character that shows a level.
pub(super) fn sign(level: Level) -> &'static str {
    match level {
        Level::Critical => "🔴",
        Level::High => "🟠",
        Level::Medium => "🟡",
        Level::Low => "🔵",
        Level::Informational => "⚪",
    }
}

/// The card of a message. An alert, which sinks for people are not given, becomes one.
pub(super) fn card_of<'a>(message: &Message<'a>) -> Cow<'a, Card> {
    match message.body {
        Body::Card(card) => Cow::Borrowed(card),
        Body::Alert(alert) => Cow::Owned(of_alert(alert)),
    }
}

fn of_alert(alert: &Alert) -> Card {
    let incident = Incident {
        id: alert.incident.clone(),
        revision: 1,
        host: alert.host.clone(),
        level: alert.level,
        began: alert.time.clone(),
        last: alert.time.clone(),
        agent: alert.agent.clone(),
        alerts: vec![alert.clone()],
        total: 1,
        findings: alert.count,
        acknowledged: None,
    };
    card::incident(&incident, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        markdown(text)
    }

    #[test]
    fn words_stay_words_and_everything_else_is_code() {
        assert_eq!(
            shown("Agent training executed /tmp/xmrig, a known miner."),
            "Agent training executed `/tmp/xmrig`, a known miner."
        );
        assert_eq!(shown("ran (as root) \"rm -rf /\"!"), "ran (as root) \"rm `-rf /`\"!");
        assert_eq!(shown("80% of 100,000 files, don't-care: yes"), "80% of 100,000 files, don't-care: yes");
        assert_eq!(shown("@everyone @here look"), "`@everyone @here` look");
        assert_eq!(
            shown("[x](http://evil.example) www.evil.example"),
            "`[x](http://evil.example`) `www.evil.example`"
        );
        assert_eq!(shown("a ` b"), "a `ˋ` b");
        assert_eq!(shown("call +1-212-555-0123 or 12125550123"), "call `+1-212-555-0123` or `12125550123`");
        assert_eq!(shown("# head"), "`#` head");
        assert_eq!(shown("1. item"), "`1`. item");
        assert_eq!(shown("  - item  "), "`-` item");
        assert_eq!(shown(""), "");
    }

    /// A small generator, so that the same texts come each time.
    fn texts() -> impl Iterator<Item = String> {
        let alphabet: Vec<char> = "ab1 9 .,:;!?()[]{}<>@#*_~`|/\\'\"-+=$%&\u{fe0f}é字^ \t".chars().collect();
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            usize::try_from(seed >> 33).unwrap()
        };
        (0..20_000).map(move |_| (0..next() % 24).map(|_| alphabet[next() % alphabet.len()]).collect())
    }

    #[test]
    fn pieces_put_together_are_the_text_and_plain_ones_hold_nothing_odd() {
        for text in texts() {
            let all: String = pieces(&text)
                .into_iter()
                .map(|piece| match piece {
                    Piece::Plain(plain) => {
                        assert!(
                            !plain.contains([
                                '`', '*', '_', '~', '<', '>', '[', ']', '@', '#', '/', '\\', '|', '$', '&',
                                '=', '+', '^', '{'
                            ]),
                            "{text:?}: {plain:?}"
                        );
                        plain
                    }
                    Piece::Code(code) => code,
                })
                .collect();
            assert_eq!(all, text.trim(), "{text:?}");
            let shown = markdown(&text);
            assert_eq!(shown.matches('`').count() % 2, 0, "{shown:?}");
            assert!(!shown.contains("``"), "{text:?}: {shown:?}");
        }
    }
}
