//! QRY-04 in the schema: texts in double quotes in defaults, views, triggers and the conditions of indexes. Never judges a name that is a column.

use super::fails::taken_for_a_text;
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::subject::Subject;
use crate::text::Span;
use crate::tree::{self, Kind};

pub(super) fn in_schema(subject: &Subject, findings: &mut Vec<Finding>) {
    let schema = subject.schema();
    for table in schema.tables.values().filter(|table| table.is_ordinary()) {
        for column in &table.columns {
            let default = column.default.as_deref().unwrap_or_default();
            let inner = default
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            if let Some(text) = inner {
                let site = subject.site_of(ObjectKind::Table, &table.name, column.name.as_str());
                let object = format!("table {}: {}", table.name, column.name);
                findings.push(finding(object, text, site));
            }
        }
        for index in table
            .indexes
            .iter()
            .filter(|index| index.condition.is_some())
        {
            let tree = index.sql.as_deref().and_then(tree::parse);
            let conditions = tree.iter().flat_map(|tree| &tree.parts);
            let conditions = conditions.filter(|part| part.kind == Kind::Where);
            let mut nodes = conditions.flat_map(|part| part.all());
            let text = nodes.find(|node| {
                let mut columns = table.columns.iter();
                node.kind == Kind::Quoted && columns.all(|column| column.name != *node.text)
            });
            if let Some(text) = text {
                let site = subject.site(ObjectKind::Index, &index.name);
                findings.push(finding(format!("index {}", index.name), &text.text, site));
            }
        }
    }
    for view in schema.views.values().filter(|view| view.sql.contains('"')) {
        let select = format!("SELECT * FROM {}", view.name.quoted());
        if let Some(text) = taken_for_a_text(subject, &select) {
            let site = subject.site_of(ObjectKind::View, &view.name, &text);
            findings.push(finding(format!("view {}", view.name), &text, site));
        }
    }
    for trigger in schema.triggers.values().filter(|one| one.sql.contains('"')) {
        let Some(sql) = crate::rule::trg::uses(subject, &trigger.table, trigger) else {
            continue;
        };
        let text = taken_for_a_text(subject, &sql);
        if let Some(text) = text.filter(|text| trigger.sql.contains(&format!("\"{text}\""))) {
            let site = subject.site_of(ObjectKind::Trigger, &trigger.name, &text);
            findings.push(finding(format!("trigger {}", trigger.name), &text, site));
        }
    }
}

fn finding(object: String, text: &str, site: Option<Span>) -> Finding {
    let message = format!(
        "\"{text}\" is no column there, so SQLite reads it as the text '{text}'; a misspelt column would go unnoticed in the same way"
    );
    Finding::new("QRY-04", Level::Warning, object, message)
        .at(site, "a text in double quotes")
        .help(format!(
            "write '{text}' for a text; double quotes are for names"
        ))
}
