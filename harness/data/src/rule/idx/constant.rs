//! IDX-05: an index on an expression that is the same for each row, which is what a mistyped name in double quotes is. Never reports an index that reads a column.

use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::trial;
use crate::subject::Subject;
use crate::tree::{self, Kind, Node};

pub(in crate::rule) fn of_a_string(subject: &Subject, findings: &mut Vec<Finding>) {
    for table in subject.schema().tables.values() {
        for index in &table.indexes {
            if index.columns.iter().all(|part| part.name.is_some()) {
                continue;
            }
            let Some(sql) = index.sql.as_deref() else {
                continue;
            };
            let Some(tree) = tree::parse(sql) else {
                continue;
            };
            let reads = |node: &&Node| {
                let is_column = node.kind == Kind::Column
                    || node.kind == Kind::Quoted
                        && table
                            .columns
                            .iter()
                            .any(|column| column.name == node.text.as_str());
                is_column || node.kind == Kind::Star
            };
            let terms = tree.parts.iter().filter(|part| part.kind != Kind::Where);
            let constant = terms.into_iter().find(|term| !term.all().iter().any(reads));
            let Some(name) = constant.and_then(|term| {
                let nodes = term.all();
                nodes
                    .into_iter()
                    .find(|node| matches!(node.kind, Kind::Quoted | Kind::Text))
            }) else {
                continue;
            };
            let text = &name.text;
            let message = format!(
                "`{}` is not on a column `{text}` of `{}`, which does not exist, but on the text '{text}', which is the same for each row",
                index.name, table.name
            );
            let columns: Vec<_> = table
                .columns
                .iter()
                .take(3)
                .map(|column| &column.name)
                .collect();
            let proof = trial::answering(vec![
                ".dbconfig dqs_ddl on".to_owned(),
                trial::sketch(table, &columns, &[], &[]),
                format!(
                    "CREATE INDEX {} ON {} (\"{text}\");",
                    index.name.quoted(),
                    table.name.quoted()
                ),
                format!(
                    "SELECT name IS NULL AS is_no_column FROM pragma_index_info('{}');",
                    index.name.as_str().replace('\'', "''")
                ),
            ]);
            findings.push(
                Finding::new(
                    "IDX-05",
                    Level::Error,
                    format!("index {}", index.name),
                    message,
                )
                .at(
                    subject.site_of(ObjectKind::Index, &index.name, text),
                    "a text, not a column",
                )
                .related(
                    subject.site(ObjectKind::Table, &table.name),
                    "has no such column",
                )
                .help("mend the name; SQLite takes an unknown name in double quotes for a text")
                .proof(proof),
            );
        }
    }
}
