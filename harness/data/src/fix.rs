//! A new migration for what has a mechanical repair. Never edits a file that is there.

use crate::finding::{Finding, Patch};
use crate::source::Source;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The repairs of findings as one migration; none if there is nothing that one can mend.
#[must_use]
pub fn fix(findings: &[Finding]) -> Option<String> {
    let mut seen = BTreeSet::new();
    let mut text = String::new();
    for finding in findings {
        if let Some(Patch::Migration { sql }) = &finding.patch
            && seen.insert(sql)
        {
            let message = finding.message.replace('\n', " ");
            let _infallible =
                writeln!(text, "-- {}: {message}\n{}\n", finding.rule, sql.trim_end());
        }
    }
    (!text.is_empty()).then(|| text.trim_end().to_owned() + "\n")
}

/// The name of the next migration: the greatest number and one, as wide as the last one's.
#[must_use]
pub fn next_name(source: &Source, name: &str) -> String {
    let numbers = source.files.iter().filter_map(|file| {
        let digits = file.name.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = file.name[..digits].parse().ok()?;
        Some((number, digits))
    });
    let (last, width) = numbers.max().unwrap_or((0, 4));
    format!("{:0width$}_{name}.sql", last + 1)
}

#[cfg(test)]
mod tests {
    use super::next_name;
    use crate::source::Source;
    use crate::text::File;

    #[test]
    fn the_next_number_is_as_wide_as_the_last_one() {
        let of = |names: &[&str]| {
            let file = |name: &&str| File {
                name: (*name).to_owned(),
                path: name.into(),
                text: "".into(),
            };
            let source = Source {
                files: names.iter().map(file).collect(),
                ..Source::default()
            };
            next_name(&source, "x")
        };
        assert_eq!(of(&["0001_a.sql", "0009_b.sql"]), "0010_x.sql");
        assert_eq!(of(&["9_a.sql", "10_b.sql"]), "11_x.sql");
        assert_eq!(of(&["a.sql"]), "0001_x.sql");
        assert_eq!(of(&["20250914120000_a.sql"]), "20250914120001_x.sql");
    }
}
