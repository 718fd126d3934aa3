//! Cards cut to what a channel takes, and as plain text: long lines are cut first, then long sections, and what was cut
//! says where the whole is.

use std::borrow::Cow;

use crate::alert::card::{About, Card, Command, Line, Section};
use crate::alert::escape::escape;

/// How a card is cut, from hardly to severely: most characters of a text, most lines of a section.
const STEPS: &[(usize, usize)] = &[
    (4_000, 400),
    (2_000, 200),
    (1_000, 100),
    (500, 60),
    (300, 40),
    (200, 25),
    (150, 15),
    (100, 10),
    (80, 5),
    (60, 3),
    (40, 1),
    (40, 0),
];
/// Most sections, and most commands.
const SECTIONS: usize = 30;
const COMMANDS: usize = 10;
/// Most characters of a name: of a section, an agent, a host, a label.
const NAME: usize = 80;
/// Most characters of a title.
const TITLE: usize = 200;
/// A command is left out where it is longer: half of it must not be pasted.
const COMMAND: usize = 1_000;

/// What `render` makes of the card, of a shorter one where `size` finds that to be more than `most`.
pub(super) fn fit<T>(card: &Card, most: usize, render: impl Fn(&Card) -> T, size: impl Fn(&T) -> usize) -> T {
    let mut rendered = render(&cut(card, 4_000, 400));
    for (characters, lines) in STEPS.iter().skip(1) {
        if size(&rendered) <= most {
            break;
        }
        rendered = render(&cut(card, *characters, *lines));
    }
    rendered
}

/// The card with no text longer than `characters` and no section longer than `lines`.
fn cut(card: &Card, characters: usize, lines: usize) -> Card {
    let mut lost = card.sections.len() > SECTIONS;
    let mut short = |text: &str, most: usize| {
        let kept = limit(text, most);
        lost |= kept.ends_with('…') && !text.ends_with('…');
        kept
    };
    let mut out = Card {
        title: short(&card.title, TITLE.min(characters)),
        sentence: short(&card.sentence, characters.max(100)),
        host: short(&card.host, NAME),
        agent: card.agent.as_deref().map(|agent| short(agent, NAME)),
        rules: card.rules.iter().take(10).map(|rule| limit(rule, NAME)).collect(),
        tags: card.tags.iter().take(20).map(|tag| limit(tag, 50)).collect(),
        news: card.news.iter().take(lines.max(1)).map(|news| short(news, characters)).collect(),
        commands: Vec::new(),
        sections: Vec::new(),
        schema: card.schema.clone(),
        about: card.about,
        id: card.id.clone(),
        revision: card.revision,
        level: card.level,
        time: card.time.clone(),
        updated: card.updated.clone(),
        findings: card.findings,
    };
    let sections = if lines == 0 { &[] } else { &*card.sections };
    for section in sections.iter().take(SECTIONS) {
        let mut kept: Vec<Line> = section
            .lines
            .iter()
            .take(lines)
            .map(|line| Line {
                label: short(&line.label, NAME),
                text: short(&line.text, characters),
                code: line.code,
            })
            .collect();
        if let Some(more) = section.lines.len().checked_sub(lines).filter(|more| *more > 0) {
            kept.push(Line { text: format!("… {more} more"), ..Line::default() });
        }
        out.sections.push(Section { name: short(&section.name, NAME), lines: kept });
    }
    let longest = COMMAND.min(characters.max(100));
    for command in card.commands.iter().take(COMMANDS) {
        let line = escape(&command.line);
        if line.chars().count() <= longest {
            out.commands.push(Command { what: short(&command.what, NAME), line: line.into_owned() });
        }
    }
    lost |= out.commands.len() < card.commands.len()
        || out.news.len() < card.news.len()
        || card.sections.iter().any(|section| section.lines.len() > lines);
    if lost {
        add_way_to_the_whole(&mut out, "this message is cut; see the whole");
    }
    out
}

/// What a channel that cannot change its messages is told after the first: only what is new.
pub(super) fn follow_up(card: &Card) -> Card {
    let mut lines: Vec<Line> =
        card.news.iter().map(|text| Line { text: text.clone(), ..Line::default() }).collect();
    if lines.is_empty() {
        let text = "No alert of another kind; what was found before was found again.".to_owned();
        lines.push(Line { text, ..Line::default() });
    }
    let plural = if card.findings == 1 { "" } else { "s" };
    let mut out = Card {
        title: format!("More: {}", card.title),
        sentence: format!("{} finding{plural} so far, the last at {}.", card.findings, card.updated),
        sections: vec![Section { name: "New".to_owned(), lines }],
        commands: Vec::new(),
        schema: card.schema.clone(),
        about: card.about,
        id: card.id.clone(),
        revision: card.revision,
        level: card.level,
        host: card.host.clone(),
        time: card.time.clone(),
        updated: card.updated.clone(),
        agent: card.agent.clone(),
        rules: card.rules.clone(),
        tags: card.tags.clone(),
        findings: card.findings,
        news: Vec::new(),
    };
    add_way_to_the_whole(&mut out, "see the whole");
    out
}

fn add_way_to_the_whole(card: &mut Card, what: &str) {
    let is_known = card.commands.iter().any(|command| command.line.starts_with("detector explain"));
    if card.about == About::Incident && !is_known {
        let line = format!("detector explain {}", limit(&card.id, NAME));
        card.commands.push(Command { what: what.to_owned(), line });
    }
}

/// What stands above a card: `CRITICAL Known miner executed`.
pub(super) fn headline(card: &Card) -> String {
    match card.about {
        About::Incident => format!("{} {}", card.level.name().to_uppercase(), card.title),
        About::Digest | About::Notice | About::Test => card.title.clone(),
    }
}

/// Where and when, in one line: `coder on node-1, since 2026-03-02T10:20:30Z`.
pub(super) fn place(card: &Card) -> String {
    let who = card.agent.as_ref().map(|agent| format!("{agent} on ")).unwrap_or_default();
    format!("{who}{}, since {}", card.host, card.time)
}

/// What stands below a card: its ids.
pub(super) fn footer(card: &Card) -> String {
    let what = match card.about {
        About::Incident => "incident",
        About::Digest => "digest",
        About::Notice => "notice",
        About::Test => "test",
    };
    let mut out = format!("{what} {}, {} findings", card.id, card.findings);
    if !card.rules.is_empty() {
        out.push_str(&format!(", rules {}", card.rules.join(" ")));
    }
    out
}

/// The lines of a section, or of the commands, as text.
pub(super) fn line(line: &Line) -> String {
    if line.label.is_empty() { line.text.clone() } else { format!("{}  {}", line.label, line.text) }
}

/// Everything but the headline, as text of many lines.
pub(super) fn text(card: &Card) -> String {
    let mut out = vec![card.sentence.clone(), place(card)];
    for section in &card.sections {
        out.push(String::new());
        out.push(section.name.clone());
        out.extend(section.lines.iter().map(|shown| format!("  {}", line(shown))));
    }
    if !card.commands.is_empty() {
        out.push(String::new());
        out.push("Commands".to_owned());
        for Command { what, line } in &card.commands {
            out.push(format!("  {what}:"));
            out.push(format!("    {line}"));
        }
    }
    out.push(String::new());
    out.push(footer(card));
    out.join("\n")
}

/// Text for people with every deceptive character visible, of at most `most` characters, the ellipsis included.
pub(super) fn limit(text: &str, most: usize) -> String {
    // Escaping never makes text shorter: what is beyond the limit before it is beyond it after.
    let end = text.char_indices().nth(most.saturating_add(1)).map_or(text.len(), |(end, _)| end);
    let text = escape(text.get(..end).unwrap_or(text));
    match text.char_indices().nth(most) {
        None => text.into_owned(),
        Some(_) => {
            let end = text.char_indices().nth(most.saturating_sub(1)).map_or(0, |(end, _)| end);
            format!("{}…", text.get(..end).unwrap_or_default())
        }
    }
}

/// Words that call many people after an `@` somewhere: Discord, Slack, Matrix, Mattermost, Google Chat.
const CALLS: &[&str] = &["everyone", "channel", "here", "room", "all"];

/// Text that calls nobody: the `@` of `@everyone` becomes a wide one.
pub(super) fn without_calls(text: &str) -> Cow<'_, str> {
    let calls = |rest: &str| {
        CALLS.iter().any(|call| rest.get(..call.len()).is_some_and(|word| word.eq_ignore_ascii_case(call)))
    };
    let mut places =
        text.match_indices('@').filter(|(at, _)| text.get(at + 1..).is_some_and(calls)).peekable();
    if places.peek().is_none() {
        return Cow::Borrowed(text);
    }
    let (mut out, mut from) = (String::with_capacity(text.len() + 8), 0);
    for (at, _) in places {
        out.push_str(text.get(from..at).unwrap_or_default());
        out.push('＠');
        from = at + 1;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(out)
}

/// Text for a service that passes it on to who knows whom: no call, no tag, no `<!channel>`, no Markdown link.
pub(super) fn neutral(text: &str) -> String {
    without_calls(text).replace('<', "‹").replace("](", "] (")
}

/// Text between the tags of HTML; never part of a tag.
pub(super) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for character in without_calls(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::alert::Level;
    use crate::alert::card::SCHEMA;

    /// A small card of an incident.
    pub(in crate::sinks) fn card() -> Card {
        let line =
            |label: &str, text: &str| Line { label: label.to_owned(), text: text.to_owned(), code: false };
        Card {
            schema: SCHEMA.to_owned(),
            about: About::Incident,
            id: "01HF7YAT00QW5V9ZK8TD4M2C3R".to_owned(),
            revision: 1,
            level: Level::Critical,
            host: "node-1".to_owned(),
            time: "2026-03-02T10:20:30.123456789Z".to_owned(),
            updated: "2026-03-02T10:21:00.000000000Z".to_owned(),
            title: "Known miner executed".to_owned(),
            sentence: "coder ran xmrig".to_owned(),
            agent: Some("coder".to_owned()),
            rules: vec!["0b7c".to_owned()],
            tags: vec!["attack.t1496".to_owned()],
            findings: 2,
            news: Vec::new(),
            sections: vec![Section {
                name: "Evidence".to_owned(),
                lines: vec![line("10:20:30.123", "pid 7 executed /tmp/xmrig")],
            }],
            commands: vec![Command {
                what: "look closer".to_owned(),
                line: "detector explain 01HF7YAT00QW5V9ZK8TD4M2C3R".to_owned(),
            }],
        }
    }

    #[test]
    fn a_card_as_text_reads_in_order() {
        expect_test::expect![[r"
            coder ran xmrig
            coder on node-1, since 2026-03-02T10:20:30.123456789Z

            Evidence
              10:20:30.123  pid 7 executed /tmp/xmrig

            Commands
              look closer:
                detector explain 01HF7YAT00QW5V9ZK8TD4M2C3R

            incident 01HF7YAT00QW5V9ZK8TD4M2C3R, 2 findings, rules 0b7c"]]
        .assert_eq(&text(&card()));
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let mut card = card();
        card.commands.clear();
        let long = Line { text: "x".repeat(10_000), ..Line::default() };
        card.sections[0].lines.extend(std::iter::repeat_n(long, 50));
        for most in [100_000, 20_000, 2_000, 500] {
            let shown = fit(&card, most, text, String::len);
            assert!(shown.len() <= most, "{most}: {}", shown.len());
            assert!(shown.contains("detector explain 01HF7YAT00QW5V9ZK8TD4M2C3R"), "{shown}");
            assert!(shown.starts_with("coder ran xmrig\n"), "{shown}");
        }
        assert!(fit(&card, 2_000, text, String::len).contains("… 41 more"));
    }

    #[test]
    fn a_limit_counts_what_is_shown() {
        assert_eq!(limit("abc", 3), "abc");
        assert_eq!(limit("abcd", 3), "ab…");
        assert_eq!(limit(&"\u{202e}".repeat(100), 10).chars().count(), 10);
        assert_eq!(limit("", 0), "");
    }

    #[test]
    fn nobody_is_called() {
        let text = "@everyone <!channel> @Room user@example.com [x](http://evil) <script>";
        let shown = neutral(text);
        assert_eq!(shown, "＠everyone ‹!channel> ＠Room user@example.com [x] (http://evil) ‹script>");
        assert_eq!(html("<b a=\"'\">&"), "&lt;b a=\"'\"&gt;&amp;");
    }
}
