//! A few rows made many, by SQL: copies of them with other keys, whose references lead to copies of their parents. Never makes the first rows.

mod columns;

use super::order::parents_first;
use super::{Owner, Tenancy};
use crate::catalog::{Name, Schema, Table, Trigger};
use crate::claims::Data;
use crate::progress::{Progress, Work};
use crate::text::find_word;
use columns::{Columns, Freedom, Shape, columns};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// What became of the tables that were to hold many rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Many {
    /// The rows of each table that was filled.
    pub held: BTreeMap<Name, u64>,
    /// Tables that do not take so many rows, and why, as the end of the sentence "it does not hold many rows: …".
    pub refused: BTreeMap<Name, String>,
}

/// Fills these tables, and all that they refer to, with copies of the rows that are there, until each holds so many rows, and runs `ANALYZE`.
/// Nine tenths of the copies belong to copies of what their rows belong to, the rest to what is there: one tenant has much, the others have little.
/// Triggers of these tables that write are dropped first, unless they keep one of the virtual tables up to date: copies are made of what they made.
///
/// # Errors
/// What SQLite says where the database itself cannot be used.
pub fn fill_many(
    connection: &Connection,
    (schema, claims): (&Schema, &Data),
    tenancy: &Tenancy,
    (tables, rows): (&[Name], u64),
    progress: &dyn Progress,
) -> rusqlite::Result<Many> {
    let (virtual_tables, tables): (Vec<Name>, Vec<Name>) =
        parents_first(schema, tables).into_iter().partition(|name| {
            let table = schema.tables.get(name);
            table.is_some_and(|table| !table.is_ordinary())
        });
    connection.execute_batch("BEGIN")?;
    for trigger in schema.triggers.values() {
        if tables.contains(&trigger.table) && is_side_work(trigger, &virtual_tables) {
            connection.execute_batch(&format!("DROP TRIGGER main.{}", trigger.name.quoted()))?;
        }
    }
    let mut filling = Filling {
        connection,
        claims,
        tenancy,
        rows,
        own: 0,
        filled: BTreeMap::new(),
        many: Many::default(),
    };
    filling.own = filling.own_numbers(&tables)?;
    for (done, name) in tables.iter().enumerate() {
        progress.hear(Work::Tables, done, tables.len());
        if let Some(table) = schema.tables.get(name) {
            filling.fill(table)?;
        }
    }
    progress.hear(Work::Tables, tables.len(), tables.len());
    for name in &virtual_tables {
        filling.note_virtual(name);
    }
    let many = filling.many;
    connection.execute_batch(&format!(
        "DROP TABLE IF EXISTS {FIRST}; COMMIT; ANALYZE main"
    ))?;
    if has_samples(connection)? {
        connection.execute_batch("DELETE FROM sqlite_stat4; ANALYZE sqlite_schema")?;
    }
    Ok(many)
}

/// Whether `ANALYZE` took samples of keys too, which is an option of SQLite's build (`SQLITE_ENABLE_STAT4`). A plan is not to hang on them: nothing says
/// that D1's SQLite takes any.
fn has_samples(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat4')";
    connection.query_row(sql, [], |row| row.get(0))
}

/// Whether a trigger writes, and into none of these tables.
fn is_side_work(trigger: &Trigger, kept: &[Name]) -> bool {
    let Some(begin) = find_word(&trigger.sql, "begin", 0) else {
        return false;
    };
    let names = |word: &str| find_word(&trigger.sql, word, begin.end).is_some();
    let writes =
        ["insert", "update", "delete"].into_iter().any(names) || names("replace") && names("into");
    writes && !kept.iter().any(|name| names(name.as_str()))
}

struct Filling<'f> {
    connection: &'f Connection,
    claims: &'f Data,
    tenancy: &'f Tenancy,
    rows: u64,
    /// Copies up to this number refer to the copies of their parents with the same number, those beyond it to the first rows.
    own: u64,
    /// What happens to the columns of the tables that are filled.
    filled: BTreeMap<Name, Columns>,
    many: Many,
}

/// The first rows of the table that is being filled.
const FIRST: &str = "temp.\"the first rows\"";

impl Filling<'_> {
    fn count(&self, table: &Name) -> rusqlite::Result<u64> {
        let sql = format!("SELECT count(*) FROM main.{}", table.quoted());
        let count: i64 = self.connection.query_row(&sql, [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// How many copies of its rows a table needs.
    fn copies(&self, table: &Name) -> rusqlite::Result<Option<u64>> {
        let count = self.count(table)?;
        Ok((count > 0).then(|| self.rows.saturating_sub(count).div_ceil(count)))
    }

    fn own_numbers(&self, tables: &[Name]) -> rusqlite::Result<u64> {
        let mut least = self.rows;
        for table in tables {
            if let Some(copies) = self.copies(table)? {
                least = least.min(copies);
            }
        }
        Ok((least / 10 * 9).max(1))
    }

    /// Fills one table in the first way that it takes, the most lifelike one first.
    fn fill(&mut self, table: &Table) -> rusqlite::Result<()> {
        let Some(copies) = self.copies(&table.name)? else {
            let reason = "no first row could be made for it".to_owned();
            self.many.refused.insert(table.name.clone(), reason);
            return Ok(());
        };
        let names: Vec<String> = columns::written(table).map(Name::quoted).collect();
        self.connection.execute_batch(&format!(
            "DROP TABLE IF EXISTS {FIRST}; CREATE TABLE {FIRST} AS SELECT {} FROM main.{}",
            names.join(", "),
            table.name.quoted()
        ))?;
        let mut why = String::new();
        for freedom in Freedom::ALL {
            for shape in Shape::ALL {
                let plan = self.columns(table, freedom, shape)?;
                let last = if plan.is_bound {
                    copies.min(self.own)
                } else {
                    copies
                };
                let done = self
                    .try_out(table, &plan, last)?
                    .and_then(|()| self.insert(table, &plan, &up_to(last)));
                let Err(error) = done else {
                    return self.note(table, plan);
                };
                why = error.to_string();
            }
        }
        self.many.refused.insert(table.name.clone(), why);
        Ok(())
    }

    fn note(&mut self, table: &Table, plan: Columns) -> rusqlite::Result<()> {
        let count = self.count(&table.name)?;
        if count < self.rows / 2 {
            let reason = format!("its keys have room for {count} rows beside those of its parents");
            self.many.refused.insert(table.name.clone(), reason);
        } else {
            self.many.held.insert(table.name.clone(), count);
        }
        self.filled.insert(table.name.clone(), plan);
        Ok(())
    }

    /// A virtual table holds what the triggers of others have written.
    fn note_virtual(&mut self, name: &Name) {
        let count = self.count(name).unwrap_or(0);
        if count < self.rows / 2 {
            let reason = "no trigger of a table that a hot query reads keeps it up to date";
            self.many.refused.insert(name.clone(), reason.to_owned());
        } else {
            self.many.held.insert(name.clone(), count);
        }
    }

    fn columns(&self, table: &Table, freedom: Freedom, shape: Shape) -> rusqlite::Result<Columns> {
        let soft_delete = self.claims.soft_delete.iter();
        let marks: BTreeSet<Name> = soft_delete
            .filter(|claim| table.name == claim.table.as_str())
            .map(|claim| Name::new(&claim.column))
            .collect();
        let tenant = match self.tenancy.scoped.get(&table.name) {
            Some(Owner::Key(column)) => {
                let tenants = self.filled.get(&self.tenancy.tenants);
                let role = tenants.and_then(|tenants| tenants.roles.get(&self.tenancy.key));
                role.map(|role| (column.clone(), role.followed()))
            }
            Some(Owner::Tenant | Owner::Through(_)) | None => None,
        };
        columns(
            (self.connection, FIRST),
            table,
            &self.filled,
            (freedom, shape),
            (&marks, tenant),
        )
    }

    /// A few of the copies, undone again: the smallest and the greatest numbers, and what SQLite says to them.
    fn try_out(
        &self,
        table: &Table,
        plan: &Columns,
        last: u64,
    ) -> rusqlite::Result<rusqlite::Result<()>> {
        let some = BTreeSet::from([1, 2, self.own + 1, last]);
        let some: Vec<String> = some
            .into_iter()
            .filter(|number| *number <= last)
            .map(|number| format!("({number})"))
            .collect();
        if some.is_empty() {
            return Ok(Ok(()));
        }
        self.connection.execute_batch("SAVEPOINT some_copies")?;
        let done = self.insert(
            table,
            plan,
            &format!("numbers(n) AS (VALUES {})", some.join(", ")),
        );
        self.connection
            .execute_batch("ROLLBACK TO some_copies; RELEASE some_copies")?;
        Ok(done)
    }

    fn insert(&self, table: &Table, plan: &Columns, numbers: &str) -> rusqlite::Result<()> {
        let names = columns::written(table).map(Name::quoted);
        let names: Vec<String> = names.collect();
        let values: Vec<String> = columns::written(table)
            .map(|column| plan.value(column))
            .collect();
        let sql = format!(
            "WITH RECURSIVE {numbers} INSERT INTO main.{} ({}) SELECT {} \
            FROM (SELECT n, iif(n <= {}, n, 0) AS m FROM numbers) CROSS JOIN {FIRST} AS t",
            table.name.quoted(),
            names.join(", "),
            values.join(", "),
            self.own
        );
        self.connection.execute(&sql, []).map(|_rows| ())
    }
}

/// The numbers of the copies, from 1.
fn up_to(last: u64) -> String {
    format!(
        "numbers(n) AS (SELECT 1 WHERE {last} > 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})"
    )
}
