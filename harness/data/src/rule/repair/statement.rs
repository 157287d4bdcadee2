//! Statements written otherwise: JSON arrays that grow flat, searches for whole elements, joins by the rowid, queries without NULL. Never changes what it does not know.

use crate::catalog::Name;
use crate::text::{Token, tokens};
use crate::tree::{self, Node};
use std::ops::Range;

/// A statement as text and tokens.
struct Written<'t> {
    sql: &'t str,
    tokens: Vec<Token>,
}

impl<'t> Written<'t> {
    fn of(sql: &'t str) -> Self {
        Self {
            sql,
            tokens: tokens(sql),
        }
    }

    fn text(&self, place: usize) -> &'t str {
        self.tokens
            .get(place)
            .map_or("", |token| &self.sql[token.range.clone()])
    }

    fn is(&self, place: usize, word: &str) -> bool {
        self.text(place).eq_ignore_ascii_case(word)
    }

    /// The arguments of a call whose parenthesis opens at a place, as tokens, and the place of the one that closes.
    fn arguments(&self, open: usize) -> Option<(Vec<Range<usize>>, usize)> {
        let mut depth = 0_usize;
        let mut arguments = Vec::new();
        let mut start = open + 1;
        for place in open..self.tokens.len() {
            match self.text(place) {
                "(" => depth += 1,
                ")" => {
                    depth -= 1;
                    if depth == 0 {
                        arguments.push(start..place);
                        return Some((arguments, place));
                    }
                }
                "," if depth == 1 => {
                    arguments.push(start..place);
                    start = place + 1;
                }
                _ => {}
            }
        }
        None
    }

    /// The text of some tokens.
    fn piece(&self, places: Range<usize>) -> Option<&'t str> {
        let first = self.tokens.get(places.start)?.range.start;
        let last = self.tokens.get(places.end.checked_sub(1)?)?.range.end;
        self.sql.get(first..last)
    }

    /// The tokens of a piece that stand in no parentheses of its own.
    fn outside_parentheses(&self, piece: Range<usize>) -> Vec<usize> {
        let mut depth = 0_usize;
        piece
            .filter(|place| {
                let is_close = self.text(*place) == ")";
                depth = depth.saturating_sub(usize::from(is_close));
                let is_outside = depth == 0;
                depth += usize::from(self.text(*place) == "(");
                is_outside
            })
            .collect()
    }

    /// The statement with other text for some tokens.
    fn with(&self, places: Range<usize>, text: &str) -> Option<String> {
        let first = self.tokens.get(places.start)?.range.start;
        let last = self.tokens.get(places.end.checked_sub(1)?)?.range.end;
        Some(format!("{}{text}{}", &self.sql[..first], &self.sql[last..]))
    }
}

/// `json_insert(column, '$[#]', value)` for each `json_array(column, value)`; none if there is no such call.
pub(in crate::rule) fn inserting(sql: &str, column: &str) -> Option<String> {
    let mut sql = sql.to_owned();
    let mut is_changed = false;
    while let Some(next) = inserting_once(&sql, column) {
        sql = next;
        is_changed = true;
    }
    is_changed.then_some(sql)
}

fn inserting_once(sql: &str, column: &str) -> Option<String> {
    let written = Written::of(sql);
    (0..written.tokens.len()).find_map(|place| {
        if !written.is(place, "json_array") || written.text(place + 1) != "(" {
            return None;
        }
        let (arguments, close) = written.arguments(place + 1)?;
        let (first, rest) = arguments.split_first()?;
        let name = written.tokens.get(first.end.checked_sub(1)?)?;
        let is_column = (first.len() == 1
            || first.len() == 3 && written.text(first.start + 1) == ".")
            && name.form.eq_ignore_ascii_case(column);
        if !is_column || rest.is_empty() {
            return None;
        }
        let added: Option<Vec<&str>> = rest
            .iter()
            .map(|argument| written.piece(argument.clone()))
            .collect();
        let added: Vec<String> = added?
            .into_iter()
            .map(|value| format!("'$[#]', {value}"))
            .collect();
        let call = format!(
            "json_insert({}, {})",
            written.piece(first.clone())?,
            added.join(", ")
        );
        written.with(place..close + 1, &call)
    })
}

/// Words behind which the pattern of a LIKE is over.
const BEHIND_PATTERN: [&str; 12] = [
    "and", "or", "order", "group", "limit", "then", "else", "end", "union", ")", ",", ";",
];

/// `EXISTS (SELECT 1 FROM json_each(column) …)` for `column LIKE '%…%'`; none where the pattern is no element with anything around it.
pub(in crate::rule) fn by_elements(sql: &str, column: &str) -> Option<String> {
    let written = Written::of(sql);
    (1..written.tokens.len()).find_map(|place| {
        if !(written.is(place, "like") || written.is(place, "glob")) {
            return None;
        }
        let is_not = written.is(place - 1, "not");
        let last = place - usize::from(is_not);
        let name = written.tokens.get(last.checked_sub(1)?)?;
        if !name.form.eq_ignore_ascii_case(column) {
            return None;
        }
        let is_qualified = last >= 3 && written.text(last - 2) == ".";
        let start = last - if is_qualified { 3 } else { 1 };
        let pattern = place + 1..end_of_pattern(&written, place + 1);
        if written.is(pattern.end, "escape") {
            return None;
        }
        let value = element(&written, pattern.clone())?;
        let search = format!(
            "{}EXISTS (SELECT 1 FROM json_each({}) AS element WHERE element.value = {value})",
            if is_not { "NOT " } else { "" },
            written.piece(start..last)?
        );
        written.with(start..pattern.end, &search)
    })
}

fn end_of_pattern(written: &Written<'_>, start: usize) -> usize {
    let mut depth = 0_usize;
    (start..written.tokens.len())
        .find(|place| {
            let is_over = depth == 0
                && (written.is(*place, "escape")
                    || BEHIND_PATTERN.iter().any(|word| written.is(*place, word)));
            match written.text(*place) {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ => {}
            }
            is_over
        })
        .unwrap_or(written.tokens.len())
}

/// What is searched for: the middle of a pattern between percent signs, or the parameter that is the whole pattern.
fn element(written: &Written<'_>, pattern: Range<usize>) -> Option<String> {
    let text = written.piece(pattern.clone())?;
    if pattern.len() == 1 && text.starts_with('\'') {
        let inner = text.get(1..text.len().checked_sub(1)?)?;
        let inner = inner.strip_prefix(['%', '*'])?.strip_suffix(['%', '*'])?;
        let inner = inner.trim_matches('"');
        let is_plain = !inner.is_empty() && !inner.contains(['%', '_', '*', '"', '[', ':']);
        return is_plain.then(|| format!("'{inner}'"));
    }
    let is_edge = |place: usize| matches!(written.text(place), "'%'" | "'%\"'" | "'\"%'" | "'*'");
    let joins = |place: usize| written.text(place) == "|" && written.text(place + 1) == "|";
    let (first, last) = (pattern.start, pattern.end.checked_sub(1)?);
    if pattern.len() > 6 && is_edge(first) && joins(first + 1) && is_edge(last) && joins(last - 2) {
        return written.piece(first + 3..last - 2).map(str::to_owned);
    }
    (text.starts_with(['?', ':', '@', '$']) && !text.contains([' ', '|'])).then(|| text.to_owned())
}

/// The rowid of its table for a column that a statement compares with the rowid of an index.
pub(in crate::rule) fn by_rowid(sql: &str, column: &Name) -> Option<String> {
    let written = Written::of(sql);
    (0..written.tokens.len()).find_map(|place| {
        let token = &written.tokens[place];
        let is_before = written.is(place + 1, "in") && written.text(place + 2) == "("
            || written.text(place + 1) == "=";
        let is_behind = place >= 1 && written.text(place - 1) == "="
            || place >= 3 && written.text(place - 3) == "=";
        if *column != token.form.as_str() || !(is_before || is_behind) {
            return None;
        }
        written.with(place..place + 1, "rowid")
    })
}

/// A statement with other text in the place of a piece.
pub(in crate::rule) struct Mended {
    /// The bytes of the piece.
    pub(in crate::rule) range: Range<usize>,
    /// What comes there.
    pub(in crate::rule) part: String,
    /// The whole statement.
    pub(in crate::rule) whole: String,
}

/// Words behind which the condition of a query is over.
const BEHIND_CONDITION: [&str; 5] = ["group", "order", "limit", "having", "window"];

/// `IN (SELECT column FROM … WHERE column IS NOT NULL …)` for the same without the condition; none where the query is more than that.
pub(in crate::rule) fn leaving_null_out(sql: &str, query: &Node) -> Option<Mended> {
    let written = Written::of(sql);
    (0..written.tokens.len()).find_map(|place| {
        let is_it = written.is(place, "in")
            && written.text(place + 1) == "("
            && written.is(place + 2, "select");
        if !is_it {
            return None;
        }
        let (_, close) = written.arguments(place + 1)?;
        let inner = written.piece(place + 2..close)?;
        if tree::parse(inner)?.parts.first() != Some(query) {
            return None;
        }
        let part = without_null(&written, place + 2..close)?;
        let whole = written.with(place + 2..close, &part)?;
        let start = written.tokens[place + 2].range.start;
        Some(Mended {
            range: start..start + inner.len(),
            part,
            whole,
        })
    })
}

fn without_null(written: &Written<'_>, query: Range<usize>) -> Option<String> {
    let places = written.outside_parentheses(query.clone());
    let at = |words: &[&str]| {
        let mut all = places.iter().copied();
        all.find(|place| words.iter().any(|word| written.is(*place, word)))
    };
    if at(&["union", "except", "intersect"]).is_some() {
        return None;
    }
    let is_distinct = written.is(query.start + 1, "distinct");
    let value = query.start + 1 + usize::from(is_distinct)..at(&["from"])?;
    let is_name = value.len() == 1 || value.len() == 3 && written.text(value.start + 1) == ".";
    let name = written.piece(value).filter(|_| is_name)?;
    let end = at(&BEHIND_CONDITION).unwrap_or(query.end);
    let behind = if end < query.end {
        format!(" {}", written.piece(end..query.end)?)
    } else {
        String::new()
    };
    let Some(clause) = at(&["where"]) else {
        let before = written.piece(query.start..end)?;
        return Some(format!("{before} WHERE {name} IS NOT NULL{behind}"));
    };
    let before = written.piece(query.start..clause + 1)?;
    let condition = written.piece(clause + 1..end)?;
    let condition = if at(&["or"]).is_some() {
        format!("({condition})")
    } else {
        condition.to_owned()
    };
    Some(format!(
        "{before} {name} IS NOT NULL AND {condition}{behind}"
    ))
}

#[cfg(test)]
mod tests {
    use super::{by_elements, by_rowid, inserting, leaving_null_out};
    use crate::catalog::Name;
    use crate::tree::{self, Kind};

    #[test]
    fn an_array_grows_flat() {
        assert_eq!(
            inserting(
                "UPDATE t SET tags = json_array(tags, lower(?1), 'b')",
                "tags"
            )
            .unwrap(),
            "UPDATE t SET tags = json_insert(tags, '$[#]', lower(?1), '$[#]', 'b')"
        );
        assert_eq!(
            inserting("UPDATE t SET tags = json_array('a')", "tags"),
            None
        );
    }

    #[track_caller]
    fn check(condition: &str, expected: Option<&str>) {
        let sql = format!("SELECT id FROM t WHERE {condition} AND a = 1");
        let expected = expected.map(|value| {
            format!("SELECT id FROM t WHERE EXISTS (SELECT 1 FROM json_each(t.tags) AS element WHERE element.value = {value}) AND a = 1")
        });
        assert_eq!(by_elements(&sql, "tags"), expected);
    }

    #[test]
    fn a_search_is_for_whole_elements() {
        check("t.tags LIKE '%\"urgent\"%'", Some("'urgent'"));
        check("t.tags LIKE '%' || ?1 || '%'", Some("?1"));
        check("t.tags LIKE '%\"' || lower(?1) || '\"%'", Some("lower(?1)"));
        check("t.tags LIKE ?1", Some("?1"));
        check("t.tags LIKE '%a_b%'", None);
        check("t.tags LIKE ?1 ESCAPE '!'", None);
    }

    #[test]
    fn a_key_gives_way_to_the_rowid() {
        assert_eq!(
            by_rowid(
                "SELECT n.id FROM n JOIN f ON f.rowid = n.id",
                &Name::new("id")
            )
            .unwrap(),
            "SELECT n.id FROM n JOIN f ON f.rowid = n.rowid"
        );
    }

    #[track_caller]
    fn check_null_left_out(query: &str, expected: Option<&str>) {
        let sql = |query: &str| format!("DELETE FROM a WHERE x NOT IN ({query}) AND z = 1");
        let whole = tree::parse(&sql(query)).unwrap();
        let nodes = whole.all();
        let among = nodes.iter().find(|node| node.kind == Kind::InQuery);
        let mended = leaving_null_out(&sql(query), &among.unwrap().parts[1]);
        assert_eq!(mended.map(|mended| mended.whole), expected.map(sql));
    }

    #[test]
    fn a_query_leaves_null_out() {
        check_null_left_out(
            "SELECT b.\"y\" FROM b",
            Some("SELECT b.\"y\" FROM b WHERE b.\"y\" IS NOT NULL"),
        );
        check_null_left_out(
            "SELECT DISTINCT y FROM b WHERE (k = 1 OR k = 2) AND k IN (SELECT k FROM c WHERE y = 1 OR 2) ORDER BY y LIMIT 5",
            Some(
                "SELECT DISTINCT y FROM b WHERE y IS NOT NULL AND (k = 1 OR k = 2) AND k IN (SELECT k FROM c WHERE y = 1 OR 2) ORDER BY y LIMIT 5",
            ),
        );
        check_null_left_out(
            "SELECT y FROM b WHERE k = 1 OR k = 2",
            Some("SELECT y FROM b WHERE y IS NOT NULL AND (k = 1 OR k = 2)"),
        );
        check_null_left_out("SELECT y FROM b UNION SELECT 1", None);
        check_null_left_out("SELECT lower(y) FROM b", None);
    }
}
