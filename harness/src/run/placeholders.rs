//! What the words in braces of a scenario stood for, such as `{host a}`: a reader of a report sees the host. Never decides what a word means.

use std::collections::BTreeMap;

/// Words that a step or a scenario has used, each with what it stood for, in the order of their use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placeholders(Vec<(String, String)>);

impl Placeholders {
    /// Notes what a word, without its braces, stood for.
    pub fn note(&mut self, word: &str, value: &[u8]) {
        let value = match word.split_once(' ') {
            // A single byte may be no text, and thousands of letters tell no more than their number.
            Some(("byte", digits)) => format!("\\x{digits}"),
            Some(("times", what)) => match what.split_once(' ') {
                Some((text, count)) => format!("[{count} times {text}]"),
                None => return,
            },
            _ => String::from_utf8_lossy(value).into_owned(),
        };
        let pair = (word.to_owned(), value);
        if !self.0.contains(&pair) {
            self.0.push(pair);
        }
    }

    /// Takes over what another one has noted.
    pub fn extend(&mut self, other: &Self) {
        for pair in &other.0 {
            if !self.0.contains(pair) {
                self.0.push(pair.clone());
            }
        }
    }

    /// The text with every word that stood for one thing only replaced by it; `None` if there is no such word in it.
    #[must_use]
    pub fn fill(&self, text: &str) -> Option<String> {
        if self.0.is_empty() || !text.contains('{') {
            return None;
        }
        let mut known: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        for (word, value) in &self.0 {
            known
                .entry(word)
                .and_modify(|held| *held = held.filter(|held| held == value))
                .or_insert(Some(value));
        }
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(open) = rest.find('{') {
            let inside = &rest[open + 1..];
            let word = inside.split_once('}').map(|(word, _)| word);
            let value = word.and_then(|word| Some((word, (*known.get(word)?)?)));
            out.push_str(&rest[..open]);
            if let Some((word, value)) = value {
                out.push_str(value);
                rest = &inside[word.len() + 1..];
            } else {
                out.push('{');
                rest = inside;
            }
        }
        out.push_str(rest);
        (out != text).then_some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(pairs: &[(&str, &str)]) -> Placeholders {
        let mut words = Placeholders::default();
        for (word, value) in pairs {
            words.note(word, value.as_bytes());
        }
        words
    }

    #[test]
    fn a_word_is_replaced_by_what_it_stood_for_and_other_braces_stay() {
        let words = noted(&[
            ("host a", "a.example"),
            ("byte 00", "\0"),
            ("times x 280", "x"),
        ]);
        assert_eq!(
            words.fill("{host a}{byte 00}{times x 280} {{7*7}} {host b}"),
            Some("a.example\\x00[280 times x] {{7*7}} {host b}".to_owned())
        );
        assert_eq!(words.fill("nothing of it {host b}"), None);
    }

    #[test]
    fn a_word_that_stood_for_two_things_stays_as_it_is() {
        let mut words = noted(&[("host a", "old.example")]);
        words.extend(&noted(&[("host a", "new.example"), ("app", "example")]));
        assert_eq!(
            words.fill("{host a} of {app}"),
            Some("{host a} of example".to_owned())
        );
    }
}
