//! A database whose tables and indexes are all made at once. SQLite looks through the whole schema for each one that it makes, so that thousands
//! of them take it half a minute; here each gets an empty page, and its row in `sqlite_schema`. Never checks a statement: that is done before.

use rusqlite::Connection;
use rusqlite::MAIN_DB;
use std::fmt::Write as _;
use std::sync::Arc;

/// Bytes of a page: a table without rows needs one, so that small ones keep thousands of them small.
const PAGE: usize = 512;

/// Where the header has the number of pages (<https://sqlite.org/fileformat2.html#the_database_header>).
const COUNT_AT: std::ops::Range<usize> = 28..32;

/// A row of `sqlite_schema`.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// `table`, `index`, `view` or `trigger`.
    pub(super) kind: &'static str,
    /// Its name.
    pub(super) name: String,
    /// The table that it belongs to.
    pub(super) table: String,
    /// What of its own it keeps.
    pub(super) tree: Tree,
    /// Its statement; none for the index of a `UNIQUE` or a `PRIMARY KEY`.
    pub(super) sql: Option<Arc<str>>,
}

/// The tree that an object has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tree {
    /// None: a view, a trigger.
    None,
    /// Rows by number.
    Table,
    /// Keys: an index, or a table without numbers.
    Index,
}

/// A database in which these objects are, all of them without a row.
pub(super) fn image(lines: &[Line], has_sequence: bool) -> rusqlite::Result<Connection> {
    let trees = lines.iter().filter(|line| line.tree != Tree::None);
    let trees: Vec<Tree> = trees.map(|line| line.tree).collect();
    let pages = Pages::of(&trees)?;
    let size = PAGE * (trees.len() + 1);
    let mut connection = Connection::open_in_memory()?;
    connection.deserialize_read_exact(MAIN_DB, pages, size, false)?;
    // The first table sets the format of the schema; the counters of AUTOINCREMENT come with the first one that has them.
    let counted = if has_sequence { " AUTOINCREMENT" } else { "" };
    let mut text = String::new();
    let _infallible = write!(
        text,
        "CREATE TABLE first (id INTEGER PRIMARY KEY{counted}); DROP TABLE first; PRAGMA writable_schema = ON; BEGIN;"
    );
    connection.execute_batch(&text)?;
    let mut insert = connection.prepare(
        "INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let mut page = 1_i64;
    for line in lines {
        let root = if line.tree == Tree::None {
            0
        } else {
            page += 1;
            page
        };
        insert.execute((
            line.kind,
            &line.name,
            &line.table,
            root,
            line.sql.as_deref(),
        ))?;
    }
    drop(insert);
    connection.execute_batch("COMMIT")?;
    Ok(connection)
}

/// The bytes of a database with a page for each tree, and no schema; they are made as they are read, since there are many of them.
struct Pages<'t> {
    /// What is left of the page that was made last.
    page: std::io::Cursor<Vec<u8>>,
    trees: std::slice::Iter<'t, Tree>,
}

impl<'t> Pages<'t> {
    fn of(trees: &'t [Tree]) -> rusqlite::Result<Self> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(&format!(
            "PRAGMA page_size = {PAGE}; PRAGMA user_version = 1; PRAGMA user_version = 0"
        ))?;
        let mut first = connection.serialize(MAIN_DB)?.to_vec();
        first.truncate(PAGE);
        let count = u32::try_from(trees.len() + 1).unwrap_or(u32::MAX);
        first[COUNT_AT].copy_from_slice(&count.to_be_bytes());
        Ok(Self {
            page: std::io::Cursor::new(first),
            trees: trees.iter(),
        })
    }
}

impl std::io::Read for Pages<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.page.read(into)?;
        if read > 0 || into.is_empty() {
            return Ok(read);
        }
        let Some(tree) = self.trees.next() else {
            return Ok(0);
        };
        // A leaf without cells: its kind, no free block, no cell, the content begins at the end of the page.
        let page = self.page.get_mut();
        page.fill(0);
        page[0] = if *tree == Tree::Index { 0x0a } else { 0x0d };
        page[5..7].copy_from_slice(&0x0200_u16.to_be_bytes());
        self.page.set_position(0);
        self.page.read(into)
    }
}
