//! JSON among what a command prints for people: banners before it, advice after it. Never takes a banner for a value.

use super::log_line::without_colours;
use serde_json::Value;

/// The first JSON value in a command's output that is of the wanted kind, whatever stands before and after it.
///
/// A banner such as `⛅️ wrangler 4.86.0 (update available)` or `[WARNING] …` holds brackets as well: a value begins where a line does.
pub(super) fn value_in(output: &str, is_wanted: impl Fn(&Value) -> bool) -> Option<Value> {
    let plain = without_colours(output);
    let mut start = 0;
    // What lies inside another value is none of its own.
    let mut inside_until = 0;
    for line in plain.split_inclusive('\n') {
        let at = start + (line.len() - line.trim_start().len());
        start += line.len();
        if at < inside_until || !plain[at..].starts_with(['[', '{']) {
            continue;
        }
        let mut values = serde_json::Deserializer::from_str(&plain[at..]).into_iter::<Value>();
        if let Some(Ok(value)) = values.next() {
            if is_wanted(&value) {
                return Some(value);
            }
            inside_until = at + values.byte_offset();
        }
    }
    None
}

/// A bare value that a command printed, without wrangler's banner before it and the line break after it.
pub(super) fn text_in(output: &str) -> String {
    let plain = without_colours(output);
    let mut lines = plain.split_inclusive('\n').peekable();
    let mut length = 0;
    let mut has_banner = false;
    while let Some(line) = lines.next_if(|line| is_of_banner(line)) {
        has_banner |= line.contains("wrangler");
        length += line.len();
    }
    let value = if has_banner { &plain[length..] } else { output };
    // wrangler ends what it prints with a line break that is not the value's.
    value.strip_suffix('\n').unwrap_or(value).to_owned()
}

/// Whether a line belongs to what wrangler prints before anything else.
fn is_of_banner(line: &str) -> bool {
    let line = line.trim();
    let starts = ["⛅️ wrangler", "⛅ wrangler", "Resource location:"];
    line.chars().all(|c| "─-".contains(c)) || starts.iter().any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_bare_value_stands_after_the_banner_and_keeps_what_is_its_own() {
        let banner = "\n \u{1b}[1m⛅️ wrangler 4.86.0\u{1b}[0m\n───────────────────\nResource location: local\n\n";
        assert_eq!(text_in(&format!("{banner}tenant-1\n")), "tenant-1");
        assert_eq!(text_in("tenant-1\n"), "tenant-1");
        assert_eq!(text_in("\n---\nvalue\n"), "\n---\nvalue");
    }

    #[test]
    fn a_value_is_found_between_banners() {
        let output = "\n ⛅️ wrangler 4.86.0 (update available 4.125.0)\n────\n[WARNING] processing wrangler.jsonc:\n\n\u{1b}[2m[]\u{1b}[0m\n[\n  { \"name\": \"slug:a\" }\n]\nTo silence this: [docs]\n";
        let is_list = |value: &Value| value.as_array().is_some_and(|list| !list.is_empty());
        assert_eq!(
            value_in(output, is_list).unwrap(),
            json!([{ "name": "slug:a" }])
        );
        assert_eq!(value_in(output, Value::is_object), None);
    }
}
