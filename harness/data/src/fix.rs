//! A new migration for what has a mechanical repair. Never edits a file that is there.

use crate::catalog::Name;
use crate::finding::{Edit, Finding, Level, Patch};
use crate::rule::{self, repair::rebuild};
use crate::source::Source;
use crate::subject::Subject;
use crate::text::File;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Tables that one migration makes anew at most: each is copied twice, and D1 gives a file thirty seconds. The next call offers the next ones.
const TABLES_AT_ONCE: usize = 20;

/// The repairs of findings.
#[derive(Debug, Default)]
pub struct Fix {
    /// A new migration; empty if there is nothing that one can mend.
    pub migration: String,
    /// How many findings it mends.
    pub mended: usize,
    /// How many warnings and errors it leaves.
    pub left: usize,
}

/// The repairs of findings as one migration. Tables that have to be made anew are so once, whatever has to change in them.
/// What only informs is worth no table made anew, unless that is done anyway, or the findings were `chosen`.
#[must_use]
pub fn fix(subject: &Subject, findings: &[Finding], is_chosen: bool) -> Fix {
    let mut fix = Fix::default();
    let rebuilds = together(subject, findings, is_chosen);
    if let Some(sql) = rebuilt(subject, &rebuilds) {
        for finding in &rebuilds {
            let _infallible = writeln!(fix.migration, "{}", headed(finding));
        }
        let _infallible = writeln!(fix.migration, "{sql}\n");
    }
    let again = is_still_found(subject, findings, &fix.migration);
    let mut seen = BTreeSet::new();
    let again = again.as_deref().unwrap_or(findings);
    for finding in again {
        if let Some(sql) = added(finding).filter(|sql| seen.insert(*sql)) {
            let _infallible = writeln!(fix.migration, "{}\n{}\n", headed(finding), sql.trim_end());
        }
    }
    let open = || again.iter().filter(|finding| added(finding).is_none());
    fix.mended = findings.len().saturating_sub(open().count());
    fix.left = open().filter(|finding| finding.level > Level::Info).count();
    let end = fix.migration.trim_end().len();
    fix.migration.truncate(end);
    if end > 0 {
        fix.migration.push('\n');
    }
    fix
}

/// What of the findings is still there behind a migration: the new tables may have the index that another repair would have made.
fn is_still_found(
    subject: &Subject,
    findings: &[Finding],
    migration: &str,
) -> Option<Vec<Finding>> {
    if migration.is_empty() {
        return None;
    }
    let mut source = subject.source.clone();
    let name = next_name(&source, "new_tables");
    source.files.push(File {
        path: name.clone().into(),
        text: migration.into(),
        name,
    });
    // Which rows there are matters to no repair.
    let again = Subject::of(source, subject.claims.clone(), 1).ok()?;
    let known: BTreeSet<(&str, &str)> = findings
        .iter()
        .map(|finding| (finding.rule, finding.object.as_str()))
        .collect();
    let mut left = rule::judge(&again);
    left.retain(|finding| known.contains(&(finding.rule, finding.object.as_str())));
    Some(left)
}

/// Statements that mend a finding without a table made anew.
fn added(finding: &Finding) -> Option<&str> {
    match &finding.patch {
        Some(Patch::Migration { sql }) => Some(sql),
        Some(Patch::Replace { .. } | Patch::Rebuild { .. } | Patch::Statement { .. }) | None => {
            None
        }
    }
}

fn headed(finding: &Finding) -> String {
    let message: Vec<&str> = finding.message.split_whitespace().collect();
    format!("-- {}: {}", finding.rule, message.join(" "))
}

fn edits(finding: &Finding) -> &[Edit] {
    match &finding.patch {
        Some(Patch::Rebuild { edits, .. }) => edits,
        Some(Patch::Replace { .. } | Patch::Migration { .. } | Patch::Statement { .. }) | None => {
            &[]
        }
    }
}

/// The findings whose tables are made anew: those that are worth it and can be carried out together.
fn together<'f>(subject: &Subject, findings: &'f [Finding], is_chosen: bool) -> Vec<&'f Finding> {
    let all = || findings.iter().filter(|finding| !edits(finding).is_empty());
    let mut tables: BTreeSet<&Name> = BTreeSet::new();
    let mut chosen: Vec<&Finding> = Vec::new();
    for finding in all().filter(|finding| is_chosen || finding.level > Level::Info) {
        let own = edits(finding).iter().map(|edit| &edit.table);
        let with_own: BTreeSet<&Name> = tables.iter().copied().chain(own).collect();
        if with_own.len() <= TABLES_AT_ONCE {
            tables = with_own;
            chosen.push(finding);
        }
    }
    let besides = all().filter(|finding| {
        let mut own = edits(finding).iter().map(|edit| &edit.table);
        finding.level == Level::Info && own.all(|table| tables.contains(table))
    });
    if !is_chosen {
        chosen.extend(besides);
    }
    if applies(subject, &chosen) {
        return chosen;
    }
    let mut good: Vec<&Finding> = Vec::new();
    for finding in chosen {
        good.push(finding);
        if !applies(subject, &good) {
            good.pop();
        }
    }
    good
}

fn rebuilt(subject: &Subject, findings: &[&Finding]) -> Option<String> {
    let edits: Vec<Edit> = findings
        .iter()
        .flat_map(|finding| edits(finding))
        .cloned()
        .collect();
    let mut with: Vec<String> = Vec::new();
    for finding in findings {
        if let Some(Patch::Rebuild { with: more, .. }) = &finding.patch {
            let new = more.iter().filter(|line| !with.contains(line));
            let new: Vec<String> = new.cloned().collect();
            with.extend(new);
        }
    }
    (!edits.is_empty()).then(|| rebuild(subject, &edits, &with))?
}

/// Whether the tables can be made anew in the database at the end, with the rows that the files themselves insert.
fn applies(subject: &Subject, findings: &[&Finding]) -> bool {
    let Some(sql) = rebuilt(subject, findings) else {
        return findings.is_empty();
    };
    subject.replay.at_the_end().is_ok_and(|engine| {
        engine
            .ours(|connection| connection.execute_batch(&format!("BEGIN;\n{sql}\nCOMMIT;")))
            .is_ok()
    })
}

/// The name of the next migration: the greatest number and one, as wide as the last one's; in a folder of its own where the others have one.
#[must_use]
pub fn next_name(source: &Source, name: &str) -> String {
    let numbers = source.files.iter().filter_map(|file| {
        let digits = file.name.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = file.name[..digits].parse().ok()?;
        Some((number, digits))
    });
    let (last, width) = numbers.max().unwrap_or((0, 4));
    let stem = format!("{:0width$}_{name}", last + 1);
    let mut own = source.files.iter().map(|file| file.name.split_once('/'));
    match own.next().flatten() {
        Some((_, file)) if own.all(|other| other.is_some_and(|(_, other)| other == file)) => {
            format!("{stem}/{file}")
        }
        Some(_) | None => format!("{stem}.sql"),
    }
}

#[cfg(test)]
mod tests {
    use super::{TABLES_AT_ONCE, fix, next_name};
    use crate::claims::Data;
    use crate::rule;
    use crate::source::Source;
    use crate::subject::Subject;
    use crate::text::File;

    #[test]
    fn a_migration_makes_a_few_tables_anew_and_leaves_the_others_for_the_next_one() {
        let tables = (0..TABLES_AT_ONCE + 5)
            .map(|number| format!("CREATE TABLE t{number} (id INTEGER PRIMARY KEY, code STRING);"));
        let text: Vec<String> = tables.collect();
        let source = Source {
            files: vec![File {
                name: "0001_a.sql".to_owned(),
                path: "0001_a.sql".into(),
                text: text.join("\n").into(),
            }],
            ..Source::default()
        };
        let subject = Subject::of(source, Data::default(), 1).unwrap();
        let fix = fix(&subject, &rule::judge(&subject), false);
        assert_eq!((fix.mended, fix.left), (TABLES_AT_ONCE, 5));
    }

    #[test]
    fn the_next_name_is_like_the_last_one() {
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
        let own = ["20250914_a/migration.sql", "20250916_b/migration.sql"];
        assert_eq!(of(&own), "20250917_x/migration.sql");
    }
}
