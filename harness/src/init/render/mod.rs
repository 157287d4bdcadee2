//! A manifest's text, with what to fill in where something is not known. Never writes a secret: its place is the name of a variable.

mod address;
mod launch;
mod observe;
mod text;
mod variants;

use super::{Draft, Started, Way};
use std::fmt::Write as _;
use text::{key, quoted};

/// The schema's file, beside the manifest: editors read it there.
pub const SCHEMA_FILE: &str = "moltproof.schema.json";

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
        } => address::at_address(&mut out, draft, (address, *told), operator, named),
    };
    out
}

fn head(out: &mut String, draft: &Draft, from: &str, named: &str) -> std::fmt::Result {
    writeln!(out, "#:schema ./{SCHEMA_FILE}")?;
    writeln!(
        out,
        "# What moltproof knows of this Worker, from {}. Yours to change; every key is described in {SCHEMA_FILE}.",
        text::one_line(from)
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
    launch::launch(out, started)?;
    variants::variants(out, started)?;
    observe::control(out, started)?;
    observe::observe(out, started)?;
    observe::limits(out, started)?;
    observe::migrations(out, started)?;
    dialect(out, Some(started))
}

/// Paths, fields and names of the Worker's own; `started` is nothing where its configuration is not known.
fn dialect(out: &mut String, started: Option<&Started>) -> std::fmt::Result {
    let own = started.map(own_names).unwrap_or_default();
    let mark = if own.is_empty() { "# " } else { "" };
    writeln!(
        out,
        "# Where the Worker has other paths and fields than the contract ({SCHEMA_FILE} lists them), for example:"
    )?;
    writeln!(
        out,
        "{mark}[dialect]\n# health = \"/health\"\n# chat = \"/api/chat\""
    )?;
    if !own.is_empty() {
        writeln!(
            out,
            "# What this Worker calls the contract's bindings and variables.\nvariables = {{ {own} }}"
        )?;
    }
    writeln!(
        out,
        "# How scenarios get tenants: without this, by the admin route POST /api/admin/tenants.\n# [seeding]\n# kind = \"stores\""
    )
}

/// The names that are not the contract's.
fn own_names(started: &Started) -> String {
    let bindings = &started.bindings;
    let binding =
        |contract: &'static str, own: Option<&String>| own.map(|own| (contract, own.clone()));
    let d1 = bindings.d1.first().map(|one| &one.binding);
    let kv = bindings.kv.first().map(|one| &one.binding);
    let r2 = bindings.r2.first().map(|one| &one.binding);
    let stores = [
        binding("TENANT_DB", d1),
        binding("TENANT_KV", kv),
        binding("MOLTBOT_BUCKET", r2),
    ];
    let told = started.variables.iter();
    let told = told.map(|told| (told.contract, told.name.clone()));
    let pairs = stores.into_iter().flatten().chain(told);
    let differ = pairs.filter(|(contract, own)| contract != own);
    let texts = differ.map(|(contract, own)| format!("{} = {}", key(contract), quoted(&own)));
    texts.collect::<Vec<_>>().join(", ")
}
