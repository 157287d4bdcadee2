//! Takes secrets out of everything that is printed or written: the last door before the terminal and the file system.
//! Never lets a secret of a manifest or a signed token pass, in whatever form a report spells it.

use aho_corasick::{AhoCorasick, MatchKind};
use std::borrow::Cow;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Shortest text that is taken for a secret. A shorter one is guessed in no time, and taking it out would garble every report.
const SECRET_LEN_MIN: usize = 6;

/// How often a text may be quoted within a quoted text: by a target that repeats it, in its JSON, in a finding, in a report.
const QUOTED_TIMES: usize = 4;

/// Shortest line of a secret of several lines, such as a private key, that is a secret of its own: a report may quote one line alone.
const SECRET_LINE_LEN_MIN: usize = 12;

/// Shortest form of a secret within a longer text in base64, such as in `user:secret`.
const ENCODED_LEN_MIN: usize = 10;

/// Shortest run of letters and digits within a secret that is a secret of its own, so that it goes however the rest is escaped:
/// with a digit in it, for words of a language would garble every report.
const CORE_LEN_MIN: usize = 12;

/// What is to be found.
#[derive(Default)]
struct Known {
    forms: Vec<String>,
    /// Finds all of them in one pass: everything that is printed or captured is looked through.
    finder: Option<Arc<AhoCorasick>>,
}

static KNOWN: Mutex<Known> = Mutex::new(Known {
    forms: Vec::new(),
    finder: None,
});

/// A signed token, whole or cut: a JSON object in base64url, two more parts. Tokens are minted by the hundred: their form is enough.
static TOKEN: LazyLock<regex::Regex> = LazyLock::new(|| {
    regex::Regex::new(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}")
        .unwrap_or_else(|_invalid| unreachable!("a constant pattern"))
});

/// A key or session token of an API worker beyond its first characters, which are its name for everybody, and a secret of its webhooks:
/// they are made by the hundred, too.
static KEY: LazyLock<regex::Regex> = LazyLock::new(|| {
    regex::Regex::new(r"(mp[ks]_[A-Za-z0-9_-]{8})[A-Za-z0-9_-]+|(whsec_)[A-Za-z0-9+/]{8,}=*")
        .unwrap_or_else(|_invalid| unreachable!("a constant pattern"))
});

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From here on this text appears in no output, and neither does a whole line of it.
pub fn remember(secret: &str) {
    let mut known = known();
    let before = known.forms.len();
    let lines = secret.lines().map(str::trim);
    let lines = lines.filter(|line| line.len() >= SECRET_LINE_LEN_MIN);
    for text in std::iter::once(secret).chain(lines) {
        if text.len() < SECRET_LEN_MIN {
            continue;
        }
        for form in spellings(text) {
            if form.len() >= SECRET_LEN_MIN && !known.forms.contains(&form) {
                known.forms.push(form);
            }
        }
    }
    if known.forms.len() > before {
        known.finder = None;
    }
}

/// What an address holds before its host: from `//` to the last `@`, for a password may hold any letter. `None` where it holds nothing.
fn credentials(text: &str) -> Option<&str> {
    let begin = text.find("://")? + "://".len();
    let end = text.rfind('@').filter(|end| *end > begin)?;
    text.get(begin..end)
}

/// From here on the credentials of this address appear in no output, however short they are.
pub fn remember_address(text: &str) {
    let Some(held) = credentials(text) else {
        return;
    };
    if let Some((_user, password)) = held.split_once(':') {
        remember(password);
    }
    // With what stands around them they are no word of anybody's.
    remember(&format!("://{held}@"));
}

/// The address with what it holds of credentials left out.
#[must_use]
pub fn without_credentials(text: &str) -> String {
    credentials(text).map_or(text.to_owned(), |held| text.replacen(held, REDACTED, 1))
}

impl Known {
    /// What finds the forms; made when it is first needed, for secrets are remembered one after the other.
    fn finder(&mut self) -> Option<Arc<AhoCorasick>> {
        if self.finder.is_none() && !self.forms.is_empty() {
            // A secret that holds another one goes whole, or its rest would stay. Letters in another case are the same secret.
            let made = AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .ascii_case_insensitive(true)
                .build(&self.forms);
            // It fails only for more forms than any manifest can hold; then nothing may be printed.
            let made = made.unwrap_or_else(|error| panic!("cannot look for secrets: {error}"));
            self.finder = Some(Arc::new(made));
        }
        self.finder.clone()
    }
}

/// The forms in which outputs may spell a secret: plain, in JSON, in XML, in Markdown, in a shell line, in a query, in base64, in hexadecimal.
fn spellings(secret: &str) -> Vec<String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let query: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let path: String = secret.bytes().map(in_path).collect();
    let pairs = data_encoding::HEXLOWER.encode(secret.as_bytes());
    let pairs = pairs.as_bytes().chunks(2).map(String::from_utf8_lossy);
    let percent: String = pairs.flat_map(|pair| ["%".into(), pair]).collect();
    let mut all = vec![
        secret.replace('\'', "'\\''"),
        query.replace('+', "%20"),
        query,
        path,
        data_encoding::HEXLOWER.encode(secret.as_bytes()),
        percent,
        secret.chars().map(escaped).collect(),
        in_markdown(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ];
    for shift in 0..3 {
        let shifted = [&b"\0\0\0"[..shift], secret.as_bytes()].concat();
        // What is before and behind it in the encoded text has a part in the first and the last letter.
        let first = [0, 2, 3][shift];
        let encoded = [
            STANDARD_NO_PAD.encode(&shifted),
            URL_SAFE_NO_PAD.encode(&shifted),
        ];
        let inner = encoded.map(|text| text[first..text.len() - 1].to_owned());
        all.extend(
            inner
                .into_iter()
                .filter(|text| text.len() >= ENCODED_LEN_MIN),
        );
    }
    let runs = secret.split(|letter: char| !letter.is_ascii_alphanumeric());
    let is_core =
        |run: &&str| run.len() >= CORE_LEN_MIN && run.bytes().any(|byte| byte.is_ascii_digit());
    all.extend(runs.filter(is_core).map(str::to_owned));
    let mut quoted = secret.to_owned();
    for _ in 0..=QUOTED_TIMES {
        all.push(in_xml(&quoted));
        all.push(quoted.replace('/', "\\/"));
        all.push(quoted.clone());
        let json = serde_json::Value::String(quoted.clone()).to_string();
        json[1..json.len() - 1].clone_into(&mut quoted);
    }
    all
}

/// A byte as a path spells it.
fn in_path(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// A letter as JSON spells it that is careful with everything but plain ones.
fn escaped(letter: char) -> String {
    if letter.is_ascii() && !letter.is_ascii_control() && !"<>&'\"\\".contains(letter) {
        return letter.to_string();
    }
    match letter {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        other => {
            let mut units = [0; 2];
            let units = other.encode_utf16(&mut units);
            let units: Vec<String> = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            units.concat()
        }
    }
}

/// As the report's Markdown has a text from outside.
fn in_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if "*_`[]#\\".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn in_xml(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The text without any known secret.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    let Some(finder) = known().finder() else {
        return Cow::Borrowed(text);
    };
    if !finder.is_match(text) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len());
    finder.replace_all_with(text, &mut cleaned, |_found, _form, out| {
        out.push_str(REDACTED);
        true
    });
    Cow::Owned(cleaned)
}

/// As [`clean`], and without anything that has the form of a signed token or of an API worker's key: for what tells of a run.
#[must_use]
pub fn clean_report(text: &str) -> String {
    let mut cleaned = clean(text);
    // Nearly no text holds one, and this is asked for every exchange.
    if cleaned.contains("eyJ") {
        cleaned = Cow::Owned(TOKEN.replace_all(&cleaned, REDACTED).into_owned());
    }
    if ["mpk_", "mps_", "whsec_"]
        .iter()
        .any(|head| cleaned.contains(head))
    {
        let named = format!("${{1}}${{2}}{REDACTED}");
        cleaned = Cow::Owned(KEY.replace_all(&cleaned, named).into_owned());
    }
    cleaned.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_goes_in_every_spelling() {
        let secret = "p\"q&r<s>'t é/%";
        remember(secret);
        for form in spellings(secret) {
            let cleaned = clean(&format!("before {form} after")).into_owned();
            assert_eq!(cleaned, format!("before {REDACTED} after"), "{form}");
        }
        let report = serde_json::json!({ "seen": format!("{secret:?}") }).to_string();
        assert!(!clean(&report).contains("p\\"), "{}", clean(&report));
    }

    #[test]
    fn a_secret_goes_within_a_longer_encoded_text_in_any_case_and_line_by_line() {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        remember("Correct-Horse/Battery");
        for user in ["u", "us", "use", "user"] {
            let basic = STANDARD.encode(format!("{user}:Correct-Horse/Battery;x"));
            let cleaned = clean(&basic).into_owned();
            assert!(
                cleaned.contains(REDACTED) && cleaned.len() < 32,
                "{cleaned}"
            );
        }
        assert_eq!(clean("CORRECT-HORSE/battery"), REDACTED);
        assert_eq!(clean("correct-horse\\/battery"), REDACTED);
        remember("-----BEGIN-----\nfirst line of it\nsecond line of it\n");
        assert_eq!(clean("saw second line of it."), format!("saw {REDACTED}."));
    }

    #[test]
    fn the_core_of_a_secret_goes_however_the_rest_is_escaped() {
        remember("<Ab12Cd34Ef56Gh\"");
        assert_eq!(
            clean("&#60;Ab12Cd34Ef56Gh&#34; of configuration"),
            format!("&#60;{REDACTED}&#34; of configuration")
        );
    }

    #[test]
    fn tokens_go_by_their_form() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2lnbmF0dXJl";
        assert_eq!(
            clean_report(&format!("x {token} y")),
            format!("x {REDACTED} y")
        );
        assert_eq!(
            clean_report("eyJhbGciOiJSUzI1NiJ9.eyJhd…"),
            format!("{REDACTED}…")
        );
        assert_eq!(clean_report("a.b.c eyJ.x.y"), "a.b.c eyJ.x.y");
    }

    #[test]
    fn keys_of_api_workers_go_by_their_form_but_for_their_names() {
        for kind in ["mpk", "mps"] {
            let name = format!("{kind}_AbCd-_gh");
            let key = format!("{name}IjKlMnOpQrStUvWxYz0123456789-_aBcDc");
            let cleaned = clean_report(&format!("x {key} {} {name} y", &key[..14]));
            assert_eq!(
                cleaned,
                format!("x {name}{REDACTED} {name}{REDACTED} {name} y")
            );
        }
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=";
        assert_eq!(clean_report(secret), format!("whsec_{REDACTED}"));
        for text in ["mpk_ and 43 letters", "whsec_ and base64"] {
            assert_eq!(clean_report(text), text);
        }
    }

    #[test]
    fn credentials_of_an_address_go_whatever_their_length_and_letters() {
        for held in ["u:p", "user:p@ss/w#rd?", ":x", "token"] {
            let address = format!("https://{held}@a.example:8443");
            let shown = without_credentials(&address);
            assert_eq!(shown, format!("https://{REDACTED}@a.example:8443"));
            remember_address(&address);
            assert!(clean(&address).contains(REDACTED), "{}", clean(&address));
        }
        assert_eq!(
            without_credentials("https://a.example"),
            "https://a.example"
        );
        assert_eq!(without_credentials("a@b.example"), "a@b.example");
    }

    #[test]
    fn what_is_too_short_to_be_a_secret_garbles_nothing() {
        remember("on");
        assert_eq!(clean("one on on"), "one on on");
    }
}
