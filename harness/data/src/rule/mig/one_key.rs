//! MIG-17: a statement that gives all rows the same key. Never judges values that it reads.

use crate::engine::{Deed, Failure};
use crate::replay::Step;
use crate::text::find_word;
use crate::tree::{self, Kind, Node, Verb};

/// Whether a statement gives all rows the same text or number in a column that is unique: two rows are enough for it to fail.
pub(super) fn is_given(step: &Step, failure: &Failure) -> bool {
    let column = failure.message.strip_prefix("UNIQUE constraint failed: ");
    // Several columns together may differ though one of them does not.
    let column = column.filter(|columns| !columns.contains(','));
    let column = column.and_then(|column| column.rsplit_once('.'));
    let (Some((_, column)), Some(tree)) = (column, tree::parse(&step.statement.sql)) else {
        return false;
    };
    // What stands before FROM are names of columns for the most part.
    let sql = &step.statement.sql;
    let from = find_word(sql, "from", 0).map_or(&**sql, |word| &sql[word.end..]);
    let is_read = |name: &str| {
        let mut deeds = step.deeds.iter();
        let is_named = |table: &str| find_word(from, table, 0).is_some();
        deeds.any(|deed| matches!(deed, Deed::Read(table, of) if of.eq_ignore_ascii_case(name) && is_named(table)))
    };
    let is_constant = |value: &Node| {
        let value = value.bare();
        matches!(value.kind, Kind::Text | Kind::Number)
            || value.kind == Kind::Quoted && !is_read(&value.text)
    };
    let is_whole =
        |node: &Node| node.part(Kind::Limit).is_none() && node.part(Kind::Where).is_none();
    let select = tree.parts.iter().find(|part| part.kind == Kind::Select);
    let is_named = |name: &String| name.eq_ignore_ascii_case(column);
    match (tree.verb, select) {
        (Verb::Update, _) => {
            let is_all = !tree.parts.iter().any(|part| part.kind == Kind::Where);
            let mut sets = tree.sets.iter();
            is_all && sets.any(|(name, value)| is_named(name) && is_constant(value))
        }
        (Verb::Insert, Some(select)) => {
            let place = tree.columns.iter().position(is_named);
            let values = select.part(Kind::Columns).map(|values| &values.parts);
            let value = place
                .zip(values)
                .and_then(|(place, values)| values.get(place));
            select.part(Kind::From).is_some() && is_whole(select) && value.is_some_and(is_constant)
        }
        _other => false,
    }
}
