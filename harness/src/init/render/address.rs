//! The manifest of a Worker that runs already. Never writes a secret: its place is the name of a variable.

use super::super::{Draft, OperatorBy};
use super::text::{quoted, variable};
use std::fmt::Write as _;

/// The manifest of a Worker that runs already.
pub(super) fn at_address(
    out: &mut String,
    draft: &Draft,
    (address, told): (&str, bool),
    operator: &OperatorBy,
    named: &str,
) -> std::fmt::Result {
    super::head(out, draft, "its address", named)?;
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
    writeln!(out, "address = {}\n", quoted(address.trim_end_matches('/')))?;
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
    super::dialect(out, None)
}
