//! One operation in a target's words: its method, path and body, and what cannot be said in them. Never decides which operation a request is.

use super::furnish::Credential;
use super::operation::Operation;
use super::speak::Spoken;
use super::template::{OF_A_TENANT, fill, filled};
use crate::subject::run_marks::tenant_id;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One operation in a target's words. What is left out is as in `shapes.md`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Spelling {
    /// Another method, such as `PUT`.
    pub method: Option<String>,
    /// Another path; `{id}` and every field of the body of `shapes.md` that is text, such as `{slug}`, may stand in it.
    pub path: Option<String>,
    /// Another body: wherever `"{name}"` stands alone as a value, the field `name` of the body of `shapes.md` takes its place;
    /// a member whose field the request does not have is left out.
    pub body: Option<Value>,
    /// Statuses that mean success here, beside the one in `shapes.md`.
    pub success: Vec<u16>,
    /// The host that is asked, where the scenario names none: `{app_domain}`, `{id}`, `{slug}` and `{host}` stand for the tenant's.
    pub host: Option<String>,
    /// Further headers; the same words may stand in them.
    pub headers: BTreeMap<String, String>,
    /// Further cookies; the same words may stand in them.
    pub cookies: BTreeMap<String, String>,
    /// Who asks: `operator`, `user`, or a key as `{ header = "x-api-key", secret = "${NAME}" }`.
    pub credential: Option<Credential>,
}

impl Spelling {
    /// Puts a request into these words. `fields` are those of its body, `id` is its tenant's, `free` the target's name of the free tier.
    pub(super) fn put_on(
        &self,
        spoken: &mut Spoken,
        fields: Option<&Map<String, Value>>,
        id: Option<&str>,
        free: &str,
    ) {
        let request = &mut spoken.request;
        if let Some(method) = &self.method {
            request.method.clone_from(method);
        }
        if let Some(path) = &self.path {
            let mut path = id.map_or_else(|| path.clone(), |id| path.replace("{id}", id));
            for (name, value) in fields.into_iter().flatten() {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                path = path.replace(&format!("{{{name}}}"), &segment(&text));
            }
            // Who makes a tenant under its id has to name one, whether the scenario does or not.
            if spoken.operation == Some(Operation::CreateTenant) && path.contains("{id}") {
                let slug = fields.and_then(|fields| fields.get("slug")?.as_str());
                path = path.replace("{id}", &tenant_id(slug.unwrap_or_default()));
            }
            request.path = path;
        }
        // A request without a body has no fields, and may have one here: what the template says by itself.
        let none = Map::new();
        let fields = fields.or(request.body.is_empty().then_some(&none));
        if let (Some(template), Some(fields)) = (&self.body, fields) {
            let (body, unsaid) = filled(template, &with_defaults(spoken.operation, fields, free));
            request.body = body.to_string().into();
            let is_type = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
            if !request.headers.iter().any(is_type) {
                let json = "application/json".to_owned();
                request.headers.push(("content-type".to_owned(), json));
            }
            // What stands in the path is said there.
            let in_path = |name: &String| {
                self.path
                    .as_ref()
                    .is_some_and(|path| path.contains(&format!("{{{name}}}")))
            };
            if !matches!(
                spoken.operation,
                Some(Operation::CreateTenant | Operation::ChangeTenant)
            ) {
                return;
            }
            let is_unsaid = |name: &String| fields.contains_key(name) && !in_path(name);
            spoken.unsaid = unsaid.into_iter().filter(is_unsaid).collect();
        }
    }

    /// Whether path or body has a place for a field.
    #[must_use]
    pub fn says(&self, field: &str) -> bool {
        let Some(body) = &self.body else { return true };
        let mut named = Vec::new();
        let _filled = fill(body, &Map::new(), &mut named);
        let place = format!("{{{field}}}");
        let in_path = self.path.as_ref().is_some_and(|path| path.contains(&place));
        in_path || named.iter().any(|name| name == field)
    }

    /// What a creating or changing request says that nobody can fill in, or leaves out that it needs; `None` if it can be used.
    #[must_use]
    pub fn flaw(&self, key: &str, needs_slug: bool) -> Option<String> {
        let mut named = Vec::new();
        if let Some(body) = &self.body {
            let _filled = fill(body, &Map::new(), &mut named);
        }
        if let Some(name) = named
            .iter()
            .find(|name| !OF_A_TENANT.contains(&name.as_str()))
        {
            return Some(format!(
                "[dialect] {key}: unknown placeholder {{{name}}}; there are: {}",
                OF_A_TENANT.join(", ")
            ));
        }
        let in_path = self
            .path
            .as_ref()
            .is_some_and(|path| path.contains("{slug}"));
        let says_slug = self.body.is_none() || in_path || named.iter().any(|name| name == "slug");
        (needs_slug && !says_slug).then(|| {
            format!("[dialect] {key}: neither body nor path has {{slug}}, by which a tenant's host is known")
        })
    }
}

/// What a creation leaves out, and `shapes.md` has a default for: another body may need it said.
const PLATFORM: &str = "web";

/// The fields of a creation that names a tenant, with the defaults of those that it leaves out; any other fields as they are. `free` is the
/// target's name of the free tier.
fn with_defaults(
    operation: Option<Operation>,
    fields: &Map<String, Value>,
    free: &str,
) -> Map<String, Value> {
    let mut fields = fields.clone();
    if operation == Some(Operation::CreateTenant) && fields.contains_key("slug") {
        for (name, default) in [("platform", PLATFORM), ("tier", free)] {
            fields.entry(name).or_insert_with(|| default.into());
        }
    }
    fields
}

/// Text as one path segment.
fn segment(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}
