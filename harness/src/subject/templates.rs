//! Templates of a manifest, filled in with what there is to tell of a tenant. Never writes anything.

use super::dialect::Dialect;
use super::tenant::Tenant;
use serde_json::json;

/// What templates tell of a tenant.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) dialect: &'a Dialect,
    pub(super) tenant: &'a Tenant,
    /// The tenant as it was before a change.
    pub(super) former: Option<&'a Tenant>,
}

/// Templates filled in together: once, or once per custom host name if one of them names it.
pub(super) fn written(
    templates: &[&String],
    told: &Told<'_>,
    quoted: impl Fn(&str) -> String,
) -> Vec<Vec<String>> {
    let Told {
        dialect, tenant, ..
    } = *told;
    let former = told.former.unwrap_or(tenant);
    let now_ms = crate::clock::epoch_ms();
    let values = [
        ("{old_slug}", former.slug.clone()),
        ("{old_host}", former.host.clone()),
        ("{old_tier}", dialect.tier(&former.tier).to_owned()),
        ("{id}", tenant.id.clone()),
        ("{slug}", tenant.slug.clone()),
        ("{host}", tenant.host.clone()),
        ("{tier}", dialect.tier(&tenant.tier).to_owned()),
        ("{platform}", tenant.platform.clone()),
        ("{sandbox_id}", tenant.sandbox_id.clone()),
        ("{domains}", json!(tenant.domains).to_string()),
        ("{now_ms}", now_ms.to_string()),
        ("{now_text}", crate::clock::rfc3339(now_ms)),
    ];
    let fill = |text: &str, domain: Option<&String>| {
        let known = values.iter().fold(text.to_owned(), |text, (word, value)| {
            text.replace(word, &quoted(value))
        });
        domain.map_or(known.clone(), |domain| {
            known
                .replace("{domain}", &quoted(domain))
                .replace("{old_domain}", &quoted(domain))
        })
    };
    let names = |word: &str| templates.iter().any(|text| text.contains(word));
    let rows: Vec<Option<&String>> = if names("{domain}") {
        tenant.domains.iter().map(Some).collect()
    } else if names("{old_domain}") {
        former.domains.iter().map(Some).collect()
    } else {
        vec![None]
    };
    rows.into_iter()
        .map(|domain| templates.iter().map(|text| fill(text, domain)).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(domains: &[&str]) -> Tenant {
        Tenant {
            id: "u-1".to_owned(),
            slug: "o'neill".to_owned(),
            host: "o.example".to_owned(),
            tier: "free".to_owned(),
            platform: "web".to_owned(),
            domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
            sandbox_id: "sk-1".to_owned(),
        }
    }

    #[test]
    fn templates_are_written_once_or_once_per_custom_host_name() {
        let dialect = Dialect::default();
        let tenant = tenant(&["a.example", "b.example"]);
        let (key, value) = ("host:{domain}".to_owned(), "{id}".to_owned());
        let told = Told {
            dialect: &dialect,
            tenant: &tenant,
            former: None,
        };
        let entries = written(&[&key, &value], &told, str::to_owned);
        assert_eq!(
            entries,
            [["host:a.example", "u-1"], ["host:b.example", "u-1"]]
        );
        let statement = "VALUES ('{slug}')".to_owned();
        let once = written(&[&statement], &told, |text| text.replace('\'', "''"));
        assert_eq!(once, [["VALUES ('o''neill')"]]);
    }
}
