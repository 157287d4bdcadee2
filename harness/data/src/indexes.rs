//! Which indexes do another one's work. Never asks how an index is used.

use crate::catalog::{Index, IndexOrigin, Table};
use crate::subject::Subject;
use crate::text::find_word;

/// Each index that another one does the work of; none for the other where that is the rowid itself.
pub(crate) fn covered(subject: &Subject) -> Vec<(&Table, &Index, Option<&Index>)> {
    let mut found = Vec::new();
    for table in subject.schema().tables.values() {
        for (place, index) in table.indexes.iter().enumerate() {
            let alias = table.rowid_alias().map(|alias| &alias.name);
            if let ([only], Some(alias)) = (index.columns.as_slice(), alias)
                && only.name.as_ref() == Some(alias)
                && index.condition.is_none()
            {
                found.push((table, index, None));
                continue;
            }
            if index.origin != IndexOrigin::Created {
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
    let pairs = || index.columns.iter().zip(&other.columns);
    let same_order = pairs().all(|(one, two)| one.descending == two.descending);
    // An index that is read backwards gives every order the other way round.
    let contrary = pairs().all(|(one, two)| one.descending != two.descending);
    if !same_order && !contrary {
        return false;
    }
    if has_expression(index) || has_expression(other) {
        let (Some(own), Some(others)) = (terms(index), terms(other)) else {
            return false;
        };
        return same_order && others.starts_with(&own);
    }
    pairs().all(|(one, two)| one.name == two.name && one.collation == two.collation)
}

/// What an index is on, term by term, as plain text.
fn terms(index: &Index) -> Option<Vec<String>> {
    let sql = index.sql.as_deref()?;
    let on = find_word(sql, "on", 0)?;
    let open = on.end + sql[on.end..].find('(')?;
    let mut terms = vec![String::new()];
    let mut depth = 0;
    for letter in plain(&sql[open..]).chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 1 => {
                terms.push(String::new());
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth > 1 || letter != '(' {
            terms.last_mut()?.push(letter);
        }
    }
    Some(terms)
}

/// Lower case, without blanks and quotes.
fn plain(sql: &str) -> String {
    sql.chars()
        .filter(|letter| !letter.is_whitespace() && !"\"`[]".contains(*letter))
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}
