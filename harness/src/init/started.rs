//! A Worker that `wrangler dev` starts: what is judged of it, and with what it is started. Never starts it.

use super::names::{self, Names};
use super::variants::{self, at_once, by_environments};
use super::wrangler::{Bindings, Wrangler};
use super::{Asks, Chosen, Known, NotDrafted, Started, packages, relative};
use crate::contract::need::Variant;
use crate::subject::node;
use semver::Version;
use std::path::Path;

/// The environment that is judged as production unless told otherwise.
const PRODUCTION: &str = "production";

/// Asks for what the configuration does not tell.
pub(super) fn started(
    known: &Known,
    file: &Path,
    wrangler: &Wrangler,
    asks: &mut dyn Asks,
) -> Result<Started, NotDrafted> {
    let environment = environment(known, file, wrangler, asks)?;
    let mut bindings = match &environment {
        Some(name) => wrangler.environments[name].clone(),
        None => wrangler.top.clone(),
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    let chosen = choose_database(folder, &mut bindings);
    let (variants, unused) = by_environments(wrangler, &bindings, environment.as_deref());
    let names = Names::of(folder, wrangler, &bindings, environment.as_deref());
    let variables = names::told(&names, asks)?;
    let (at_once, hindered) = at_once(&variants, &names, &variables);
    let (install, runner) = packages::of(folder);
    let (runner, program, note) = wrangler_for(known.node.as_ref(), folder, runner);
    let small = variants
        .iter()
        .find(|found| found.variant == Variant::SmallLimits)
        .and_then(|found| variants::quota(&wrangler.environments[&found.environment]));
    let of_variants = variants
        .iter()
        .map(|found| &wrangler.environments[&found.environment]);
    let without_routes = bindings.routes || of_variants.into_iter().any(|of| of.routes);
    Ok(Started {
        folder: relative(&known.folder, folder),
        file: file
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        install,
        runner,
        program,
        note,
        has_migrations: bindings
            .d1
            .first()
            .is_some_and(|database| folder.join(&database.migrations).is_dir()),
        small_quota: small.or_else(|| variants::small_quota(&at_once)),
        is_dev_without_harness: names.set.contains(variants::DEV_MODE),
        without_containers: bindings.containers.then_some(!known.docker),
        without_routes,
        environment,
        bindings,
        chosen,
        variants,
        at_once,
        hindered,
        unused,
        variables,
    })
}

/// What fetches a wrangler that no package has. Evidence: npm 11 asks before it fetches, and asks nobody where there is no terminal;
/// without `--prefer-offline` every start asks the registry anew, which took four seconds.
const FETCHES: [&str; 3] = ["npx", "--yes", "--prefer-offline"];

/// How wrangler is run, and what to know of it: a package's own has the version that the package says, any other the newest that the Node here runs.
fn wrangler_for(
    node: Option<&Version>,
    folder: &Path,
    runner: Vec<String>,
) -> (Vec<String>, String, Option<String>) {
    let any = || "wrangler".to_owned();
    if let Some(found) = node::wrangler_of(folder) {
        let note = node.and_then(|node| {
            let needs = found.needs.filter(|range| !node::admits(range, node))?;
            Some(format!(
                "Node is {node}, and wrangler {} needs {needs}: {}",
                found.version,
                node::remedy(node, &needs)
            ))
        });
        return (runner, any(), note);
    }
    let newest = node.and_then(|node| Some((node, node::newest_for(node)?)));
    if names_wrangler(folder) {
        let note = newest.map(|(node, newest)| {
            format!(
                "wrangler is not installed yet; the newest that runs on Node {node} is {newest}"
            )
        });
        return (runner, any(), note);
    }
    let runner = FETCHES.map(str::to_owned).to_vec();
    match newest {
        Some((node, newest)) => {
            let note = format!(
                "no package here has a wrangler; {newest} is the newest that runs on Node {node}, and is named in the manifest"
            );
            (runner, format!("wrangler@{newest}"), Some(note))
        }
        None => (runner, any(), None),
    }
}

/// Whether a package here or above names wrangler, installed or not.
fn names_wrangler(folder: &Path) -> bool {
    folder.ancestors().any(|above| {
        let text = std::fs::read_to_string(above.join("package.json"));
        text.is_ok_and(|text| text.contains("\"wrangler\""))
    })
}

/// Puts the database with the table of tenants first, if the migrations tell it.
fn choose_database(folder: &Path, bindings: &mut Bindings) -> Chosen {
    if bindings.d1.len() < 2 {
        return Chosen::Only;
    }
    let with_tenants = bindings
        .d1
        .iter()
        .position(|database| holds_tenants(&folder.join(&database.migrations)));
    match with_tenants {
        Some(at) => {
            bindings.d1[..=at].rotate_right(1);
            Chosen::ByTable
        }
        None => Chosen::First,
    }
}

/// Whether a folder's migrations make a table of tenants.
fn holds_tenants(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.path());
    files
        .filter(|file| file.extension().is_some_and(|ending| ending == "sql"))
        .any(|file| makes_tenants(&std::fs::read_to_string(file).unwrap_or_default()))
}

/// Whether a text has `CREATE TABLE tenants`, in any of SQL's spellings, outside of comments.
fn makes_tenants(sql: &str) -> bool {
    let plain: Vec<&str> = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or(line))
        .collect();
    let plain = plain.join(" ").to_lowercase();
    let is_between = |letter: char| {
        letter.is_whitespace() || matches!(letter, '(' | ';' | '"' | '`' | '[' | ']' | '\'')
    };
    let words: Vec<&str> = plain
        .split(is_between)
        .filter(|word| !word.is_empty())
        .collect();
    [
        &["create", "table", "tenants"][..],
        &["create", "table", "if", "not", "exists", "tenants"],
    ]
    .iter()
    .any(|wanted| words.windows(wanted.len()).any(|found| found == *wanted))
}

/// Which environment is judged as production: the one that was named, else the one of that name, else the top level, unless somebody chooses another.
fn environment(
    known: &Known,
    file: &Path,
    wrangler: &Wrangler,
    asks: &mut dyn Asks,
) -> Result<Option<String>, NotDrafted> {
    let names = || wrangler.environments.keys().map(String::as_str);
    if let Some(name) = &known.environment {
        if name.is_empty() {
            return Ok(None);
        }
        if wrangler.environments.contains_key(name) {
            return Ok(Some(name.clone()));
        }
        let known: Vec<&str> = names().collect();
        return Err(NotDrafted::Environment {
            file: file.display().to_string(),
            name: name.clone(),
            hint: crate::nearest::hint(name, names()),
            known: if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            },
        });
    }
    if wrangler.environments.is_empty() {
        return Ok(None);
    }
    let choices: Vec<String> = std::iter::once("the top level".to_owned())
        .chain(names().map(|name| format!("environment `{name}`")))
        .collect();
    let named = names().position(|name| name == PRODUCTION);
    let default = named.map_or(0, |at| at + 1);
    let chosen = asks.choice("What is judged as production?", &choices, default)?;
    Ok(chosen
        .checked_sub(1)
        .and_then(|at| names().nth(at))
        .map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_tenants_is_found_in_every_spelling_and_not_in_comments() {
        for sql in [
            "CREATE TABLE tenants (id TEXT)",
            "create table if not exists \"tenants\"(id)",
            "CREATE TABLE\n  `tenants` (id)",
        ] {
            assert!(makes_tenants(sql), "{sql}");
        }
        for sql in [
            "-- CREATE TABLE tenants (id)",
            "CREATE TABLE tenants_old (id)",
            "CREATE TABLE notes (tenants TEXT)",
        ] {
            assert!(!makes_tenants(sql), "{sql}");
        }
    }
}
