//! FTS-01: a rowid compared with a key that is no integer. Never judges statements that are not declared, beyond views and triggers.

use super::{external, full_text, option};
use crate::catalog::{Affinity, Column, Name, Table};
use crate::finding::{Finding, Level, Patch};
use crate::replay::ObjectKind;
use crate::rule::names::Names;
use crate::rule::{declared, repair, trial};
use crate::subject::Subject;
use crate::text::{Span, find_word};
use crate::tree::{self, Kind, Node, Tree};

pub(in crate::rule) fn by_the_wrong_key(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    let indexes: Vec<&Table> = full_text(schema).collect();
    if indexes.is_empty() {
        return;
    }
    let mut known: Vec<(String, String, Option<Span>, Option<&Name>)> = Vec::new();
    for one in declared::all(subject) {
        known.push((one.object, one.sql, None, None));
    }
    for view in schema.views.values() {
        let site = subject.site(ObjectKind::View, &view.name);
        let object = format!("view {}", view.name);
        known.push((object, view.sql.to_string(), site, Some(&view.name)));
    }
    for (object, sql, site, view) in known {
        let named: Vec<&Table> = indexes
            .iter()
            .copied()
            .filter(|index| find_word(&sql, index.name.as_str(), 0).is_some())
            .collect();
        let Some(tree) = tree::parse(&sql).filter(|_| !named.is_empty()) else {
            continue;
        };
        let names = Names::of(subject, &tree);
        let nodes = tree.all();
        let found = nodes.iter().find_map(|node| compared(&names, node, &named));
        let Some((table, column)) = found else {
            continue;
        };
        let column = &column.name;
        let is_content = named.iter().any(|index| {
            let content = option(&index.sql, "content");
            content.is_some_and(|name| table.name == name.as_str())
                && option(&index.sql, "content_rowid").is_none()
        });
        let otherwise =
            repair::by_rowid(&sql, column).filter(|_sql| is_content && !table.without_rowid);
        let patch = otherwise.map(|sql| match view {
            Some(name) => Patch::Migration {
                sql: format!("DROP VIEW {};\n{sql};", name.quoted()),
            },
            None => Patch::Statement { sql },
        });
        let site =
            site.or_else(|| subject.site_of(ObjectKind::Table, &table.name, column.as_str()));
        let message = format!(
            "the search compares the rowid of the index with `{}.{column}`, which is a text: it finds nothing, or, where an id looks like a number, somebody else's row",
            table.name
        );
        findings.push(
            Finding::new("FTS-01", Level::Error, object, message)
                .at(site, "not the rowid")
                .help(format!(
                    "join by the rowid of `{}`, or keep the id in an UNINDEXED column of the index",
                    table.name
                ))
                .patched(patch)
                .proof(proof(table, column)),
        );
    }
    content_rowids(subject, findings);
    rowids_of_triggers(subject, &indexes, findings);
}

/// `content_rowid` that is a text.
fn content_rowids(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    for index in external(schema) {
        let Some(name) = index.rowid.as_ref() else {
            continue;
        };
        let Some(column) = index
            .content
            .column(name)
            .filter(|column| column.affinity() == Affinity::Text)
        else {
            continue;
        };
        let message = format!(
            "`{}` uses `{}.{name}`, a text, as the rowid: any value that does not look like a number is refused with \"datatype mismatch\"",
            index.table.name, index.content.name
        );
        findings.push(
            Finding::new("FTS-01", Level::Warning, format!("table {}", index.table.name), message)
                .at(subject.site_of(ObjectKind::Table, &index.table.name, "content_rowid"), "must be an integer")
                .related(subject.site_of(ObjectKind::Table, &index.content.name, name.as_str()), "is a text")
                .help("leave content_rowid out, or name an INTEGER PRIMARY KEY")
                .proof(trial::failing(vec![
                    format!("CREATE TABLE {} ({} TEXT, body TEXT);", index.content.name.quoted(), column.name.quoted()),
                    format!("CREATE VIRTUAL TABLE {} USING fts5(body, content='{}', content_rowid='{name}');", index.table.name.quoted(), index.content.name),
                    format!("INSERT INTO {} (rowid, body) VALUES ('id-of-a-row', 'text');", index.table.name.quoted()),
                ])),
        );
    }
}

/// Triggers that write a text of their table as the rowid of an index, which fails at each row.
fn rowids_of_triggers(subject: &Subject, indexes: &[&Table], findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    for trigger in schema.triggers.values() {
        let Some(table) = schema.tables.get(&trigger.table) else {
            continue;
        };
        if !indexes
            .iter()
            .any(|index| find_word(&trigger.sql, index.name.as_str(), 0).is_some())
        {
            continue;
        }
        let Some(tree) = tree::parse(&trigger.sql) else {
            continue;
        };
        let found = tree.body.iter().find_map(|statement| {
            let index = statement.table.as_deref()?;
            let index = indexes.iter().find(|table| table.name == index)?;
            let column = text_as_rowid(table, statement)?;
            Some((*index, column))
        });
        let Some((index, column)) = found else {
            continue;
        };
        let message = format!(
            "each row of `{}` whose `{}` does not look like a number is refused with \"datatype mismatch\": a trigger writes it as the rowid of `{}`",
            table.name, column.name, index.name
        );
        let level = if refuses_texts(subject, table, column) {
            Level::Error
        } else {
            Level::Warning
        };
        findings.push(
            Finding::new(
                "FTS-01",
                level,
                format!("trigger {}", trigger.name),
                message,
            )
            .at(
                subject.site_of(ObjectKind::Trigger, &trigger.name, column.name.as_str()),
                "must be an integer",
            )
            .related(
                subject.site_of(ObjectKind::Table, &table.name, column.name.as_str()),
                "is a text",
            )
            .help(
                "write the rowid of the table, and keep the id in an UNINDEXED column of the index",
            )
            .proof(trial::failing(vec![
                "CREATE VIRTUAL TABLE f USING fts5(body);".to_owned(),
                "INSERT INTO f (rowid, body) VALUES ('id-of-a-row', 'text');".to_owned(),
            ])),
        );
    }
}

/// Whether a row with an ordinary text in the column was seen to be refused, while the same row with a number in it is taken.
fn refuses_texts(subject: &Subject, table: &Table, column: &Column) -> bool {
    let tried = |value: &str| {
        let trial = trial::Trial::begin(subject)?;
        // The CHECKs hold here: they may want a number.
        trial.run("PRAGMA ignore_check_constraints=OFF;").ok()?;
        let row = trial::Row::from([(column.name.clone(), value.to_owned())]);
        Some(trial.row(table, &row).is_some())
    };
    tried("'id-of-a-row'") == Some(false) && tried("'987654321'") == Some(true)
}

/// The text column of the trigger's table that an INSERT into the index gives for the rowid.
fn text_as_rowid<'t>(table: &'t Table, statement: &Tree) -> Option<&'t Column> {
    let place = statement
        .columns
        .iter()
        .position(|name| name.eq_ignore_ascii_case("rowid"))?;
    let select = statement
        .parts
        .iter()
        .find(|part| part.kind == Kind::Select)?;
    let value = select.part(Kind::Columns)?.parts.get(place)?;
    let name = value.column()?;
    let column = table.columns.iter().find(|column| column.name == name)?;
    (column.affinity() == Affinity::Text).then_some(column)
}

/// The text column that a node compares with the rowid of one of the indexes.
fn compared<'s>(
    names: &Names<'s>,
    node: &Node,
    indexes: &[&Table],
) -> Option<(&'s Table, &'s Column)> {
    let [one, two] = node.parts.as_slice() else {
        return None;
    };
    let is_of_index = |node: &Node| {
        let mut called = names.called(node.bare());
        is_rowid(node)
            && !node.bare().parts.is_empty()
            && called.any(|table| indexes.iter().any(|index| index.name == table.name))
    };
    let other = if node.kind == Kind::InQuery {
        selects_rowid(two, indexes).then_some(one)
    } else if node.kind == Kind::Binary && node.text == "=" {
        let first = is_of_index(one).then_some(two);
        first.or_else(|| is_of_index(two).then_some(one))
    } else {
        None
    }?;
    let meant = names.columns(other);
    let is_text = |(_, column): &(&Table, &Column)| column.affinity() == Affinity::Text;
    let meant: Vec<(&Table, &Column)> = meant
        .into_iter()
        .filter(|(table, _)| table.is_ordinary())
        .collect();
    // Where the index takes this very column for its rowid, the two are equal, if they can be kept at all.
    let is_rowid_itself = meant.iter().any(|(table, column)| {
        indexes.iter().any(|index| {
            let rowid = option(&index.sql, "content_rowid");
            let content = option(&index.sql, "content");
            content.is_some_and(|name| table.name == name.as_str())
                && rowid.is_some_and(|name| column.name == name.as_str())
        })
    });
    (!is_rowid_itself && meant.iter().all(is_text)).then(|| meant.first().copied())?
}

fn is_rowid(node: &Node) -> bool {
    node.column().is_some_and(|name| {
        ["rowid", "docid", "_rowid_", "oid"]
            .iter()
            .any(|rowid| name.eq_ignore_ascii_case(rowid))
    })
}

fn selects_rowid(query: &Node, indexes: &[&Table]) -> bool {
    let columns = query.part(Kind::Columns);
    let from = query.part(Kind::From);
    let is_index = from.is_some_and(|from| {
        from.all().iter().any(|node| {
            node.kind == Kind::Table && indexes.iter().any(|index| index.name == node.text.as_str())
        })
    });
    is_index
        && columns
            .is_some_and(|columns| matches!(columns.parts.as_slice(), [only] if is_rowid(only)))
}

/// The row of the text that was looked for is the second one; what comes back is the one whose id is 2.
fn proof(table: &Table, column: &Name) -> Vec<String> {
    let (name, id) = (table.name.quoted(), column.quoted());
    trial::answering(vec![
        format!("CREATE TABLE {name} ({id} TEXT, body TEXT);"),
        format!("INSERT INTO {name} VALUES ('2', 'of somebody else'), ('a', 'needle');"),
        format!(
            "SELECT body FROM {name} WHERE {id} IN (SELECT rowid FROM {name} WHERE body = 'needle');"
        ),
    ])
}
