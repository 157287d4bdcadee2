//! A manifest's text, with what to fill in where something is not known. Never writes a secret: its place is the name of a variable.

use super::{Draft, OperatorBy, Started, Way, quota};
use crate::target::need::Variant;
use std::fmt::Write as _;
use std::path::Path;

/// Where `wrangler dev` serves its local explorer.
const EXPLORER: &str = "/cdn-cgi/explorer/api";

/// Scenarios side by side under `wrangler dev`. Evidence: the proxy that it puts before the Worker answers 503 in its place when it meets
/// a connection that workerd has closed; the fewer at once, the rarer, and with four a whole run had none.
const AT_ONCE: usize = 4;

/// The manifest.
#[must_use]
pub fn manifest(draft: &Draft, named: &str) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _infallible = match &draft.way {
        Way::Wrangler(started) => by_wrangler(&mut out, draft, started, named),
        Way::Address {
            address,
            operator,
            told,
        } => at_address(&mut out, draft, (address, *told), operator, named),
    };
    out
}

fn head(out: &mut String, draft: &Draft, from: &str, named: &str) -> std::fmt::Result {
    writeln!(
        out,
        "# What moltproof knows of this Worker, from {from}. Yours to change; every key is described in docs/manifest.md."
    )?;
    writeln!(out, "# Look first: moltproof doctor --target {named}")?;
    writeln!(out, "# Then judge: moltproof run --target {named}")?;
    writeln!(out, "name = {}", quoted(&draft.name))
}

fn by_wrangler(
    out: &mut String,
    draft: &Draft,
    started: &Started,
    named: &str,
) -> std::fmt::Result {
    head(out, draft, &started.file, named)?;
    writeln!(
        out,
        "# The Worker is told it when it starts; tenants are its subdomains."
    )?;
    writeln!(out, "app_domain = {}\n", quoted(&draft.app_domain))?;
    launch(out, started)?;
    variants(out, started)?;
    control(out, started)?;
    observe(out, started)?;
    limits(out, started)?;
    migrations(out, started)?;
    dialect(out)
}

fn launch(out: &mut String, started: &Started) -> std::fmt::Result {
    let wrangler = |rest: &[&str]| -> Vec<String> {
        let mut command = started.runner.clone();
        command.push("wrangler".to_owned());
        command.extend(rest.iter().map(|&word| word.to_owned()));
        // Wrangler finds its own file by these names only.
        if !super::wrangler::FILE_NAMES.contains(&started.file.as_str()) {
            command.extend(["--config".to_owned(), started.file.clone()]);
        }
        command
    };
    let chosen = || -> Vec<String> {
        let of = started.environment.iter();
        of.flat_map(|name| ["--env".to_owned(), name.clone()])
            .collect()
    };
    writeln!(out, "[launch]")?;
    if !started.folder.as_os_str().is_empty() {
        writeln!(out, "folder = {}", quoted(&shown(&started.folder)))?;
    }
    if let Some((install, sign)) = &started.install {
        writeln!(
            out,
            "prepare = [{{ run = {}, unless = {} }}]",
            words(install),
            quoted(sign)
        )?;
    }
    match started
        .bindings
        .d1
        .first()
        .filter(|_| started.has_migrations)
    {
        Some(database) => {
            let mut command = wrangler(&[
                "d1",
                "migrations",
                "apply",
                &database.binding,
                "--local",
                "--persist-to",
                "{state}",
            ]);
            command.extend(chosen());
            writeln!(out, "setup = [{}]", words(&command))?;
        }
        None => writeln!(
            out,
            "# No migrations were found. What fills a fresh store goes here: setup = [[\"npx\", \"wrangler\", \"d1\", \"execute\", …]]"
        )?,
    }
    let command = wrangler(&[
        "dev",
        "--local",
        "--ip",
        "127.0.0.1",
        "--port",
        "{port}",
        "--inspector-port",
        "0",
        "--persist-to",
        "{state}",
        "--show-interactive-dev-session=false",
    ]);
    writeln!(out, "command = {}", words(&command))?;
    writeln!(
        out,
        "variable_arguments = [\"--var\", \"{{name}}:{{value}}\"]\nready_within_seconds = 120\n"
    )?;
    environment(out, started)
}

/// What the commands find in their environment, and what the harness tells the Worker.
fn environment(out: &mut String, started: &Started) -> std::fmt::Result {
    writeln!(
        out,
        "[launch.environment]\nWRANGLER_SEND_METRICS = \"false\""
    )?;
    writeln!(
        out,
        "# Without a registry of its own an instance would see, and change, the stores of all others."
    )?;
    writeln!(
        out,
        "WRANGLER_REGISTRY_PATH = \"{{state}}/registry\"\nNO_COLOR = \"1\"\nCI = \"true\"\n"
    )?;
    writeln!(
        out,
        "# What the harness tells the Worker, by the Worker's own names.\n[launch.variables]"
    )?;
    for told in &started.variables {
        let doubt = if told.found {
            String::new()
        } else {
            format!(
                "  # not in {}: this is the contract's name for it, or yours",
                started.file
            )
        };
        writeln!(
            out,
            "{} = {}{doubt}",
            key(&told.name),
            quoted(told.placeholder)
        )?;
    }
    writeln!(out)
}

fn variants(out: &mut String, started: &Started) -> std::fmt::Result {
    if started.bindings.routes {
        writeln!(
            out,
            "# The judged environment has `routes`: `wrangler dev` puts their host in the place of every Host, and no tenant can be told apart."
        )?;
        writeln!(
            out,
            "# Judge an environment without them (moltproof init --env NAME)."
        )?;
    }
    writeln!(out, "[variants.production]")?;
    if let Some(name) = &started.environment {
        writeln!(out, "arguments = [\"--env\", {}]", quoted(name))?;
    }
    for found in &started.variants {
        writeln!(out, "[variants.{}]", found.variant.name())?;
        writeln!(
            out,
            "arguments = [\"--env\", {}]",
            quoted(&found.environment)
        )?;
        if !found.without.is_empty() {
            writeln!(out, "without = {}", words(&found.without))?;
        }
    }
    let is_there = |variant: &Variant| {
        *variant == Variant::Production
            || started
                .variants
                .iter()
                .any(|found| found.variant == *variant)
    };
    let absent: Vec<_> = Variant::ALL
        .into_iter()
        .filter(|variant| !is_there(variant))
        .collect();
    if !absent.is_empty() {
        writeln!(
            out,
            "# No environment was found for these; what they would show is not verified. Add one, and name it:"
        )?;
    }
    for variant in absent {
        writeln!(
            out,
            "# [variants.{0}]  # {1}\n# arguments = [\"--env\", \"{0}\"]",
            variant.name(),
            meaning(variant)
        )?;
    }
    if !started.unused.is_empty() {
        writeln!(
            out,
            "# Environments that are no variant by their names or bindings: {}",
            one_line(&started.unused.join(", "))
        )?;
    }
    writeln!(out)
}

/// What an environment must be to be this variant.
fn meaning(variant: Variant) -> &'static str {
    match variant {
        Variant::Production => "everything, as in production",
        Variant::DevMode => "DEV_MODE is \"true\"",
        Variant::WithoutD1 => "no D1 binding; say without = [its name]",
        Variant::WithoutKv => "no KV binding; say without = [its name]",
        Variant::WithoutR2 => "no R2 binding; say without = [its name]",
        Variant::WithoutD1AndR2 => "neither D1 nor R2; say without = [their names]",
        Variant::DevModeWithoutR2 => "DEV_MODE is \"true\", no R2 binding",
        Variant::DevModeWithoutD1 => "DEV_MODE is \"true\", no D1 binding",
        Variant::DevModeWithoutKv => "DEV_MODE is \"true\", no KV binding",
        Variant::DevModeFalse => "DEV_MODE is \"false\"",
        Variant::DevModeZero => "DEV_MODE is \"0\"",
        Variant::DevModeUpperCase => "DEV_MODE is \"TRUE\"",
        Variant::OwnSwitches => {
            "as production, with every switch of your own on that must not relax a gate, such as E2E_TEST_MODE"
        }
        Variant::WithoutAccessTeam => "as production; say without = [\"CF_ACCESS_TEAM_DOMAIN\"]",
        Variant::WithoutAccessAud => "as production; say without = [\"CF_ACCESS_AUD\"]",
        Variant::WithoutAiGateway => {
            "as production; say without = [\"AI_GATEWAY_BASE_URL\", \"CLOUDFLARE_AI_GATEWAY_API_KEY\"]"
        }
        Variant::WithoutAiGatewayUrl => "as production; say without = [\"AI_GATEWAY_BASE_URL\"]",
        Variant::WithoutAiGatewayKey => {
            "as production; say without = [\"CLOUDFLARE_AI_GATEWAY_API_KEY\"]"
        }
        Variant::WithoutAppDomain => "as production; say without = [\"APP_DOMAIN\"]",
        Variant::SmallLimits => "a quota such as 5 requests in 2 s; say it in [limits] small_quota",
        Variant::KeyRotation => {
            "the key set is cached for 2 s, asked for again after 1 s at the earliest"
        }
    }
}

fn control(out: &mut String, started: &Started) -> std::fmt::Result {
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

fn observe(out: &mut String, started: &Started) -> std::fmt::Result {
    writeln!(
        out,
        "# What the harness may look at; what is left out is not verified.\n[observe]"
    )?;
    let bindings = &started.bindings;
    match bindings.d1.first() {
        Some(database) => match &database.id {
            Some(id) => writeln!(
                out,
                "d1 = {{ kind = \"explorer\", path = \"{EXPLORER}\", database = {} }}",
                quoted(id)
            )?,
            None => writeln!(
                out,
                "d1 = {{ kind = \"sqlite\", file = \"{{state}}/v3/d1/miniflare-D1DatabaseObject\" }}"
            )?,
        },
        None => writeln!(
            out,
            "# No D1 database was found: d1 = {{ kind = \"explorer\", path = \"{EXPLORER}\", database = \"its database_id\" }}"
        )?,
    }
    match bindings.kv.first() {
        Some((_, Some(id))) => writeln!(
            out,
            "kv = {{ kind = \"explorer\", path = \"{EXPLORER}\", namespace = {} }}",
            quoted(id)
        )?,
        Some((_, None)) => writeln!(
            out,
            "# The KV namespace has no `id` yet: kv = {{ kind = \"explorer\", path = \"{EXPLORER}\", namespace = \"its id\" }}"
        )?,
        None => writeln!(
            out,
            "# No KV namespace was found: kv = {{ kind = \"explorer\", path = \"{EXPLORER}\", namespace = \"its id\" }}"
        )?,
    }
    match bindings.r2.first() {
        Some((_, Some(name))) => writeln!(
            out,
            "r2 = {{ kind = \"explorer\", path = \"{EXPLORER}\", bucket = {} }}",
            quoted(name)
        )?,
        Some((_, None)) | None => writeln!(
            out,
            "# No R2 bucket with a name was found: r2 = {{ kind = \"explorer\", path = \"{EXPLORER}\", bucket = \"its name\" }}"
        )?,
    }
    for (what, names) in [
        (
            "D1 databases",
            bindings
                .d1
                .iter()
                .map(|one| one.binding.as_str())
                .collect::<Vec<_>>(),
        ),
        (
            "KV namespaces",
            bindings.kv.iter().map(|(name, _)| name.as_str()).collect(),
        ),
        (
            "R2 buckets",
            bindings.r2.iter().map(|(name, _)| name.as_str()).collect(),
        ),
    ] {
        if names.len() > 1 {
            writeln!(
                out,
                "# There are several {what} ({}); the first is looked at.",
                one_line(&names.join(", "))
            )?;
        }
    }
    writeln!(out, "logs = \"output\"\n")
}

fn limits(out: &mut String, started: &Started) -> std::fmt::Result {
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

fn migrations(out: &mut String, started: &Started) -> std::fmt::Result {
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
    let runner: Vec<String> = started.runner.clone();
    let mut command = runner;
    let words_of = [
        "wrangler",
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

fn dialect(out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "# Where the Worker has other paths and fields than fixtures/shapes.md, for example:\n# [dialect]\n# health = \"/health\"\n# chat = \"/api/chat\""
    )?;
    writeln!(
        out,
        "# How scenarios get tenants: without this, by the admin route POST /api/admin/tenants.\n# [seeding]\n# kind = \"stores\""
    )
}

fn at_address(
    out: &mut String,
    draft: &Draft,
    (address, told): (&str, bool),
    operator: &OperatorBy,
    named: &str,
) -> std::fmt::Result {
    head(out, draft, "its address", named)?;
    if draft.app_domain.is_empty() {
        writeln!(
            out,
            "# Fill in the Worker's APP_DOMAIN: without it no tenant's host is known, and hardly anything can be verified.\n# app_domain = \"app.example.com\"\n"
        )?;
    } else {
        writeln!(out, "app_domain = {}\n", quoted(&draft.app_domain))?;
    }
    writeln!(out, "[variants.production]")?;
    if !told {
        writeln!(
            out,
            "# Where `wrangler dev` listens; fill in where the Worker runs. \"${{NAME}}\" takes it from the environment."
        )?;
    }
    writeln!(out, "address = {}\n", quoted(address))?;
    writeln!(
        out,
        "# How the harness is operator there. Secrets stay in the environment: only their variables are named."
    )?;
    match operator {
        OperatorBy::Unknown => {
            writeln!(
                out,
                "# [operator]\n# service_token = {{ client_id = \"${{CF_ACCESS_CLIENT_ID}}\", secret = \"${{CF_ACCESS_CLIENT_SECRET}}\" }}"
            )?;
            writeln!(
                out,
                "# edge = true  # if Access stands before the admin routes at the edge\n"
            )?;
        }
        OperatorBy::ServiceToken(id, secret) => {
            writeln!(
                out,
                "[operator]\nservice_token = {{ client_id = {}, secret = {} }}",
                variable(id),
                variable(secret)
            )?;
            writeln!(
                out,
                "# edge = true  # if Access stands before the admin routes at the edge\n"
            )?;
        }
        OperatorBy::Token(name) => writeln!(out, "[operator]\ntoken = {}\n", variable(name))?,
    }
    writeln!(
        out,
        "# The build under test, so that no other one is judged by mistake:\n# [probe]\n# build = {{ path = \"/version\", pointer = \"/build\", expected = \"${{EXPECTED_BUILD}}\" }}\n"
    )?;
    writeln!(
        out,
        "# What the harness may look at; what is left out is not verified:\n# [observe]"
    )?;
    writeln!(
        out,
        "# d1 = {{ kind = \"rest\", account = \"…\", database = \"…\", api_token = \"${{CLOUDFLARE_API_TOKEN}}\" }}"
    )?;
    writeln!(
        out,
        "# kv = {{ kind = \"rest\", account = \"…\", namespace = \"…\", api_token = \"${{CLOUDFLARE_API_TOKEN}}\" }}\n"
    )?;
    writeln!(
        out,
        "# Times that a deployment takes: KV and the edge's cache.\n# [limits]\n# registry_delay_ms = 60_000\n# usage_visible_ms = 10_000\n"
    )?;
    dialect(out)
}

/// A text in TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A list of texts in TOML.
fn words(list: &[String]) -> String {
    let list = list.iter().cloned().map(toml::Value::String).collect();
    toml::Value::Array(list).to_string()
}

/// A secret's place: the name of a variable.
fn variable(name: &str) -> String {
    quoted(&format!("${{{name}}}"))
}

/// A key in TOML: as it is where that is allowed.
fn key(name: &str) -> String {
    let is_bare = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if !name.is_empty() && name.chars().all(is_bare) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// What goes into a comment: somebody else's names must not end it.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

fn shown(path: &Path) -> String {
    path.display().to_string().replace('\\', "/")
}

/// A relative path without detours: `worker/../migrations` is `migrations`.
fn lexical(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
    {
        let leaves = part == ".." && parts.last().is_some_and(|last| last != ".." && last != "/");
        if leaves {
            parts.pop();
        } else if part != "." {
            parts.push(part);
        }
    }
    parts.join("/").replacen("//", "/", 1)
}
