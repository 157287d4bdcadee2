//! What reads files in this program, and samples of what each reads. Never reads otherwise than the program does.

use moltproof::baseline::Baseline;
use moltproof::contract::Contract;
use moltproof::init::wrangler::{read as read_wrangler, without_routes};
use moltproof::init::{AsFound, Known, draft, render};
use moltproof::report::statement::Statement;
use moltproof::report::{Report, diff, json, merge};
use moltproof::store::Store;
use moltproof::subject::manifest::Manifest;
use moltproof_data::claims::Data;
use moltproof_data::lint::{Narrowing, lint};
use moltproof_data::progress::Nobody;
use moltproof_data::source;
use moltproof_data::subject::Subject;
use std::error::Error;
use std::path::{Path, PathBuf};

type Samples = Result<Vec<Vec<u8>>, Box<dyn Error>>;

/// One kind of file.
pub(crate) struct Reader {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// The name under which it is read, in a folder.
    pub(crate) file: &'static str,
    /// Files that can be read.
    pub(crate) samples: fn(&Path) -> Samples,
    /// Reads it, and does with it what the program does; the sentence if it cannot be read.
    pub(crate) read: fn(&Path) -> Result<(), String>,
    /// The command line that reads it; it ends with exit 2 where it cannot be read.
    pub(crate) words: Option<&'static [&'static str]>,
}

/// What `init` is told to write a manifest from a wrangler configuration.
const INIT: [&str; 6] = [
    "init",
    "--yes",
    "--from",
    "{file}",
    "--output",
    "made/target.toml",
];

/// All of them.
pub(crate) const READERS: &[Reader] = &[
    Reader {
        name: "manifest",
        file: "fixtures/worker/target.toml",
        samples: |folder| {
            // What the manifests name beside themselves.
            std::os::unix::fs::symlink(root().join("migrations"), folder.join("migrations"))?;
            files(&[
                "fixtures/worker/target.toml",
                "fixtures/targets/fixed/target.toml",
                "fixtures/targets/customers/target.toml",
            ])
        },
        read: |file| {
            Manifest::read(file)
                .map(drop)
                .map_err(|error| error.to_string())
        },
        words: Some(&["doctor", "--no-launch", "--target", "{file}"]),
    },
    Reader {
        name: "baseline",
        file: "baseline/known.toml",
        samples: |_| Ok(vec![BASELINE.as_bytes().to_vec()]),
        read: |file| {
            Baseline::read(file)
                .map(drop)
                .map_err(|error| error.to_string())
        },
        words: Some(&["run", "--id", "ID-002", "--baseline", "{file}"]),
    },
    Reader {
        name: "report",
        file: "report/moltproof.json",
        samples: |_| files(&["fixtures/reports/every-outcome.json"]),
        read: report,
        words: Some(&["report", "diff", "{file}", "{file}"]),
    },
    Reader {
        name: "statement",
        file: "statement/moltproof.statement.toml",
        samples: |_| {
            let report: Report = json::read(&root().join("fixtures/reports/every-outcome.json"))?;
            Ok(vec![Statement::of(&report, &[]).render()?.into_bytes()])
        },
        read: |file| {
            let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
            let statement = Statement::parse(&text)?;
            let Err(untrue) = statement.agrees_with_itself() else {
                return Ok(());
            };
            // It can be read, and is told as untrue.
            if untrue.to_string().is_empty() {
                Err(String::new())
            } else {
                Ok(())
            }
        },
        words: Some(&["report", "verify", "{file}"]),
    },
    Reader {
        name: "history",
        file: "store/history.jsonl",
        samples: |folder| {
            let report: Report = json::read(&root().join("fixtures/reports/every-outcome.json"))?;
            let store = folder.join("kept");
            for _ in 0..3 {
                Store::at(&store).keep(&report)?;
            }
            Ok(vec![std::fs::read(store.join("history.jsonl"))?])
        },
        read: |file| {
            let store = Store::at(file.parent().unwrap_or(file));
            let (lines, _broken) = store.lines().map_err(|error| error.to_string())?;
            let lines: Vec<_> = lines.iter().collect();
            drop(moltproof::store::history::changes(&lines));
            store.find("last").map(drop).or(Ok(()))
        },
        words: None,
    },
    Reader {
        name: "wrangler",
        file: "wrangler/wrangler.jsonc",
        samples: |_| {
            files(&[
                "fixtures/worker/wrangler.jsonc",
                "fixtures/api-worker/wrangler.jsonc",
            ])
        },
        read: wrangler,
        words: Some(&INIT),
    },
    Reader {
        name: "wrangler-toml",
        file: "wrangler-toml/wrangler.toml",
        samples: |_| Ok(vec![WRANGLER.as_bytes().to_vec()]),
        read: wrangler,
        words: Some(&INIT),
    },
    Reader {
        name: "feature",
        file: "feature/own.feature",
        samples: |_| {
            files(&[
                "features/usage/durability.feature",
                "features/identity/derivation.feature",
                "features/rate_limits/quota.feature",
            ])
        },
        read: |file| {
            let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
            let text = String::from_utf8_lossy(&bytes);
            let parsed = Contract::parse(&[("own.feature", &text)]);
            parsed.map(drop).map_err(|error| error.to_string())
        },
        words: None,
    },
    Reader {
        name: "migration",
        file: "sql/0001_made.sql",
        samples: |_| {
            files(&[
                "migrations/patterns/0001_tenants_and_users.sql",
                "migrations/patterns/0005_sessions.sql",
            ])
        },
        read: |file| lint_of(file.parent().unwrap_or(file)),
        words: Some(&["db", "lint", "."]),
    },
    Reader {
        name: "database",
        file: "database/made.sqlite",
        samples: database,
        read: lint_of,
        words: Some(&["db", "lint", "{file}"]),
    },
];

const BASELINE: &str = r#"[[known]]
criterion = "ACC-001"
feature = "features/access/token_required.feature"
scenario = "A request without a token is refused"
row = 2
step = "Then the answer is refused with 403"
expected = "status 403"
seen = "status 200 {\"id\":\"<uuid-1>\"}"
reason = "The admin gate is rolled out with release 41"
owner = "platform team"
link = "https://tracker.example/MW-118"
expires = "2027-03-31"
"#;

const WRANGLER: &str = r#"name = "made"
main = "src/index.ts"
compatibility_date = "2025-01-01"
routes = [{ pattern = "*.moltworker.example/*", zone_name = "moltworker.example" }]
[vars]
APP_DOMAIN = "moltworker.example"
RATE_LIMIT = "60"
[[d1_databases]]
binding = "TENANT_DB"
database_name = "made"
database_id = "00000000-0000-0000-0000-000000000001"
[[kv_namespaces]]
binding = "TENANT_KV"
id = "0123456789abcdef0123456789abcdef"
[[r2_buckets]]
binding = "MOLTBOT_BUCKET"
bucket_name = "made"
[env.staging.vars]
APP_DOMAIN = "staging.moltworker.example"
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(paths: &[&str]) -> Samples {
    let read = paths.iter().map(|path| std::fs::read(root().join(path)));
    Ok(read.collect::<Result<_, _>>()?)
}

fn report(file: &Path) -> Result<(), String> {
    let read: Report = json::read(file).map_err(|error| error.to_string())?;
    drop(moltproof::report::text::render(&read));
    let judged: diff::Judged = json::read(file).map_err(|error| error.to_string())?;
    drop(diff::text(
        &judged,
        &judged,
        &diff::differences(&judged, &judged),
    ));
    drop(merge::merge(vec![
        ("one".to_owned(), read.clone()),
        ("two".to_owned(), read),
    ]));
    Ok(())
}

fn wrangler(file: &Path) -> Result<(), String> {
    let read = read_wrangler(file).map_err(|error| error.to_string())?;
    without_routes(file).map_err(|error| error.to_string())?;
    let known = Known {
        wrangler: Some((file.to_owned(), read)),
        environment: None,
        docker: false,
        node: None,
        address: None,
        folder: file.parent().unwrap_or(file).to_owned(),
    };
    let draft = draft(&known, &mut AsFound).map_err(|error| error.to_string())?;
    drop(render::manifest(&draft, "target.toml"));
    Ok(())
}

fn lint_of(path: &Path) -> Result<(), String> {
    let source = source::open(path).map_err(|error| error.to_string())?;
    let subject = Subject::of(source, Data::default(), 1).map_err(|error| error.to_string())?;
    drop(lint(&subject, &Narrowing::default(), &Nobody));
    Ok(())
}

/// A small database with rows, as bytes.
fn database(folder: &Path) -> Samples {
    let file = folder.join("sample.sqlite");
    let database = rusqlite::Connection::open(&file)?;
    database.execute_batch(
        "CREATE TABLE tenants (id TEXT PRIMARY KEY, slug TEXT NOT NULL UNIQUE CHECK (length(slug) > 0), created_at INTEGER NOT NULL);
         CREATE TABLE usage (id INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE, tokens INTEGER DEFAULT 0);
         CREATE INDEX usage_tenant ON usage (tenant_id);
         CREATE VIEW per_tenant AS SELECT tenant_id, sum(tokens) AS tokens FROM usage GROUP BY tenant_id;
         CREATE TRIGGER no_change BEFORE UPDATE ON usage BEGIN SELECT RAISE(ABORT, 'append only'); END;
         INSERT INTO tenants VALUES ('t1', 'acme', 1), ('t2', 'beta', 2);
         INSERT INTO usage (tenant_id, tokens) VALUES ('t1', 5), ('t2', 7);",
    )?;
    drop(database);
    Ok(vec![std::fs::read(file)?])
}
