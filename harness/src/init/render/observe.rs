//! What the harness plays and looks at where `wrangler dev` runs, the limits there, and its migrations. Never looks itself.

use super::super::{Chosen, Started, quota};
use super::launch::program;
use super::text::{lexical, one_line, quoted, words};
use std::fmt::Write as _;

/// Where `wrangler dev` serves its local explorer.
const EXPLORER: &str = "/cdn-cgi/explorer/api";

/// Scenarios side by side under `wrangler dev`. Evidence: the proxy that it puts before the Worker answers 503 in its place when it meets
/// a connection that workerd has closed; the fewer at once, the rarer, and with four a whole run had none.
const AT_ONCE: usize = 4;

/// What the harness plays.
pub(super) fn control(out: &mut String, started: &Started) -> std::fmt::Result {
    writeln!(
        out,
        "# The harness plays the AI Gateway and the Access team domain, and chooses the client ip.\n[control]"
    )?;
    writeln!(out, "ai_gateway = true\naccess = true\nclient_ip = true")?;
    let team = started.bindings.values.get("CF_ACCESS_TEAM_DOMAIN");
    if team.is_some_and(|team| !team.contains("://")) {
        writeln!(
            out,
            "# This Worker has its team domain without `https://`, and puts that before it: let both speak https."
        )?;
        writeln!(
            out,
            "# Set tls = true here, NODE_EXTRA_CA_CERTS = \"{{ca_file}}\" in [launch.environment], and the team domain above to \"{{team_host}}\"."
        )?;
    } else {
        writeln!(
            out,
            "# For a Worker that accepts https only: tls = true, and NODE_EXTRA_CA_CERTS = \"{{ca_file}}\" in [launch.environment]."
        )?;
    }
    writeln!(out)
}

/// What it may look at.
pub(super) fn observe(out: &mut String, started: &Started) -> std::fmt::Result {
    writeln!(
        out,
        "# What the harness may look at; what is left out is not verified.\n[observe]"
    )?;
    let bindings = &started.bindings;
    match bindings.d1.first() {
        Some(database) => writeln!(
            out,
            "d1 = {{ kind = \"explorer\", path = \"{EXPLORER}\", database = {} }}",
            quoted(database.kept_as())
        )?,
        None => writeln!(
            out,
            "# No D1 database was found: d1 = {{ kind = \"explorer\", path = \"{EXPLORER}\", database = \"its database_id\" }}"
        )?,
    }
    match bindings.kv.first() {
        Some(kept) => writeln!(
            out,
            "kv = {{ kind = \"explorer\", path = \"{EXPLORER}\", namespace = {} }}",
            quoted(&kept.kept_as)
        )?,
        None => writeln!(
            out,
            "# No KV namespace was found: kv = {{ kind = \"explorer\", path = \"{EXPLORER}\", namespace = \"its id\" }}"
        )?,
    }
    match bindings.r2.first() {
        Some(kept) => writeln!(
            out,
            "r2 = {{ kind = \"explorer\", path = \"{EXPLORER}\", bucket = {} }}",
            quoted(&kept.kept_as)
        )?,
        None => writeln!(
            out,
            "# No R2 bucket was found: r2 = {{ kind = \"explorer\", path = \"{EXPLORER}\", bucket = \"its name\" }}"
        )?,
    }
    several(out, started)?;
    writeln!(out, "logs = \"output\"\n")
}

/// Which of several stores is looked at, and why.
fn several(out: &mut String, started: &Started) -> std::fmt::Result {
    let bindings = &started.bindings;
    let databases: Vec<&str> = bindings.d1.iter().map(|one| one.binding.as_str()).collect();
    let names = one_line(&databases.join(", "));
    match started.chosen {
        Chosen::Only => {}
        Chosen::ByTable => writeln!(
            out,
            "# There are several D1 databases ({names}); the first of these is looked at: its migrations make the table `tenants`."
        )?,
        Chosen::First => writeln!(
            out,
            "# There are several D1 databases ({names}), and no migrations tell which has the tenants; the first is looked at."
        )?,
    }
    for (what, kept) in [
        ("KV namespaces", &bindings.kv),
        ("R2 buckets", &bindings.r2),
    ] {
        if kept.len() > 1 {
            let names: Vec<&str> = kept.iter().map(|one| one.binding.as_str()).collect();
            writeln!(
                out,
                "# There are several {what} ({}); the first is looked at.",
                one_line(&names.join(", "))
            )?;
        }
    }
    Ok(())
}

/// What the Worker says of its limits.
pub(super) fn limits(out: &mut String, started: &Started) -> std::fmt::Result {
    writeln!(out, "[limits]")?;
    match quota(&started.bindings) {
        Some((requests, seconds)) => writeln!(out, "quota = [{requests}, {seconds}]")?,
        None => writeln!(
            out,
            "# Quota of the free tier, requests and seconds; the contract's default is taken: quota = [60, 60]"
        )?,
    }
    match started.small_quota {
        Some((requests, seconds)) => writeln!(out, "small_quota = [{requests}, {seconds}]")?,
        None => writeln!(
            out,
            "# Quota of the variant small-limits: small_quota = [5, 2]"
        )?,
    }
    if started.bindings.rate_limit.is_some() {
        writeln!(
            out,
            "# The rate limit binding counts permissively: only the form of refusals is judged.\nexact = false"
        )?;
    } else {
        writeln!(
            out,
            "# If the Worker counts exactly (a Durable Object does, the rate limit binding does not): exact = true"
        )?;
    }
    writeln!(
        out,
        "# workerd itself refuses malformed hosts, before the Worker is asked.\nruntime_answers_malformed_requests = true"
    )?;
    writeln!(
        out,
        "# The more at once, the likelier that the proxy of `wrangler dev` answers in the Worker's place.\nconcurrency = {AT_ONCE}\n"
    )
}

/// How its migrations are applied.
pub(super) fn migrations(out: &mut String, started: &Started) -> std::fmt::Result {
    let Some(database) = started
        .bindings
        .d1
        .first()
        .filter(|_| started.has_migrations)
    else {
        return writeln!(
            out,
            "# No migrations were found; with them: [migrations] folder, command, database\n"
        );
    };
    let folder = lexical(&started.folder.join(&database.migrations));
    let mut command = program(started);
    let words_of = [
        "d1",
        "migrations",
        "apply",
        "DB",
        "--local",
        "--persist-to",
        "{state}",
        "--config",
        "{config}",
    ];
    command.extend(words_of.map(str::to_owned));
    writeln!(out, "[migrations]\nfolder = {}", quoted(&folder))?;
    writeln!(
        out,
        "config = '''\n{{{{\n  \"name\": \"migrations\",\n  \"compatibility_date\": \"2026-04-01\","
    )?;
    writeln!(
        out,
        "  \"d1_databases\": [{{{{ \"binding\": \"DB\", \"database_name\": \"db\", \"database_id\": \"00000000-0000-0000-0000-00000000000e\", \"migrations_dir\": \"{{folder}}\" }}}}]"
    )?;
    writeln!(out, "}}}}\n'''\ncommand = {}", words(&command))?;
    writeln!(out, "database = \"v3/d1/miniflare-D1DatabaseObject\"\n")
}
