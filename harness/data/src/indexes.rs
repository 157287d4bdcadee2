//! Which indexes do another one's work. Never asks how an index is used.

use crate::catalog::{Index, IndexOrigin, Table};
use crate::subject::Subject;
use crate::text::find_word;

/// Each index that another one does the work of; none for the other where that is the rowid itself.
pub(crate) fn covered(subject: &Subject) -> Vec<(&Table, &Index, Option<&Index>)> {
    let mut found = Vec::new();
    for table in subject.schema().tables.values() {
        for (place, index) in table.indexes.iter().enumerate() {
            if index.origin != IndexOrigin::Created {
                continue;
            }
            let alias = table.rowid_alias().map(|alias| &alias.name);
            if let ([only], Some(alias)) = (index.columns.as_slice(), alias)
                && only.name.as_ref() == Some(alias)
                && index.condition.is_none()
            {
                found.push((table, index, None));
                continue;
            }
            let others = table.indexes.iter().enumerate();
            let covering = others
                .filter(|(other_place, _)| *other_place != place)
                .filter(|(other_place, other)| {
                    // Of two equal ones the later goes.
                    let is_equal = is_begun_by(index, other) && is_begun_by(other, index);
                    is_begun_by(index, other)
                        && !(is_equal
                            && other.origin == IndexOrigin::Created
                            && *other_place > place)
                });
            // One that is the same tells most; one of the table's own making goes before a constraint, which nobody would think of as an index.
            let other = covering.min_by_key(|(_, other)| {
                let is_longer = other.columns.len() > index.columns.len();
                (is_longer, other.origin != IndexOrigin::Created)
            });
            if let Some((_, other)) = other {
                found.push((table, index, Some(other)));
            }
        }
    }
    found
}

/// Whether `other` begins with all that `index` has, under the same condition, and refuses what it refuses.
fn is_begun_by(index: &Index, other: &Index) -> bool {
    let same_condition = match (&index.condition, &other.condition) {
        (None, None) => true,
        (Some(one), Some(two)) => plain(one) == plain(two),
        (Some(_), None) | (None, Some(_)) => false,
    };
    let is_needed = index.unique && !(other.unique && other.columns.len() == index.columns.len());
    if !same_condition || is_needed || index.columns.len() > other.columns.len() {
        return false;
    }
    let has_expression = |index: &Index| index.columns.iter().any(|part| part.name.is_none());
    if has_expression(index) || has_expression(other) {
        return terms(index).is_some() && terms(index) == terms(other);
    }
    let pairs = index.columns.iter().zip(&other.columns);
    pairs.into_iter().all(|(one, two)| {
        one.name == two.name && one.descending == two.descending && one.collation == two.collation
    })
}

/// What an index is on, as plain text.
fn terms(index: &Index) -> Option<String> {
    let sql = index.sql.as_deref()?;
    let on = find_word(sql, "on", 0)?;
    let open = on.end + sql[on.end..].find('(')?;
    Some(plain(&sql[open..]))
}

/// Lower case, without blanks and quotes.
fn plain(sql: &str) -> String {
    sql.chars()
        .filter(|letter| !letter.is_whitespace() && !"\"`[]".contains(*letter))
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}
