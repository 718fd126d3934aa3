//! Characters that would deceive a reader or break a line, made visible.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character moves the cursor, turns the direction of text, hides, or ends a line for
/// somebody: control characters, bidirectional and zero-width marks, line and paragraph separators.
pub fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00ad}' | '\u{061c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Text for people: every deceptive character as `\u{..}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_deceptive(character) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// As [`escape`], for text of several lines that stays so.
pub fn escape_lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

/// Text for people, escaped and cut after `most` characters; an ellipsis says that it was.
pub fn clip(text: &str, most: usize) -> String {
    let end = text.char_indices().nth(most).map(|(end, _)| end);
    let kept = escape(end.and_then(|end| text.get(..end)).unwrap_or(text));
    if end.is_some() { format!("{kept}…") } else { kept.into_owned() }
}

/// The longest start of `text` that is at most `most` bytes.
pub fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// JSON for one line: deceptive characters inside its strings become `\uXXXX`, so that neither a
/// terminal nor a reader that splits at U+2028 is misled. It parses to the same value.
pub fn json_line(json: String) -> String {
    if !json.contains(is_deceptive) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if is_deceptive(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deceptive_characters_become_visible() {
        assert_eq!(escape("a\u{202e}b\u{1b}[31m\n"), "a\\u{202e}b\\u{1b}[31m\\u{a}");
        assert_eq!(escape("plain é 字"), "plain é 字");
    }

    #[test]
    fn a_cut_falls_between_characters_and_says_so() {
        assert_eq!(clip("éééé", 2), "éé…");
        assert_eq!(clip("éé", 2), "éé");
        assert_eq!(cut("ééé", 3), "é");
    }

    #[test]
    fn json_keeps_its_value() {
        let hostile = "a\u{2028}b\u{85}c\u{9b}d\u{e0001}e\n\"";
        let line = json_line(serde_json::to_string(hostile).unwrap());
        assert!(line.is_ascii());
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), hostile);
    }
}
