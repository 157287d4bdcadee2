//! MIG-16: keys that a file makes of what the rows hold. Never says whether there are rows that meet in them.

use crate::catalog::Name;
use crate::replay::{Step, Tightened};
use crate::subject::Subject;
use crate::text::FileId;
use crate::tree::{self, Kind, Node, Tree, Verb};

/// The columns that a key is made of, for a sentence; none where it is the columns of the index themselves.
pub(super) fn made_of(tried: &Tightened, columns: &[Name]) -> Option<String> {
    let others = tried
        .columns
        .iter()
        .filter(|column| !columns.contains(column));
    let names: Vec<String> = others.map(|column| format!("`{column}`")).collect();
    (tried.failure.is_some() && !names.is_empty()).then(|| names.join(" and "))
}

/// Whether a statement before a place makes the columns of an index out of others, so that it hangs on the rows whether two of them meet.
pub(super) fn is_key_of_rows(
    subject: &Subject,
    file: FileId,
    place: usize,
    table: &Name,
    columns: &[Name],
) -> bool {
    let mut before = subject
        .replay
        .steps_of(file)
        .take_while(|(at, _)| *at < place);
    before.any(|(_, step)| fills(subject, step, table, columns))
}

fn fills(subject: &Subject, step: &Step, table: &Name, columns: &[Name]) -> bool {
    if step.failure.is_some() || !step.changes.is_empty() {
        return false;
    }
    let Some(tree) = tree::parse(&step.statement.sql) else {
        return false;
    };
    match tree.verb {
        Verb::Update => {
            let is_it = tree.table.as_deref().is_some_and(|name| *table == name);
            let mut sets = tree.sets.iter();
            is_it
                && sets.any(|(name, value)| {
                    columns.iter().any(|column| *column == name.as_str()) && reads_rows(value)
                })
        }
        Verb::Insert => copies(subject, &tree, table, columns),
        Verb::Select | Verb::Delete | Verb::Index | Verb::Trigger | Verb::View | Verb::Table => {
            false
        }
    }
}

/// Whether a copy computes one of the columns. A value that is copied as it is was there to be looked at before.
fn copies(subject: &Subject, tree: &Tree, table: &Name, columns: &[Name]) -> bool {
    let row = tree
        .parts
        .iter()
        .find(|part| part.kind == Kind::Select)
        .and_then(|select| select.part(Kind::From).and(select.part(Kind::Columns)));
    let (Some(row), Some(into)) = (row, subject.schema().tables.get(table)) else {
        return false;
    };
    let named: Vec<Name> = if tree.columns.is_empty() {
        let all = into.columns.iter();
        let plain = all.filter(|column| column.generated.is_none());
        plain.map(|column| column.name.clone()).collect()
    } else {
        tree.columns.iter().map(|name| Name::new(name)).collect()
    };
    let mut pairs = named.iter().zip(&row.parts);
    pairs.any(|(name, value)| {
        columns.contains(name) && value.column().is_none() && reads_rows(value)
    })
}

fn reads_rows(value: &Node) -> bool {
    let mut nodes = value.all().into_iter();
    nodes.any(|node| matches!(node.kind, Kind::Column | Kind::Quoted))
}

#[cfg(test)]
mod tests {
    use crate::finding::Level;
    use crate::rule::mig::tests::findings;
    use crate::rule::mig::unique;

    const PLACES: &str = "CREATE TABLE places (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, note TEXT NOT NULL DEFAULT '');";

    /// What is said of a unique index on a column that is filled with this.
    #[track_caller]
    fn check(value: &str, expected: Option<Level>) {
        let file = format!(
            "ALTER TABLE places ADD COLUMN slug TEXT; UPDATE places SET slug = {value}; CREATE UNIQUE INDEX places_slug ON places (slug);"
        );
        let files = [("1.sql", PLACES), ("2.sql", file.as_str())];
        let told = findings(unique::unique_index_on_old_rows, &files);
        let levels: Vec<Level> = told.iter().map(|one| one.level).collect();
        assert_eq!(levels, Vec::from_iter(expected), "{value}: {told:#?}");
    }

    #[test]
    fn a_key_that_is_made_of_unique_texts_is_told_where_two_of_them_give_the_same() {
        for value in [
            "lower(name)",
            "trim(name)",
            "replace(name, ' ', '-')",
            "replace(name, ' ', '')",
            "substr(name, 1, 40)",
            "lower(substr(name || '-' || id, 1, 8))",
            "coalesce(slug, lower(name))",
            "note",
        ] {
            check(value, Some(Level::Warning));
        }
    }

    #[test]
    fn a_key_that_tells_rows_apart_is_none_to_tell_of() {
        for value in [
            "name",
            "'place-' || id",
            "lower(name) || '-' || id",
            "printf('%08x', id)",
            "lower(hex(randomblob(8)))",
            "hex(name)",
        ] {
            check(value, None);
        }
    }

    #[test]
    fn one_value_for_all_rows_fails_whatever_they_hold() {
        check("'none'", Some(Level::Error));
    }
}
