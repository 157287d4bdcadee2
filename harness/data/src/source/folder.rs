//! A folder of migrations, in the order in which wrangler applies them. Never takes the way back (`down.sql`) for a migration.

use super::{Kind, Source, Unusable};
use crate::text::File;
use d1_platform::migration_order;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a migration is called in a folder of its own: prisma's and drizzle's name, diesel's name.
const IN_ITS_OWN_FOLDER: [&str; 2] = ["migration.sql", "up.sql"];

/// The migrations of a folder: its `.sql` files or, where it has none, the `migration.sql` or `up.sql` of its sub-folders.
/// `name.down.sql` beside `name.up.sql` or `name.sql` is the way back, which no runner applies.
///
/// # Errors
/// [`Unusable::Unreadable`], [`Unusable::NoMigrations`].
pub fn folder(path: &Path) -> Result<Source, Unusable> {
    let entries = entries(path)?;
    let mut files = Vec::new();
    for (name, file) in forwards(&entries) {
        files.push(named(name, file)?);
    }
    if files.is_empty() {
        for (name, below) in &entries {
            let migration = IN_ITS_OWN_FOLDER.map(|file| (file, below.join(file)));
            if let Some((file, migration)) = migration.iter().find(|(_, at)| at.is_file()) {
                files.push(named(&format!("{name}/{file}"), migration)?);
            }
        }
    }
    if files.is_empty() {
        return Err(Unusable::NoMigrations {
            path: path.to_owned(),
            below: below(path),
        });
    }
    if files.iter().all(|file| version(&file.name).is_some()) {
        // refinery and Flyway apply these by their numbers; wrangler would by the letters of their names.
        files.sort_by_key(|file| version(&file.name));
    } else {
        files.sort_by(|a, b| migration_order(&a.name).cmp(&migration_order(&b.name)));
    }
    Ok(Source {
        shown: path.display().to_string(),
        files,
        kind: Kind::Migrations,
        ..Source::default()
    })
}

/// The number of `V12__name.sql`, as refinery and Flyway number migrations; `V1_2__` and `V1.2__` are parts of a number.
pub(crate) fn version(name: &str) -> Option<Vec<u64>> {
    let (number, _) = name.strip_prefix(['V', 'v'])?.split_once("__")?;
    let parts = number.split(['_', '.']).map(str::parse);
    parts.collect::<Result<_, _>>().ok()
}

/// Names and paths of what a folder holds.
fn entries(path: &Path) -> Result<Vec<(String, PathBuf)>, Unusable> {
    let listed = std::fs::read_dir(path).and_then(|entries| {
        entries
            .map(|entry| {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                Ok((name, entry.path()))
            })
            .collect()
    });
    listed.map_err(|source| Unusable::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// The `.sql` files among them that lead forwards.
fn forwards(entries: &[(String, PathBuf)]) -> impl Iterator<Item = &(String, PathBuf)> {
    let names: BTreeSet<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    entries.iter().filter(move |(name, path)| {
        let leads_back = name.strip_suffix(".down.sql").is_some_and(|stem| {
            let ways = [format!("{stem}.up.sql"), format!("{stem}.sql")];
            ways.iter().any(|way| names.contains(way.as_str()))
        });
        let is_sql = path.extension().is_some_and(|ending| ending == "sql");
        is_sql && !leads_back && path.is_file()
    })
}

/// How deep below a folder migrations are looked for, and how many folders are named.
const LOOK: (usize, usize) = (3, 5);

/// Folders below this one that hold migrations.
pub(super) fn below(path: &Path) -> Vec<PathBuf> {
    let mut found = BTreeSet::new();
    let mut level = vec![path.to_owned()];
    for _ in 0..LOOK.0 {
        let mut next = Vec::new();
        for above in level {
            let here = if above.as_os_str().is_empty() {
                Path::new(".")
            } else {
                &above
            };
            for (name, _) in entries(here).unwrap_or_default() {
                let folder = above.join(&name);
                let is_skipped =
                    name.starts_with('.') || name == "node_modules" || name == "target";
                if is_skipped || !folder.is_dir() {
                    continue;
                }
                let entries = entries(&folder).unwrap_or_default();
                let is_single = forwards(&entries).all(|(name, _)| in_its_own_folder(name));
                if forwards(&entries).next().is_some() {
                    let holder = if is_single { here } else { &folder };
                    found.insert(holder.to_owned());
                }
                next.push(folder);
            }
        }
        level = next;
    }
    found.into_iter().take(LOOK.1).collect()
}

/// Whether a file is called like the migration that its folder is named for.
fn in_its_own_folder(name: &str) -> bool {
    IN_ITS_OWN_FOLDER.contains(&name) || name == "down.sql"
}

fn named(name: &str, path: &Path) -> Result<File, Unusable> {
    let text = super::file::text(path)?;
    let text = text.as_str();
    Ok(File {
        name: name.to_owned(),
        path: path.to_owned(),
        text: Arc::from(&text[..way_back(text)]),
    })
}

/// The comments before the way forwards and the way back within one file: of goose, sql-migrate, dbmate and tern.
const WAYS: [(&str, &str); 4] = [
    ("-- +goose up", "-- +goose down"),
    ("-- +migrate up", "-- +migrate down"),
    ("-- migrate:up", "-- migrate:down"),
    ("", "---- create above / drop below ----"),
];

/// Where a file begins to undo what it did; its end if it does not.
fn way_back(text: &str) -> usize {
    let begins = |line: &str, words: &str| {
        line.get(..words.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(words))
    };
    let mut forwards = [false, false, false, true];
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        for ((up, down), is_forwards) in WAYS.iter().zip(&mut forwards) {
            if *is_forwards && begins(line, down) {
                return start;
            }
            *is_forwards |= begins(line, up);
        }
        start += line.len();
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::{folder, way_back};

    /// The names of the migrations of a folder that holds these files.
    fn names(files: &[&str]) -> Vec<String> {
        let place = tempfile::tempdir().expect("a folder can be made");
        for file in files {
            let path = place.path().join(file);
            let below = path.parent().expect("a file lies in a folder");
            std::fs::create_dir_all(below).expect("a folder can be made");
            std::fs::write(&path, "SELECT 1;").expect("a file can be written");
        }
        let source = folder(place.path()).expect("the folder holds migrations");
        source.files.into_iter().map(|file| file.name).collect()
    }

    #[test]
    fn a_migration_may_lie_in_a_folder_of_its_own() {
        let prisma = names(&[
            "20250914_b/migration.sql",
            "20250911_a/migration.sql",
            "20250911_a/README.md",
            "migration_lock.toml",
        ]);
        assert_eq!(
            prisma,
            ["20250911_a/migration.sql", "20250914_b/migration.sql"]
        );
        let diesel = names(&["2024-09-18_x/up.sql", "2024-09-18_x/down.sql"]);
        assert_eq!(diesel, ["2024-09-18_x/up.sql"]);
    }

    #[test]
    fn sub_folders_do_not_count_where_the_folder_itself_holds_migrations() {
        assert_eq!(
            names(&["0001_a.sql", "0002_b/migration.sql"]),
            ["0001_a.sql"]
        );
    }

    #[test]
    fn versions_of_refinery_and_flyway_are_numbers() {
        let files = ["V1__a.sql", "V10__c.sql", "V2__b.sql", "V2_1__d.sql"];
        assert_eq!(
            names(&files),
            ["V1__a.sql", "V2__b.sql", "V2_1__d.sql", "V10__c.sql"]
        );
        // Where others lie beside them, wrangler's order is the only one that is known.
        assert_eq!(
            names(&["V2__b.sql", "V10__c.sql", "x.sql"])[0],
            "V10__c.sql"
        );
    }

    #[test]
    fn the_way_back_is_no_migration() {
        let files = ["1_a.down.sql", "1_a.up.sql", "2_b.sql", "2_b.down.sql"];
        assert_eq!(names(&files), ["1_a.up.sql", "2_b.sql"]);
        assert_eq!(names(&["3_shut.down.sql"]), ["3_shut.down.sql"]);
    }

    #[test]
    fn the_way_back_within_a_file_is_left_out() {
        let forwards = |text: &str| text[..way_back(text)].to_owned();
        for (up, down) in [
            ("-- +goose Up", "-- +goose Down"),
            ("-- +migrate Up", "-- +migrate Down notransaction"),
            ("-- migrate:up", "-- migrate:down"),
            ("", "---- create above / drop below ----"),
        ] {
            let way = format!("{up}\nCREATE TABLE a (b);\n");
            assert_eq!(forwards(&format!("{way}{down}\nDROP TABLE a;\n")), way);
        }
        let alone = "CREATE TABLE a (b);\n-- migrate:down is what dbmate calls it\nDROP TABLE c;";
        assert_eq!(forwards(alone), alone);
    }
}
