//! Makes folders of migrations and schemas of any size, the same ones each time, with the habits of public projects: per ten files four tables, eleven
//! ALTERs, eight indexes, a trigger, a view, a back-fill, seeds, and a rebuild (public folders of 20 to 54 files have two to eleven tables per ten). Never makes a mistake on purpose: what it makes is healthy.

use std::fmt::Write as _;

/// A folder of migrations: names and texts.
pub(crate) type Folder = Vec<(String, String)>;

/// As many migrations that build on each other.
pub(crate) fn migrations(files: usize) -> Folder {
    let mut made = Made::default();
    (0..files)
        .map(|number| {
            let text = made.file(number);
            (format!("{:04}_{}.sql", number + 1, kind(number)), text)
        })
        .collect()
}

/// A schema of as many tables, as one script: what a database of that size was made by.
pub(crate) fn schema(tables: usize) -> Vec<String> {
    let mut made = Made::default();
    let mut statements = vec![TENANTS.to_owned(), USERS.to_owned()];
    while statements.iter().filter(|sql| is_table(sql)).count() < tables {
        statements.extend(made.table());
    }
    statements
}

/// A `[data]` section with a hot query and a soft delete for every table of [`schema`].
pub(crate) fn claims(tables: usize) -> String {
    let mut text = String::from(
        "[data]\ntenants = \"tenants\"\ntenant_key = \"tenant_id\"\nusers = \"users\"\ntime = \"epoch-ms\"\n",
    );
    for table in 0..tables.saturating_sub(2) {
        let name = name(table);
        let _infallible = write!(
            text,
            "\n[[data.query]]\nname = \"page of {name}\"\n\
             sql = \"SELECT id, title FROM {name} WHERE tenant_id = ?1 AND deleted_at IS NULL ORDER BY created_at DESC LIMIT ?2\"\n\
             parameters = [\"tenant\", \"limit\"]\nhot = true\nrows = \"page\"\n\
             \n[[data.soft_delete]]\ntable = \"{name}\"\ncolumn = \"deleted_at\"\n"
        );
    }
    text
}

const TENANTS: &str = "CREATE TABLE tenants (id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, plan TEXT NOT NULL DEFAULT 'free' CHECK (plan IN ('free', 'pro')), created_at INTEGER NOT NULL)";
const USERS: &str = "CREATE TABLE users (id TEXT PRIMARY KEY NOT NULL, tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE, email TEXT NOT NULL COLLATE NOCASE, created_at INTEGER NOT NULL, UNIQUE (tenant_id, email), UNIQUE (tenant_id, id))";

const NOUNS: [&str; 12] = [
    "projects", "tasks", "invoices", "messages", "files", "labels", "devices", "orders",
    "comments", "reports", "webhooks", "budgets",
];

fn name(table: usize) -> String {
    format!("{}_{}", NOUNS[table % NOUNS.len()], table / NOUNS.len() + 1)
}

fn is_table(sql: &str) -> bool {
    sql.starts_with("CREATE TABLE")
}

fn kind(number: usize) -> &'static str {
    match number % 10 {
        0 | 2 | 7 => "more_tables",
        8 => "rebuild",
        3 => "backfill",
        _ => "more_columns",
    }
}

/// What was made so far.
#[derive(Default)]
struct Made {
    tables: usize,
    columns: usize,
}

impl Made {
    /// A table with what belongs to it: references, CHECKs, two indexes, every fourth time a trigger.
    fn table(&mut self) -> Vec<String> {
        let table = self.tables;
        self.tables += 1;
        let name = name(table);
        let mut sql = format!(
            "CREATE TABLE {name} (\n  id TEXT PRIMARY KEY NOT NULL,\n  tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,\n  \
             owner_id TEXT NOT NULL,\n  title TEXT NOT NULL CHECK (length(title) BETWEEN 1 AND 200),\n  \
             status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'done', 'void')),\n  \
             tags TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(tags)),\n  amount INTEGER NOT NULL DEFAULT 0 CHECK (amount >= 0),\n  \
             created_at INTEGER NOT NULL,\n  updated_at INTEGER,\n  deleted_at INTEGER,\n"
        );
        if table % 3 == 2 {
            let parent = self::name(table - 1);
            let _infallible = writeln!(
                sql,
                "  parent_id TEXT,\n  FOREIGN KEY (tenant_id, parent_id) REFERENCES {parent} (tenant_id, id) ON DELETE CASCADE,"
            );
        }
        sql.push_str("  FOREIGN KEY (tenant_id, owner_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,\n  UNIQUE (tenant_id, id)\n)");
        let mut all = vec![
            sql,
            format!("CREATE INDEX {name}_by_owner ON {name} (tenant_id, owner_id)"),
            format!(
                "CREATE INDEX {name}_active ON {name} (tenant_id, created_at DESC) WHERE deleted_at IS NULL"
            ),
        ];
        if table % 3 == 2 {
            all.push(format!(
                "CREATE INDEX {name}_by_parent ON {name} (tenant_id, parent_id)"
            ));
        }
        if table % 4 == 3 {
            all.push(format!(
                "CREATE TRIGGER {name}_touched AFTER UPDATE OF title, status ON {name}\nBEGIN\n  \
                 UPDATE {name} SET updated_at = NEW.created_at WHERE id = NEW.id AND updated_at IS NULL;\nEND"
            ));
        }
        all
    }

    /// A table that was made some files ago.
    fn earlier(&self, back: usize) -> String {
        name(self.tables.saturating_sub(1 + back))
    }

    fn column(&mut self, table: &str) -> String {
        self.columns += 1;
        let kind = [
            "TEXT",
            "INTEGER NOT NULL DEFAULT 0",
            "TEXT NOT NULL DEFAULT ''",
        ][self.columns % 3];
        format!(
            "ALTER TABLE {table} ADD COLUMN extra_{} {kind}",
            self.columns
        )
    }

    fn file(&mut self, number: usize) -> String {
        let mut all = Vec::new();
        match number % 10 {
            0 if number == 0 => {
                all.extend([TENANTS.to_owned(), USERS.to_owned()]);
                all.extend(self.table());
            }
            0 | 2 => all.extend(self.table()),
            7 => {
                all.extend(self.table());
                let table = self.earlier(0);
                all.push(format!("CREATE VIEW open_{table} AS SELECT id, tenant_id, title FROM {table} WHERE status = 'open'"));
            }
            3 => {
                let table = self.earlier(1);
                all.push(format!(
                    "UPDATE {table} SET updated_at = created_at WHERE updated_at IS NULL"
                ));
                all.push(format!("CREATE INDEX {table}_by_status ON {table} (tenant_id, status) WHERE status = 'open'"));
            }
            8 => all.extend(rebuild(number)),
            _ => {
                for back in [2, 5] {
                    let table = self.earlier(back);
                    all.push(self.column(&table));
                }
                if number % 10 == 6 {
                    let name = preferences(number);
                    all.push(format!("CREATE TABLE {name} (tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (tenant_id, name)) WITHOUT ROWID"));
                }
                if number % 10 == 5 {
                    all.push(format!("INSERT INTO tenants (id, name, created_at) VALUES ('system-{number}', 'System', 1700000000000)"));
                }
            }
        }
        all.join(";\n\n") + ";\n"
    }
}

/// A table to which nobody refers, made anew with one more column.
fn rebuild(number: usize) -> Vec<String> {
    let name = preferences(number);
    vec![
        format!(
            "CREATE TABLE new_{name} (tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE, name TEXT NOT NULL, value TEXT NOT NULL, note TEXT NOT NULL DEFAULT '', PRIMARY KEY (tenant_id, name)) WITHOUT ROWID"
        ),
        format!(
            "INSERT INTO new_{name} (tenant_id, name, value) SELECT tenant_id, name, value FROM {name}"
        ),
        format!("DROP TABLE {name}"),
        format!("ALTER TABLE new_{name} RENAME TO {name}"),
    ]
}

/// The table that the files of a decade make and rebuild.
fn preferences(number: usize) -> String {
    format!("preferences_{}", number / 10 + 1)
}
