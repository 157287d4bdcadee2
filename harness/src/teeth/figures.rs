//! Measured figures in a Markdown file, between two marks. Never touches the rest of the file.

use std::fmt::Write as _;

/// The line before the figures.
pub const BEGIN: &str = "<!-- teeth -->";
/// The line after them.
pub const END: &str = "<!-- /teeth -->";

/// The text with these figures, one list item each, between the marks; `None` if it has no such marks.
#[must_use]
pub fn with(text: &str, figures: &[String]) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_old, after) = rest.split_once(END)?;
    let items = figures.iter().fold(String::new(), |mut items, figure| {
        let _infallible = writeln!(items, "- {figure}");
        items
    });
    Some(format!("{before}{BEGIN}\n{items}{END}{after}"))
}

/// The figures that stand between the marks; none if there are no marks.
#[must_use]
pub fn between(text: &str) -> Vec<&str> {
    let inside = text
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END));
    let lines = inside.map_or("", |(figures, _)| figures).lines();
    lines.filter_map(|line| line.strip_prefix("- ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let text = "a\n<!-- teeth -->\n- old\n- older\n<!-- /teeth -->\nb\n";
        let new = with(text, &["new".to_owned()]);
        assert_eq!(
            new.as_deref(),
            Some("a\n<!-- teeth -->\n- new\n<!-- /teeth -->\nb\n")
        );
        assert_eq!(between(text), ["old", "older"]);
        assert_eq!(with("no marks", &[]), None);
    }
}
