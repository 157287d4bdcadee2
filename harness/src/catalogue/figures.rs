//! Measured figures in a Markdown file, between two marks. Never touches the rest of the file.

use crate::contract::profile::Profile;
use std::fmt::Write as _;

/// The lines between which the figures of a profile stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// The line before the figures.
    pub begin: &'static str,
    /// The line after them.
    pub end: &'static str,
}

impl Marks {
    /// Those of a profile.
    #[must_use]
    pub fn of(profile: Profile) -> Self {
        match profile {
            Profile::Core => Self {
                begin: "<!-- teeth -->",
                end: "<!-- /teeth -->",
            },
            Profile::Data => Self {
                begin: "<!-- teeth data -->",
                end: "<!-- /teeth data -->",
            },
            Profile::ApiWorker => Self {
                begin: "<!-- teeth api-worker -->",
                end: "<!-- /teeth api-worker -->",
            },
        }
    }

    /// The text with these figures, one list item each, between the marks; `None` if it has no such marks.
    #[must_use]
    pub fn with(self, text: &str, figures: &[String]) -> Option<String> {
        let (before, rest) = text.split_once(self.begin)?;
        let (_old, after) = rest.split_once(self.end)?;
        let items = figures.iter().fold(String::new(), |mut items, figure| {
            let _infallible = writeln!(items, "- {figure}");
            items
        });
        let Self { begin, end } = self;
        Some(format!("{before}{begin}\n{items}{end}{after}"))
    }

    /// The figures that stand between the marks; none if there are no marks.
    #[must_use]
    pub fn between(self, text: &str) -> Vec<&str> {
        let inside = text
            .split_once(self.begin)
            .and_then(|(_, rest)| rest.split_once(self.end));
        let lines = inside.map_or("", |(figures, _)| figures).lines();
        lines.filter_map(|line| line.strip_prefix("- ")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_of_the_profile_is_replaced() {
        let text = "a\n<!-- teeth data -->\n- of data\n<!-- /teeth data -->\n<!-- teeth -->\n- old\n- older\n<!-- /teeth -->\nb\n";
        let core = Marks::of(Profile::Core);
        let new = core.with(text, &["new".to_owned()]);
        assert_eq!(
            new.as_deref(),
            Some(
                "a\n<!-- teeth data -->\n- of data\n<!-- /teeth data -->\n<!-- teeth -->\n- new\n<!-- /teeth -->\nb\n"
            )
        );
        assert_eq!(core.between(text), ["old", "older"]);
        assert_eq!(Marks::of(Profile::Data).between(text), ["of data"]);
        assert_eq!(core.with("no marks", &[]), None);
    }
}
