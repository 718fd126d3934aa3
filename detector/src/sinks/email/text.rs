//! A card as plain text.

use std::fmt::Write as _;

use crate::alert::card::{Card, Command, Line, Section};
use crate::alert::escape::{clip, escape};

/// Most characters of a line.
pub(super) const LINE_MOST: usize = 1_000;
/// Most lines of a section.
pub(super) const LINES_MOST: usize = 200;
/// Most news.
pub(super) const NEWS_MOST: usize = 20;
/// Bytes after which no section is begun and none goes on: mail programs cut what is longer than some 100 KB.
pub(super) const MOST: usize = 48 << 10;

/// The text of a mail.
pub(super) fn render(card: &Card) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}\n{}\n", headline(card), clip(&card.sentence, LINE_MOST));
    if !card.news.is_empty() {
        let _ = writeln!(out, "NEW");
        for news in card.news.iter().take(NEWS_MOST) {
            let _ = writeln!(out, "  * {}", clip(news, LINE_MOST));
        }
        left_out(&mut out, card.news.len(), NEWS_MOST, card);
        out.push('\n');
    }
    for Section { name, lines } in &card.sections {
        if out.len() > MOST {
            let _ = writeln!(out, "{}\n", rest(card));
            break;
        }
        let _ = writeln!(out, "{}", clip(name, LINE_MOST).to_uppercase());
        for Line { label, text, code: _ } in lines.iter().take(LINES_MOST) {
            if out.len() > MOST {
                break;
            }
            let label =
                if label.is_empty() { String::new() } else { format!("{}  ", clip(label, LINE_MOST)) };
            let _ = writeln!(out, "  {label}{}", clip(text, LINE_MOST));
        }
        left_out(&mut out, lines.len(), LINES_MOST, card);
        out.push('\n');
    }
    for Command { what, line } in &card.commands {
        let _ = writeln!(out, "{}:\n  {}", clip(what, LINE_MOST), clip(line, LINE_MOST));
    }
    let _ = writeln!(out, "\n-- \n{}", footer(card));
    out
}

fn left_out(out: &mut String, count: usize, most: usize, card: &Card) {
    if let Some(text) = more(count, most, card) {
        let _ = writeln!(out, "  {text}");
    }
}

/// What is said where lines are left out.
pub(super) fn more(count: usize, most: usize, card: &Card) -> Option<String> {
    let more = count.checked_sub(most).filter(|more| *more > 0)?;
    Some(format!("… {more} more: detector explain {}", escape(&card.id)))
}

/// What is said where the mail is long enough.
pub(super) fn rest(card: &Card) -> String {
    format!("… and more: detector explain {}", escape(&card.id))
}

/// Level and title.
pub(super) fn headline(card: &Card) -> String {
    format!("{}: {}", card.level.name().to_uppercase(), clip(&card.title, LINE_MOST))
}

/// Where and when, and what it is called.
pub(super) fn footer(card: &Card) -> String {
    let findings =
        if card.findings == 1 { "1 finding".to_owned() } else { format!("{} findings", card.findings) };
    let (id, host, time) = (escape(&card.id), clip(&card.host, LINE_MOST), escape(&card.updated));
    format!("{id} on {host}, {findings}, as of {time}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::email::compose::tests::card;

    #[test]
    fn the_text_has_every_part_of_the_card() {
        expect_test::expect![[r"
            HIGH: Known miner executed
            coder ran <xmrig> & more

            NEW
              * it connected to pool:3333

            EVIDENCE
              10:20:30  /tmp/<script>alert(1)</script>

            look closer:
              detector explain 01HF7YAT00QW5V9ZK8TD4M2C3R

            -- 
            01HF7YAT00QW5V9ZK8TD4M2C3R on node-1, 3 findings, as of 2026-03-02T10:21:00.000000000Z
        "]]
        .assert_eq(&render(&card()));
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let mut card = card();
        card.sections[0].lines = vec![card.sections[0].lines[0].clone(); LINES_MOST + 7];
        assert!(render(&card).contains("  … 7 more: detector explain 01HF"));
    }
}
