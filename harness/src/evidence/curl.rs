//! A request as one line for a POSIX shell. Never sends something else than was sent without saying so: what is not known is a variable,
//! and the shell refuses the line until somebody has set it.

use super::{SECRET_HEADERS, SENT_BODY_MAX, SentRequest};
use crate::scrub::REDACTED;
use std::fmt::Write as _;

/// The line; `gone` says how to have an address again that is there no more.
pub(super) fn line(sent: &SentRequest, gone: Option<&str>) -> String {
    let mut line = Line {
        base: gone.map_or_else(
            || quote(&sent.base),
            |gone| format!("\"${{TARGET_URL:?{gone}}}\""),
        ),
        ..Line::default()
    };
    let has_body = sent.body_len > 0;
    line.words.push("curl -sS -i -g --path-as-is".to_owned());
    if sent.base.starts_with("https://") {
        line.words.push("--http1.1".to_owned());
    }
    match (sent.method.as_str(), has_body) {
        ("GET", false) => {}
        ("HEAD", false) => line.words.push("-I".to_owned()),
        // `-I` sends no body, and without it curl waits for the one that the answer announces and never has.
        ("HEAD", true) => line.words.push("-X HEAD --max-time 10".to_owned()),
        (method, _) => line.option("-X", method, None),
    }
    line.header("Host", &sent.host, "no");
    for (name, value) in &sent.headers {
        line.header(name, value, "empty");
    }
    if has_body {
        let typed = |name: &str| name.eq_ignore_ascii_case("content-type");
        if !sent.headers.iter().any(|(name, _)| typed(name)) {
            line.header("Content-Type", "", "no");
        }
        line.body(sent);
    }
    line.address(sent);
    line.finished()
}

/// Words of a line, and what its variables are called.
#[derive(Default)]
struct Line {
    /// Where it goes, as a word of a shell.
    base: String,
    /// What is written into curl's standard input.
    input: Option<String>,
    words: Vec<String>,
    unknown: usize,
}

impl Line {
    fn option(&mut self, option: &str, text: &str, secret: Option<&str>) {
        let word = self.word(text, secret);
        self.words.push(format!("{option} {word}"));
    }

    /// A header. Without a value curl takes `Name:` for "do not send it" and `Name;` for "send it empty".
    fn header(&mut self, name: &str, value: &str, without: &str) {
        let text = match (value.trim().is_empty(), without) {
            (false, _) => format!("{name}: {value}"),
            (true, "no") => format!("{name}:"),
            (true, _) => format!("{name};"),
        };
        let is_secret = SECRET_HEADERS.contains(&name.to_ascii_lowercase().as_str());
        let variable = is_secret.then(|| name.to_ascii_uppercase().replace('-', "_"));
        self.option("-H", &text, variable.as_deref());
    }

    fn body(&mut self, sent: &SentRequest) {
        let plain = |text: &str| !text.chars().any(char::is_control);
        let whole = sent.whole.as_deref();
        match whole.map(std::str::from_utf8) {
            Some(Ok(text)) if plain(text) => self.option("--data-raw", text, None),
            // Neither NUL nor broken UTF-8 fits into an argument, and a line break ends what is pasted.
            Some(_) => {
                self.input = whole.map(printf);
                self.words.push("--data-binary @-".to_owned());
            }
            None if sent.body_len <= SENT_BODY_MAX && plain(&sent.body) && !sent.body.contains('\u{fffd}') => {
                self.option("--data-raw", &sent.body, None);
            }
            None => self.words.push(format!(
                "--data-binary @\"${{BODY_FILE:?name a file with the {} bytes of the body, which the report does not hold whole}}\"",
                sent.body_len
            )),
        }
    }

    /// Where it goes. What curl would tidy up or refuse in an address is given apart from it.
    fn address(&mut self, sent: &SentRequest) {
        let tame = |byte: u8| byte.is_ascii_graphic() && !b"#\"<>\\^`|".contains(&byte);
        if sent.path.starts_with('/') && sent.path.bytes().all(tame) {
            let path = self.word(&sent.path, None);
            self.push_address(&path);
        } else {
            self.option("--request-target", &sent.path, None);
            self.push_address("'/'");
        }
    }

    /// The base with a quoted path behind it, as one word, and in one pair of quotes where both have some.
    fn push_address(&mut self, path: &str) {
        let joined = match (self.base.strip_suffix('\''), path.strip_prefix('\'')) {
            (Some(base), Some(path)) => format!("{base}{path}"),
            _ => format!("{}{path}", self.base),
        };
        self.words.push(joined);
    }

    /// A text as one word of a shell, each secret in it a variable.
    fn word(&mut self, text: &str, secret: Option<&str>) -> String {
        let mut word = String::new();
        for (at, piece) in text.split(REDACTED).enumerate() {
            if at > 0 {
                let variable = match secret {
                    Some(name) => name.to_owned(),
                    None => self.next_unknown(),
                };
                // Writing to a String cannot fail.
                let _infallible = write!(
                    word,
                    "\"${{{variable}:?set {variable} to the secret that stood here}}\""
                );
            }
            if !piece.is_empty() || text.is_empty() {
                word.push_str(&quote(piece));
            }
        }
        word
    }

    fn next_unknown(&mut self) -> String {
        self.unknown += 1;
        match self.unknown {
            1 => "SECRET".to_owned(),
            number => format!("SECRET_{number}"),
        }
    }

    fn finished(self) -> String {
        let line = self.words.join(" ");
        match self.input {
            Some(input) => format!("{input} | {line}"),
            None => line,
        }
    }
}

/// A text in quotes that every POSIX shell reads alike, on one line.
fn quote(text: &str) -> String {
    if text.contains('\0') {
        return "\"${NOT_SAYABLE:?a NUL byte stood here, which no argument can hold}\"".to_owned();
    }
    // What is pasted with a tab or a line break in it, a terminal takes for keys. A shell drops line breaks at the end of what a command prints.
    if text.chars().any(char::is_control) {
        let printed = printf(text.as_bytes());
        return if text.ends_with('\n') {
            format!("'{}'", text.replace('\'', "'\\''"))
        } else {
            format!("\"$({printed})\"")
        };
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A command that prints these bytes.
fn printf(bytes: &[u8]) -> String {
    let mut format = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b" _.,:;/+=(){}[]".contains(&byte) {
            format.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _infallible = write!(format, "\\{byte:03o}");
        }
    }
    format!("printf '{format}'")
}
