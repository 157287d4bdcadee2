//! Tables that keep records of others: audit logs and sessions. Never takes a table for one by its name alone.

use super::{column, list, quoted};
use crate::catalog::{Name, Schema, Table};
use crate::text::find_word;
use std::fmt::Write as _;

/// An audit log, and what its triggers track.
pub(super) fn audit(text: &mut String, schema: &Schema, table: &Table) {
    let action = column(table, &["action", "operation", "event", "event_type"]);
    let resource = column(
        table,
        &[
            "resource_id",
            "entity_id",
            "record_id",
            "row_id",
            "target_id",
            "resourceId",
            "entityId",
        ],
    );
    let (Some(action), Some(resource)) = (action, resource) else {
        return;
    };
    if !table.name.as_str().to_ascii_lowercase().contains("audit") {
        return;
    }
    let mut tracks: Vec<&str> = schema
        .triggers
        .values()
        .filter(|trigger| {
            trigger.table != table.name && find_word(&trigger.sql, table.name.as_str(), 0).is_some()
        })
        .map(|trigger| trigger.table.as_str())
        .collect();
    tracks.sort_unstable();
    tracks.dedup();
    let writer = if tracks.is_empty() {
        "application"
    } else {
        "database"
    };
    let _infallible = write!(
        text,
        "\n# its name and columns; what it tracks is told by the triggers that write into it\n[[data.audit]]\nlog = {}\ntracks = {}\naction = {}\nresource = {}\nwriter = \"{writer}\"\n",
        quoted(table.name.as_str()),
        list(&tracks),
        quoted(action),
        quoted(resource)
    );
    for (key, names) in [
        ("actor", ["actor", "actor_id", "user_id"]),
        (
            "resource_type",
            ["resource_type", "entity_type", "table_name"],
        ),
        ("old", ["old_values", "old_value", "old_data"]),
        ("new", ["new_values", "new_value", "new_data"]),
    ] {
        if let Some(name) = column(table, &names) {
            let _infallible = writeln!(text, "{key} = {}", quoted(name));
        }
    }
}

/// Sessions, with statements that an application would write.
pub(super) fn session(text: &mut String, table: &Table) {
    let name = table.name.as_str().to_ascii_lowercase();
    let expires = column(table, &["expires_at", "expiresAt", "expires", "expiry"]);
    let (Some(expires), [id]) = (
        expires.filter(|_column| name.contains("session")),
        table.primary_key.as_slice(),
    ) else {
        return;
    };
    let (own, id, ends) = (
        table.name.quoted(),
        id.quoted(),
        Name::new(expires).quoted(),
    );
    let _infallible = write!(
        text,
        "\n# its name, and a column of its end; the statements are made up\n[[data.session]]\ntable = {}\nexpires = {}\nvalid = {}\nvalid_parameters = [\"id\", \"now\"]\npurge = {}\npurge_parameters = [\"now\"]\n",
        quoted(table.name.as_str()),
        quoted(expires),
        quoted(&format!(
            "SELECT {id} FROM {own} WHERE {id} = ?1 AND {ends} > ?2"
        )),
        quoted(&format!("DELETE FROM {own} WHERE {ends} <= ?1"))
    );
}
