//! MIG-01: what to say of a statement that another database would take. Never decides that a statement fails: SQLite has said so.

use crate::text::find_word;

/// Words that only one other family of databases knows, and its name.
const FOREIGN: [(&str, &[&str]); 3] = [
    (
        "PostgreSQL",
        &[
            "timestamptz",
            "bigserial",
            "serial",
            "now",
            "gen_random_uuid",
            "uuid_generate_v4",
            "jsonb_build_object",
            "btree",
            "language",
            "extension",
            "::",
            "$$",
            "character varying",
            "as enum",
            "set not null",
            "drop not null",
            "add constraint",
            "using gin",
            "interval",
        ],
    ),
    (
        "MySQL",
        &[
            "auto_increment",
            "engine",
            "charset",
            "unsigned",
            "modify column",
            "change column",
            "on update current_timestamp",
            "mediumtext",
            "longtext",
            "enum(",
            "tinyint(1)",
        ],
    ),
    (
        "SQL Server",
        &[
            "nvarchar(max)",
            "identity(",
            "getdate",
            "datetime2",
            "uniqueidentifier",
        ],
    ),
];

/// Advice for a statement that SQLite cannot read, if it is known where it comes from.
pub(super) fn advice(sql: &str, message: &str) -> Option<String> {
    if !(message.contains("syntax error") || message.contains("unrecognized token")) {
        return None;
    }
    let lower = sql.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let plain = words.join(" ");
    let is_alter = plain.starts_with("alter table");
    if is_alter && plain.contains(" add column if not exists ") {
        return Some("SQLite knows no ADD COLUMN IF NOT EXISTS; leave the words out: the list of applied migrations sees to it that the file runs once".to_owned());
    }
    if is_alter && plain.contains(" alter column ") && find_word(&lower, "to", 0).is_some() {
        return Some("ALTER COLUMN … TO is libSQL's (Turso), and drizzle-kit writes it for the dialect `turso`; D1 does not know it: make the table anew, or generate with the dialect `sqlite`".to_owned());
    }
    FOREIGN.iter().find_map(|(database, words)| {
        let is_there = |word: &&str| {
            if word.chars().all(|letter| letter.is_alphanumeric() || letter == '_') {
                find_word(&lower, word, 0).is_some()
            } else {
                plain.contains(*word)
            }
        };
        words.iter().any(is_there).then(|| {
            format!("this is written for {database}, and D1 speaks SQLite's SQL: generate the migrations for SQLite, or translate the statement")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_other_databases_are_known() {
        let why = "near \"x\": syntax error";
        let told = |sql: &str| advice(sql, why).unwrap_or_default();
        assert!(told("CREATE TABLE t (at TIMESTAMPTZ DEFAULT now())").contains("PostgreSQL"));
        assert!(told("SELECT '{}'::jsonb").contains("PostgreSQL"));
        assert!(told("CREATE TABLE t (id INT UNSIGNED AUTO_INCREMENT)").contains("MySQL"));
        assert!(told("ALTER TABLE t\n  ADD COLUMN IF NOT EXISTS a TEXT").contains("IF NOT EXISTS"));
        assert!(told("ALTER TABLE `t` ALTER COLUMN \"a\" TO \"a\" text").contains("libSQL"));
        assert_eq!(told("CREATE TABEL t (id INTEGER)"), "");
        assert_eq!(
            advice(
                "ALTER TABLE t ADD COLUMN IF NOT EXISTS a",
                "no such table: t"
            ),
            None
        );
    }
}
