//! What each rule is, read from `harness/data/rules/*.toml`: the failure, the repair, an example that breaks it and the same one mended. Never judges.

use crate::finding::Level;
use crate::source::{Kind, Source};
use crate::text::{File, FileId};
use serde::Deserialize;
use std::fmt::Write as _;
use std::sync::LazyLock;

/// What is to be known of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its id (`FK-03`).
    pub id: String,
    /// How bad its findings are; single ones may be less so where they cannot be proved.
    pub level: Level,
    /// What is wrong, as a short clause.
    pub title: String,
    /// What happens, when, and to whom: two or three sentences.
    pub failure: String,
    /// What to do.
    pub repair: String,
    /// The criteria that it serves (`PAT-015`).
    #[serde(default)]
    pub criteria: Vec<String>,
    /// Whether its findings come with a repair that can be applied.
    #[serde(default)]
    pub fix: bool,
    /// The files of both examples as they were released, where the rule is about what became of them.
    pub released: Option<String>,
    /// SQL that breaks it; several files are parted by lines `-- file: NAME`.
    pub broken: String,
    /// The same SQL, mended.
    pub mended: String,
    /// The `[data]` section of both examples, as TOML.
    #[serde(default)]
    pub claims: String,
    /// Another `[data]` section for `mended`, where the mistake is in a declared statement.
    pub mended_claims: Option<String>,
    /// Whether the examples are one file of SQL that is run by hand, not migrations.
    #[serde(default)]
    pub script: bool,
    /// Other rules that `broken` breaks too.
    #[serde(default)]
    pub also: Vec<String>,
}

/// The families, each in a file of its own, in the order of the book.
const FILES: &[&str] = &[
    include_str!("../../rules/fk.toml"),
    include_str!("../../rules/ten.toml"),
    include_str!("../../rules/key.toml"),
    include_str!("../../rules/unq.toml"),
    include_str!("../../rules/idx.toml"),
    include_str!("../../rules/typ.toml"),
    include_str!("../../rules/chk.toml"),
    include_str!("../../rules/jsn.toml"),
    include_str!("../../rules/fts.toml"),
    include_str!("../../rules/trg.toml"),
    include_str!("../../rules/aud.toml"),
    include_str!("../../rules/sec.toml"),
    include_str!("../../rules/qry.toml"),
    include_str!("../../rules/lim.toml"),
    include_str!("../../rules/mig.toml"),
];

static BOOK: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct Family {
        rule: Vec<Rule>,
    }
    let families = FILES.iter().map(|text| {
        toml::from_str::<Family>(text)
            .expect("the book is part of the program, and a test reads it")
    });
    families.flat_map(|family| family.rule).collect()
});

/// Every rule, by family.
#[must_use]
pub fn rules() -> &'static [Rule] {
    &BOOK
}

/// A rule by its id, whatever its case.
#[must_use]
pub fn rule(id: &str) -> Option<&'static Rule> {
    rules().iter().find(|rule| rule.id.eq_ignore_ascii_case(id))
}

/// Stands in an example for a text that would be too long to read.
const LONG: &str = "(100,000 letters)";

/// A text with its letters, where it only says how many there are.
pub(crate) fn spelled_out(text: &str) -> String {
    text.replace(LONG, &"x".repeat(100_000))
}

/// The files of an example: name and text. The first one is `0001_first.sql` unless the text names it.
#[must_use]
pub fn files(example: &str) -> Vec<(String, String)> {
    let mut files = vec![("0001_first.sql".to_owned(), String::new())];
    for line in example.lines() {
        if let Some(name) = line.strip_prefix("-- file: ") {
            if files.len() == 1 && files[0].1.trim().is_empty() {
                files.clear();
            }
            files.push((name.trim().to_owned(), String::new()));
        } else if let Some((_, text)) = files.last_mut() {
            text.push_str(&spelled_out(line));
            text.push('\n');
        }
    }
    files
}

/// What the rules read of an example.
#[must_use]
pub fn source(rule: &Rule, example: &str) -> Source {
    let files = files(example);
    let released = rule.released.iter().flat_map(|text| self::files(text));
    let released = released.filter_map(|(name, text)| {
        let at = files.iter().position(|(file, _)| *file == name)?;
        Some((FileId(at), text))
    });
    Source {
        shown: rule.id.clone(),
        kind: if rule.script {
            Kind::Script
        } else {
            Kind::Migrations
        },
        released: released.collect(),
        files: files
            .iter()
            .map(|(name, text)| File {
                name: name.clone(),
                path: name.into(),
                text: text.as_str().into(),
            })
            .collect(),
        ..Source::default()
    }
}

/// The book as Markdown: `docs/rules.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = "# The rules of `moltproof db lint`\n\n\
        Written by `moltproof db explain --all --format markdown`; each example is run by a test, broken and mended.\n\
        An error was proved on a copy before it is told; what cannot be proved is a warning at most.\n\n\
        | rule | level | what is wrong | repair offered |\n|---|---|---|---|\n"
        .to_owned();
    for rule in rules() {
        let fix = if rule.fix { "yes" } else { "" };
        let _infallible = writeln!(
            text,
            "| [{}](#{}) | {} | {} | {fix} |",
            rule.id,
            rule.id.to_lowercase(),
            rule.level,
            rule.title
        );
    }
    for rule in rules() {
        let _infallible = write!(text, "\n{}", rule.markdown());
    }
    text
}

impl Rule {
    /// Its section of the book.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "## {}\n\n**{}.** {}",
            self.id,
            sentence(&self.title),
            self.failure.trim()
        );
        if !self.criteria.is_empty() {
            let _infallible = write!(text, "\nIt serves {}.", self.criteria.join(", "));
        }
        if !self.claims.is_empty() {
            let _infallible = write!(
                text,
                "\n\nWith these claims:\n\n```toml\n{}\n```",
                self.claims.trim()
            );
        }
        if let Some(released) = &self.released {
            let _infallible = write!(text, "\n\nReleased:\n\n```sql\n{}\n```", released.trim());
        }
        let _infallible = write!(
            text,
            "\n\nBroken:\n\n```sql\n{}\n```\n\nRepair: {}\n\n```sql\n{}\n```\n",
            self.broken.trim(),
            self.repair.trim(),
            self.mended.trim()
        );
        text
    }
}

/// A clause with a capital letter.
fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
