//! A card as HTML that mail programs show: tables and inline styles, no script, no link, nothing from elsewhere.

use std::fmt::Write as _;

use super::text::{LINE_MOST, LINES_MOST, MOST, NEWS_MOST, footer, headline, more, rest};
use crate::alert::Level;
use crate::alert::card::{Card, Command, Line, Section};
use crate::alert::escape::clip;

const PAGE: &str = "font-family:Helvetica,Arial,sans-serif;font-size:14px;line-height:20px;color:#1f2328;\
                    margin:0;padding:16px;background-color:#ffffff";
const CODE: &str =
    "font-family:Menlo,Consolas,monospace;font-size:13px;background-color:#f0f2f4;padding:1px 4px";
const NAME: &str =
    "font-size:12px;font-weight:bold;color:#59636e;text-transform:uppercase;padding:14px 0 4px 0";
const LABEL: &str = "padding:2px 12px 2px 0;color:#59636e;white-space:nowrap;vertical-align:top";
const CELL: &str = "padding:2px 0;vertical-align:top;word-break:break-word";

/// The HTML of a mail.
pub(super) fn render(card: &Card) -> String {
    let mut out = String::from(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">\
         <meta name=\"format-detection\" content=\"telephone=no,date=no,address=no,email=no,url=no\"></head>\n",
    );
    let colour = colour(card.level);
    let _ = write!(
        out,
        "<body style=\"{PAGE}\">\n<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" width=\"100%\" \
         style=\"max-width:760px\">\n<tr><td colspan=\"2\" style=\"background-color:{colour};color:#ffffff;\
         font-size:16px;font-weight:bold;padding:10px 14px\">{}</td></tr>\n\
         <tr><td colspan=\"2\" style=\"padding:12px 0 4px 0;font-size:15px\">{}</td></tr>\n",
        escaped(&headline(card)),
        said(&card.sentence),
    );
    if !card.news.is_empty() {
        name(&mut out, "New");
        for news in card.news.iter().take(NEWS_MOST) {
            row(&mut out, "", &said(news));
        }
        left_out(&mut out, card.news.len(), NEWS_MOST, card);
    }
    for Section { name: title, lines } in &card.sections {
        if out.len() > MOST {
            row(&mut out, "", &escaped(&rest(card)));
            break;
        }
        name(&mut out, title);
        for Line { label, text, code } in lines.iter().take(LINES_MOST) {
            if out.len() > MOST {
                break;
            }
            let text = if *code { coded(text) } else { said(text) };
            row(&mut out, &said(label), &text);
        }
        left_out(&mut out, lines.len(), LINES_MOST, card);
    }
    if !card.commands.is_empty() {
        name(&mut out, "Commands");
    }
    for Command { what, line } in &card.commands {
        row(&mut out, &said(what), &coded(line));
    }
    let _ = write!(
        out,
        "<tr><td colspan=\"2\" style=\"padding:16px 0 0 0;font-size:12px;color:#59636e\">{}</td></tr>\n\
         </table></body></html>\n",
        escaped(&footer(card))
    );
    out
}

fn name(out: &mut String, text: &str) {
    let _ = writeln!(out, "<tr><td colspan=\"2\" style=\"{NAME}\">{}</td></tr>", said(text));
}

fn row(out: &mut String, label: &str, text: &str) {
    if label.is_empty() {
        let _ = writeln!(out, "<tr><td colspan=\"2\" style=\"{CELL}\">{text}</td></tr>");
    } else {
        let _ = writeln!(out, "<tr><td style=\"{LABEL}\">{label}</td><td style=\"{CELL}\">{text}</td></tr>");
    }
}

fn left_out(out: &mut String, count: usize, most: usize, card: &Card) {
    if let Some(text) = more(count, most, card) {
        row(out, "", &escaped(&text));
    }
}

fn coded(text: &str) -> String {
    format!("<span style=\"{CODE}\">{}</span>", said(text))
}

fn said(text: &str) -> String {
    escaped(&clip(text, LINE_MOST))
}

/// Text with HTML's own characters as entities. Mail programs make a link of what looks like one, in the text part,
/// too; such a link says where it leads, so that none is forged.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            character => out.push(character),
        }
    }
    out
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::Informational => "#59636e",
        Level::Low => "#0969da",
        Level::Medium => "#9a6700",
        Level::High => "#cf222e",
        Level::Critical => "#8250df",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::email::compose::tests::card;

    #[test]
    fn texts_are_escaped_and_nothing_comes_from_elsewhere() {
        let mut card = card();
        card.title = "<img src=x onerror=alert(1)>".to_owned();
        card.sections[0].name = "\"><a href='http://evil.example'>".to_owned();
        card.news = vec!["\u{202e}</td></table><style>".to_owned()];
        let html = render(&card);
        for tag in ["<img", "<script", "<a ", "<style", "\u{202e}", "src=x>", "href='"] {
            assert!(!html.contains(tag), "{tag}: {html}");
        }
        assert!(html.contains("/tmp/&lt;script&gt;alert(1)&lt;/script&gt;"), "{html}");
        assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;"), "{html}");
        for part in ["Commands", "detector explain 01HF7YAT00QW5V9ZK8TD4M2C3R", "3 findings", "look closer"] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert_eq!(html.matches("<td").count(), html.matches("</td>").count());
        assert_eq!(html.matches("<tr").count(), html.matches("</tr>").count());
    }
}
