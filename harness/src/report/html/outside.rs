//! Text from outside as a page may show it: cut, its invisible characters made visible. Never leaves a mark that turns or hides text.

use maud::{Markup, html};
use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with control bytes as pictures (`␀`) and marks that turn, join or hide text as `⟨U+202E⟩`; lines and tabs stay.
#[must_use]
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if !is_invisible(letter) {
            out.push(letter);
        } else if let Some(picture) = picture(letter) {
            out.push(picture);
        } else {
            let _infallible = write!(out, "⟨U+{:04X}⟩", u32::from(letter));
        }
    }
    Cow::Owned(out)
}

/// Whether a reader would not see it, or see something else because of it.
fn is_invisible(letter: char) -> bool {
    match letter {
        '\n' | '\t' => false,
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{feff}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => true,
        other => other.is_control(),
    }
}

/// Unicode has pictures for the ASCII controls.
fn picture(letter: char) -> Option<char> {
    match u32::from(letter) {
        code @ 0..=0x1f => char::from_u32(0x2400 + code),
        0x7f => Some('\u{2421}'),
        _ => None,
    }
}

/// The first `max` bytes of a text as it may be shown, and how many were left out, if any.
pub(super) fn start(text: &str, max: usize) -> (Cow<'_, str>, usize) {
    if text.len() <= max {
        return (visible(text), 0);
    }
    let end = (0..=max)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0);
    (visible(&text[..end]), text.len() - end)
}

/// A text in one line of at most so many bytes, an ellipsis in place of the rest.
pub(super) fn line(text: &str, max: usize) -> String {
    let (shown, left) = start(text, max);
    let mut shown = shown.replace(['\n', '\t'], " ");
    if left > 0 {
        shown.push('…');
    }
    shown
}

/// A sentence in one line, what stands between backticks as code.
pub(super) fn prose(text: &str, max: usize) -> Markup {
    let shown = line(text, max);
    let parts: Vec<&str> = shown.split('`').collect();
    // An odd one out is a backtick of the text's own.
    let paired = parts.len() % 2 == 1;
    html! {
        @if paired {
            @for (place, part) in parts.iter().enumerate() {
                @if place % 2 == 1 { code { (part) } } @else { (part) }
            }
        } @else { (shown) }
    }
}

/// Longest JSON that is indented. Evidence: indenting can make a text of nothing but brackets many times as long.
const INDENTED_LEN_MAX: usize = 64 * 1024;
/// Deepest indentation, for the same reason.
const DEPTH_MAX: usize = 32;

/// JSON with a line for each member, in the order it was sent; `None` if it is none.
pub(super) fn indented(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.starts_with(['{', '[']) || text.len() > INDENTED_LEN_MAX {
        return None;
    }
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let mut letters = text.chars().peekable();
    let next_line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(DEPTH_MAX)));
    };
    while let Some(letter) = letters.next() {
        if quoted {
            out.push(letter);
            quoted = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            continue;
        }
        match letter {
            ' ' | '\n' | '\r' | '\t' => {}
            '{' | '[' => {
                out.push(letter);
                while letters.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    next_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                next_line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                next_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            other => {
                quoted = other == '"';
                out.push(other);
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_turns_text_is_seen() {
        assert_eq!(visible("a\u{0}b\u{202e}c\u{7f}"), "a␀b⟨U+202E⟩c␡");
        assert_eq!(visible("é\n\tلا"), "é\n\tلا");
    }

    #[test]
    fn json_is_indented_without_a_change_of_order_or_text() {
        let text = r#"{"b":[1, {"x":"a,{\"}"}],"a":{ },"a":[]}"#;
        let shown = indented(text).unwrap_or_default();
        assert_eq!(
            shown,
            "{\n  \"b\": [\n    1,\n    {\n      \"x\": \"a,{\\\"}\"\n    }\n  ],\n  \"a\": {},\n  \"a\": []\n}"
        );
        assert_eq!(indented("{\"a\":1"), None);
        assert_eq!(indented("plain"), None);
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        assert_eq!(line("éé\nx", 3), "é…");
        let (shown, left) = start("éé", 3);
        assert_eq!((shown.as_ref(), left), ("é", 2));
    }
}
