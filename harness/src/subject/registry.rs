//! The entries of a target's registry in KV, as they are written. Never chooses what stands in them.

use super::Target;
use super::manifest::Seeding;
use super::manifest::kv_template::Template;
use super::templates::{Told, written};
use super::tenant::Tenant;
use crate::observe::{CannotObserve, Kv};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An entry of KV.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What stands beside the value, if anything does.
    pub metadata: Option<Value>,
}

impl Entry {
    /// An entry without metadata.
    #[must_use]
    pub fn new(key: String, value: String) -> Self {
        Self {
            key,
            value,
            metadata: None,
        }
    }

    /// Whether the value or the metadata hold a text.
    #[must_use]
    pub fn names(&self, text: &str) -> bool {
        let holds = |metadata: &Value| metadata.to_string().contains(text);
        self.value.contains(text) || self.metadata.as_ref().is_some_and(holds)
    }

    /// What stands under a key; `None` if nothing does.
    ///
    /// # Errors
    /// [`CannotObserve`] when the store cannot be read.
    pub async fn read(kv: &dyn Kv, key: &str) -> Result<Option<Self>, CannotObserve> {
        let Some(value) = kv.get(key).await? else {
            return Ok(None);
        };
        let metadata = kv.metadata(key).await?;
        let key = key.to_owned();
        Ok(Some(Self {
            key,
            value,
            metadata,
        }))
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`CannotObserve`] when the store refuses.
    pub async fn put(&self, kv: &dyn Kv) -> Result<(), CannotObserve> {
        match &self.metadata {
            Some(metadata) => kv.put_with_metadata(&self.key, &self.value, metadata).await,
            None => kv.put(&self.key, &self.value).await,
        }
    }
}

/// The entries of templates, filled in. Metadata that are no JSON are taken as one text.
pub(super) fn filled(templates: &BTreeMap<String, Template>, told: &Told<'_>) -> Vec<Entry> {
    let entries = templates.iter().flat_map(|(key, template)| {
        let texts: Vec<&String> = std::iter::once(key).chain(template.texts()).collect();
        written(&texts, told, str::to_owned)
    });
    let entry = |mut row: Vec<String>| {
        let metadata = row.drain(2..).next();
        let metadata =
            metadata.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
        let value = row.pop().unwrap_or_default();
        let key = row.pop().unwrap_or_default();
        Entry {
            key,
            value,
            metadata,
        }
    };
    entries.map(entry).collect()
}

/// The registry's entries for a tenant in KV, as the target keeps them.
#[must_use]
pub fn entries_of(target: &dyn Target, tenant: &Tenant) -> Vec<Entry> {
    let dialect = target.dialect();
    let told = Told {
        dialect,
        tenant,
        former: None,
    };
    if let Some(Seeding::Stores { kv, .. }) = target.seeding() {
        return filled(kv, &told);
    }
    let names = json!({ "slug": tenant.slug, "domains": tenant.domains }).to_string();
    let hosts = tenant
        .domains
        .iter()
        .map(|domain| Entry::new(dialect.kv_host.replace("{host}", domain), tenant.id.clone()));
    let own = [
        Entry::new(
            dialect.kv_slug.replace("{slug}", &tenant.slug),
            tenant.id.clone(),
        ),
        Entry::new(dialect.names_key(&tenant.id, &tenant.sandbox_id), names),
    ];
    // A registry need not have all three kinds of entries.
    let all = own.into_iter().chain(hosts);
    all.filter(|entry| !entry.key.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::dialect::Dialect;

    #[test]
    fn metadata_are_written_as_json_with_the_tenants_words() {
        let templates: BTreeMap<String, Template> = toml::from_str(
            r#"
            "label/{slug}" = { value = "1", metadata = '{"tenant":"{id}","hosts":{domains}}' }
            "host/{domain}" = "{id}"
            "#,
        )
        .unwrap();
        let tenant = Tenant {
            id: "u-1".to_owned(),
            slug: "a".to_owned(),
            host: "a.example".to_owned(),
            tier: "free".to_owned(),
            platform: "web".to_owned(),
            domains: vec!["b.example".to_owned(), "c.example".to_owned()],
            sandbox_id: "sk-1".to_owned(),
        };
        let told = Told {
            dialect: &Dialect::default(),
            tenant: &tenant,
            former: None,
        };
        let mut label = Entry::new("label/a".to_owned(), "1".to_owned());
        label.metadata = Some(json!({ "tenant": "u-1", "hosts": tenant.domains }));
        let host = |host: &str| Entry::new(format!("host/{host}"), "u-1".to_owned());
        let expected = [host("b.example"), host("c.example"), label];
        assert_eq!(filled(&templates, &told), expected);
    }
}
