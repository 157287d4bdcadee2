//! One file: SQL, or a SQLite database, or what it is instead. Never reads a file of more than [`BYTES_MAX`] into memory.

use super::{Kind, Source, Unusable, database};
use crate::text::{File, FileId, Statement, statements, tokens};
use std::fs::Metadata;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// The largest file of SQL that is read: 64 MiB. `wrangler d1 execute --file` takes more, but a schema of that size does not exist.
const BYTES_MAX: u64 = 64 << 20;

/// How a SQLite database begins.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// How files begin that are no SQL, and what they are.
const OTHERS: [(&[u8], &str); 10] = [
    (
        b"\x1f\x8b",
        "compressed by gzip: unpack it first (`gunzip`)",
    ),
    (
        b"\x28\xb5\x2f\xfd",
        "compressed by zstd: unpack it first (`unzstd`)",
    ),
    (b"PK\x03\x04", "a ZIP archive: unpack it first (`unzip`)"),
    (b"BZh", "compressed by bzip2: unpack it first (`bunzip2`)"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program"),
    (
        b"PGDMP",
        "a PostgreSQL dump in its own format; D1 speaks SQLite's SQL",
    ),
    (
        b"7\x7f\x06\x82",
        "a write-ahead log (-wal); name the database beside it",
    ),
];

/// Endings of files in which people keep SQLite databases.
const DATABASE_ENDINGS: [&str; 5] = ["sqlite", "sqlite3", "db", "db3", "s3db"];

/// A file as a source.
///
/// # Errors
/// [`Unusable`].
pub(super) fn open(path: &Path, metadata: &Metadata) -> Result<Source, Unusable> {
    if !metadata.is_file() {
        let reason = "is neither a file nor a folder but a pipe or a device; write what it gives into a file first";
        return Err(not_sql(path, reason));
    }
    if head(path)?.starts_with(SQLITE) {
        return database::open(path);
    }
    let text = text(path)?;
    if text.trim().is_empty() {
        return Err(not_sql(path, "is empty; there is nothing to judge"));
    }
    let name = path.file_name().unwrap_or(path.as_os_str());
    let file = File {
        name: name.to_string_lossy().into_owned(),
        path: path.to_owned(),
        text: Arc::from(text),
    };
    let statements = statements(FileId(0), &file);
    if statements.is_empty() {
        return Err(not_sql(
            path,
            "holds no statement; there is nothing to judge",
        ));
    }
    if let Some((line, what)) = foreign(&file, &statements) {
        let reason = format!(
            "line {line} is {what}, which SQLite and D1 do not know; write the schema in the SQL of SQLite, or name the migrations of the D1 database"
        );
        return Err(not_sql(path, &reason));
    }
    if !statements.iter().any(|statement| is_sqlite(&statement.sql)) {
        let first = tokens(&statements[0].sql).into_iter().next();
        let first = first.map_or_else(String::new, |token| token.form);
        let reason = format!(
            "is no SQL of SQLite: nothing in it begins as a statement does, and the first word is `{first}`; name a folder of migrations, a file of SQL or a SQLite database"
        );
        return Err(not_sql(path, &reason));
    }
    Ok(Source {
        shown: path.display().to_string(),
        files: vec![file],
        kind: Kind::Script,
        ..Source::default()
    })
}

/// The text of a file of SQL, without its byte order mark.
pub(super) fn text(path: &Path) -> Result<String, Unusable> {
    let unreadable = |source| Unusable::Unreadable {
        path: path.to_owned(),
        source,
    };
    let size = path.metadata().map_err(unreadable)?.len();
    let head = head(path)?;
    if let Some(what) = other(path, &head) {
        return Err(not_sql(path, &format!("is no SQL but {what}")));
    }
    if size > BYTES_MAX {
        let reason = format!(
            "has {} MiB; a file of SQL may have {} MiB here: give the schema alone (`sqlite3 FILE .schema`), or the database itself",
            size >> 20,
            BYTES_MAX >> 20
        );
        return Err(not_sql(path, &reason));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    if bytes.contains(&0) {
        return Err(not_sql(
            path,
            "is no SQL: it holds bytes of value 0, which no text has",
        ));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        let reason = format!(
            "is not in UTF-8: line {line} holds other bytes; convert it (`iconv -t UTF-8`)"
        );
        not_sql(path, &reason)
    })?;
    let mark = text.strip_prefix('\u{feff}').map(str::to_owned);
    Ok(mark.unwrap_or(text))
}

/// The first bytes.
fn head(path: &Path) -> Result<Vec<u8>, Unusable> {
    let mut head = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(512).read_to_end(&mut head))
        .map_err(|source| Unusable::Unreadable {
            path: path.to_owned(),
            source,
        })?;
    Ok(head)
}

/// What a file is that is no SQL, by how it begins.
fn other(path: &Path, head: &[u8]) -> Option<&'static str> {
    if head.starts_with(SQLITE) {
        return Some("a SQLite database under the name of a migration");
    }
    if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(what);
    }
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Some(
            "text in UTF-16, which wrangler cannot read: convert it (`iconv -f UTF-16 -t UTF-8`)",
        );
    }
    let is_named_database = path.extension().is_some_and(|ending| {
        DATABASE_ENDINGS
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    });
    let is_text = std::str::from_utf8(head).is_ok_and(|text| !text.contains('\0'));
    (is_named_database && !head.is_empty() && !is_text).then_some(
        "a database that is encrypted or damaged: a SQLite database begins with `SQLite format 3`; decrypt it (SQLCipher: `sqlcipher_export`), or name the migrations",
    )
}

/// How a statement of SQLite begins.
const BEGINNINGS: [&str; 23] = [
    "alter",
    "analyze",
    "attach",
    "begin",
    "commit",
    "create",
    "delete",
    "detach",
    "drop",
    "end",
    "explain",
    "insert",
    "pragma",
    "reindex",
    "release",
    "replace",
    "rollback",
    "savepoint",
    "select",
    "update",
    "vacuum",
    "values",
    "with",
];

/// Whether a statement begins as one of SQLite does.
fn is_sqlite(sql: &str) -> bool {
    let first = tokens(sql).into_iter().next();
    first.is_some_and(|token| BEGINNINGS.contains(&token.form.as_str()))
}

/// The first line that another database's tools wrote, and what it is.
fn foreign(file: &File, statements: &[Statement]) -> Option<(usize, &'static str)> {
    let line_of = |byte: usize| 1 + file.text[..byte].matches('\n').count();
    for statement in statements {
        let sql: &str = &statement.sql;
        let lower = sql
            .get(..sql.len().min(200))
            .unwrap_or(sql)
            .to_ascii_lowercase();
        let what = if sql.starts_with('\\') {
            Some("a command of psql")
        } else if lower.starts_with("copy ") && lower.contains("from stdin") {
            Some("COPY … FROM stdin of PostgreSQL (pg_dump writes INSERT with `--inserts`)")
        } else if lower.starts_with("set search_path") || lower.starts_with("select pg_catalog.") {
            Some("a setting of PostgreSQL")
        } else if lower.starts_with("delimiter ") || lower.starts_with("lock tables") {
            Some("a command of MySQL")
        } else if sql.starts_with('.') {
            Some("a command of the sqlite3 shell; only SQL is judged")
        } else {
            mysql(sql)
        };
        if let Some(what) = what {
            return Some((line_of(statement.span.start), what));
        }
    }
    None
}

/// What stands behind the closing parenthesis of a table of `MySQL`.
fn mysql(sql: &str) -> Option<&'static str> {
    let behind = &sql[sql.rfind(')')?..];
    let plain: String = behind
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .collect();
    plain
        .to_ascii_lowercase()
        .starts_with(")engine=")
        .then_some("a table with a storage engine of MySQL (ENGINE=…)")
}

fn not_sql(path: &Path, reason: &str) -> Unusable {
    Unusable::NotSql {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}
