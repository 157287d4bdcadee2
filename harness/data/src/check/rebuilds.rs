//! PAT-017: what rebuilds of tables lose. Never judges what a file names itself.

use super::kept_rows::name_of;
use super::{Aspect, Broken, Outcome};
use crate::catalog::{self, Action, ForeignKey, Name, Schema, Table};
use crate::engine::Deed;
use crate::replay::{Change, ObjectKind, Step};
use crate::subject::Subject;
use crate::text::counted;
use crate::text::{FileId, find_word};
use rusqlite::Connection;

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[
    Aspect {
        criterion: "PAT-017",
        sentence: "a rebuild keeps the columns and references of its table, unless the file names the loss",
        judge: keeps_shape,
    },
    Aspect {
        criterion: "PAT-017",
        sentence: "a rebuild keeps the indexes and triggers of its table, unless the file names the loss",
        judge: keeps_objects,
    },
];

/// A table that a file drops and makes again.
struct Rebuilt {
    file: FileId,
    table: Name,
    before: Table,
    after: Table,
}

/// What a file drops and makes again under the same name, read from the statements alone.
fn rebuilt(subject: &Subject) -> Vec<Rebuilt> {
    let mut all = Vec::new();
    for number in 0..subject.replay.files.len() {
        let file = FileId(number);
        let changes: Vec<&Change> = subject
            .replay
            .steps_of(file)
            .flat_map(|(_, step)| &step.changes)
            .collect();
        let tables = || {
            changes
                .iter()
                .filter(|change| change.kind == ObjectKind::Table)
        };
        for gone in tables().filter(|change| change.after.is_none()) {
            let mut came =
                tables().filter(|change| change.name == gone.name && change.before.is_none());
            let last = came.next_back().and_then(|change| change.after.as_deref());
            let (Some(before), Some(after)) = (gone.before.as_deref(), last) else {
                continue;
            };
            // A table that the file itself made before is nobody's loss.
            let is_own = changes
                .iter()
                .take_while(|change| !std::ptr::eq(**change, *gone))
                .any(|change| {
                    change.kind == ObjectKind::Table
                        && change.name == gone.name
                        && change.before.is_none()
                });
            if let (false, Some(before), Some(after)) =
                (is_own, read(before, &gone.name), read(after, &gone.name))
            {
                all.push(Rebuilt {
                    file,
                    table: gone.name.clone(),
                    before,
                    after,
                });
            }
        }
    }
    all
}

/// A table by its statement.
fn read(sql: &str, name: &Name) -> Option<Table> {
    let connection = Connection::open_in_memory().ok()?;
    connection.execute_batch(sql).ok()?;
    let mut schema: Schema = catalog::read(&connection).ok()?;
    schema.tables.remove(name)
}

fn keeps_shape(subject: &Subject) -> Outcome {
    let all = rebuilt(subject);
    let mut broken = Vec::new();
    for one in &all {
        let text = subject.source.file(one.file).map_or("", |file| &*file.text);
        let is_named = |name: &Name| find_word(text, name.as_str(), 0).is_some();
        let object = format!("file {}", name_of(subject, one.file));
        let mut tell = |what: String| {
            broken.push(Broken {
                object: object.clone(),
                expected: format!("the new `{}` has all that the old one had", one.table),
                saw: what,
                repeat: vec![
                    format!("PRAGMA table_xinfo({});", one.table.quoted()),
                    format!("PRAGMA foreign_key_list({});", one.table.quoted()),
                ],
            });
        };
        for column in &one.before.columns {
            if one.after.column(&column.name).is_none() && !is_named(&column.name) {
                tell(format!("the column `{}` is gone", column.name));
            }
        }
        for key in one
            .before
            .foreign_keys
            .iter()
            .filter(|key| !is_kept(key, &one.after))
        {
            if key
                .columns
                .iter()
                .all(|name| one.after.column(name).is_some())
                && !is_loss_named(one, text, &key.parent)
            {
                tell(format!("the reference to `{}` is gone", key.parent));
            }
        }
        for what in actions_lost(one) {
            tell(what);
        }
        for child in no_longer_referring(subject, one) {
            tell(format!("`{child}` no longer refers to it"));
        }
    }
    Outcome::of(
        broken,
        format!(
            "{}, each with the columns and references that it had",
            counted(all.len(), "rebuilt table")
        ),
    )
}

/// Whether a file speaks of a parent to which its table no longer refers; where a column has the same name, only a comment does.
fn is_loss_named(one: &Rebuilt, text: &str, parent: &Name) -> bool {
    let is_named = |text: &str| find_word(text, parent.as_str(), 0).is_some();
    if one.before.column(parent).is_none() {
        return is_named(text);
    }
    let comments = text.lines().filter_map(|line| line.split_once("--"));
    comments.map(|(_, comment)| comment).any(is_named)
}

/// What references that are kept no longer do when their parent goes or changes its key, though nothing says that they should not.
fn actions_lost(one: &Rebuilt) -> Vec<String> {
    let says_none = |event: &str| {
        let sql = crate::text::normal(&one.after.sql);
        sql.contains(&format!("on {event} no action"))
    };
    let mut lost = Vec::new();
    for key in &one.before.foreign_keys {
        let mut keys = one.after.foreign_keys.iter();
        let Some(new) = keys.find(|new| keeps(new, key)) else {
            continue;
        };
        let pairs = [
            ("delete", key.on_delete, new.on_delete),
            ("update", key.on_update, new.on_update),
        ];
        for (event, before, after) in pairs {
            let Some(action) = done(before) else { continue };
            if done(after).is_none() && !says_none(event) {
                lost.push(format!(
                    "the reference to `{}` no longer says ON {} {action}",
                    key.parent,
                    event.to_ascii_uppercase()
                ));
            }
        }
    }
    lost
}

/// What an action does to the child, in the words of SQL; nothing for those that refuse.
fn done(action: Action) -> Option<&'static str> {
    match action {
        Action::NoAction | Action::Restrict => None,
        Action::Cascade => Some("CASCADE"),
        Action::SetNull => Some("SET NULL"),
        Action::SetDefault => Some("SET DEFAULT"),
    }
}

/// Tables that referred to a rebuilt one before the file and do not behind it: a rename takes references along.
fn no_longer_referring(subject: &Subject, one: &Rebuilt) -> Vec<Name> {
    let steps = subject.replay.steps_of(one.file);
    let changes: Vec<&Change> = steps
        .flat_map(|(_, step)| &step.changes)
        .filter(|change| change.kind == ObjectKind::Table && change.name != one.table)
        .collect();
    let refers = |sql: &str, name: &Name| {
        let table = read(sql, name)?;
        let mut keys = table.foreign_keys.iter();
        Some(keys.any(|key| key.parent == one.table))
    };
    let mut lost = Vec::new();
    for first in changes.iter().filter(|change| change.before.is_some()) {
        let own = || changes.iter().filter(|change| change.name == first.name);
        let is_first = own().next().is_some_and(|own| std::ptr::eq(*own, *first));
        let last = own().next_back().and_then(|own| own.after.as_deref());
        let (true, Some(before), Some(after)) = (is_first, first.before.as_deref(), last) else {
            continue;
        };
        if refers(before, &first.name) == Some(true) && refers(after, &first.name) == Some(false) {
            lost.push(first.name.clone());
        }
    }
    lost
}

fn is_kept(key: &ForeignKey, after: &Table) -> bool {
    // A wider reference to the same parent says more, not less.
    after.foreign_keys.iter().any(|new| keeps(new, key))
}

fn keeps(new: &ForeignKey, key: &ForeignKey) -> bool {
    new.parent == key.parent && key.columns.iter().all(|name| new.columns.contains(name))
}

fn keeps_objects(subject: &Subject) -> Outcome {
    let all = rebuilt(subject);
    let mut broken = Vec::new();
    for one in &all {
        for (kind, name) in gone_with(subject, one) {
            broken.push(Broken {
                object: format!("file {}", name_of(subject, one.file)),
                expected: format!(
                    "the new `{}` has every index and trigger of the old one",
                    one.table
                ),
                saw: format!(
                    "the {kind} `{name}` is dropped with the old table and not created again"
                ),
                repeat: vec![format!(
                    "SELECT type, name FROM sqlite_schema WHERE tbl_name = '{}';",
                    one.table
                )],
            });
        }
    }
    Outcome::of(
        broken,
        format!(
            "{}, each with the indexes and triggers that it had",
            counted(all.len(), "rebuilt table")
        ),
    )
}

/// Indexes and triggers that went with the dropped table and that the file neither names nor makes again in other words.
fn gone_with<'s>(subject: &'s Subject, one: &Rebuilt) -> Vec<(&'static str, &'s Name)> {
    let steps: Vec<&Step> = subject
        .replay
        .steps_of(one.file)
        .map(|(_, step)| step)
        .collect();
    let is_drop = |step: &&&Step| {
        step.deeds
            .iter()
            .any(|deed| matches!(deed, Deed::DropTable(table) if one.table == **table))
    };
    let changes: Vec<&Change> = steps.iter().flat_map(|step| &step.changes).collect();
    let came: Vec<&Change> = changes
        .iter()
        .copied()
        .filter(|change| change.after.is_some() && change.kind != ObjectKind::Table)
        .collect();
    let text = subject.source.file(one.file).map_or("", |file| &*file.text);
    let dropped = steps.iter().filter(is_drop).flat_map(|step| &step.changes);
    let with_it = dropped.filter(|change| change.after.is_none() && change.table == one.table);
    with_it
        .chain(followed(&steps, &one.table))
        .filter(|change| {
            !came.iter().any(|new| {
                let follows = std::ptr::eq(*new, *change);
                let is_it = new.name == change.name
                    || tail(new.after.as_deref()) == tail(change.before.as_deref());
                is_it && !follows
            })
        })
        .filter(|change| find_word(text, change.name.as_str(), 0).is_none())
        .filter_map(|change| match change.kind {
            ObjectKind::Index => Some(("index", &change.name)),
            ObjectKind::Trigger => Some(("trigger", &change.name)),
            ObjectKind::Table | ObjectKind::View => None,
        })
        .collect()
}

fn is_table(change: &Change) -> bool {
    change.kind == ObjectKind::Table
}

/// Indexes and triggers that followed their table when it was renamed out of the way, if it is dropped under that name.
fn followed<'s>(steps: &[&'s Step], table: &Name) -> impl Iterator<Item = &'s Change> {
    let renamed = steps.iter().find_map(|step| {
        let mut tables = step.changes.iter().filter(|change| is_table(change));
        let away = tables.clone().find(|change| change.before.is_none())?;
        let is_it = tables.any(|change| change.after.is_none() && change.name == *table);
        is_it.then_some((*step, &away.name))
    });
    let renamed = renamed.filter(|(_, away)| {
        let mut deeds = steps.iter().flat_map(|step| &step.deeds);
        deeds.any(|deed| matches!(deed, Deed::DropTable(table) if **away == **table))
    });
    renamed.into_iter().flat_map(|(step, away)| {
        let objects = step.changes.iter().filter(|change| !is_table(change));
        objects.filter(move |change| change.table == *away && change.before.is_some())
    })
}

/// What a statement says behind the name of its object, blanks and quotes left out.
fn tail(sql: Option<&str>) -> String {
    let sql = sql.unwrap_or_default();
    let start = find_word(sql, "on", 0).map_or(0, |word| word.start);
    let letters = sql[start..]
        .chars()
        .filter(|letter| !letter.is_whitespace() && !"\"`[]".contains(*letter));
    letters.collect::<String>().to_ascii_lowercase()
}
