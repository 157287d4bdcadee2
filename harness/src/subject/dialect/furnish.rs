//! What a target wants of every request of an operation: a host, headers, cookies, and who asks. Never replaces what a step states itself.

use super::Dialect;
use super::operation::Operation;
use super::speak::Spoken;
use super::spelling::Spelling;
use crate::client::Request;
use crate::doubles::AccessIssuer;
use crate::subject::Instance;
use crate::subject::tenant::Tenant;
use schemars::JsonSchema;
use serde::Deserialize;

/// Who asks, where an operation is not open to everybody.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Credential {
    /// Somebody with a token of the harness's team domain.
    Of(Caller),
    /// Whoever has this key.
    Key(Key),
}

/// Whose Access token it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Caller {
    /// The operator's, as on the admin routes.
    Operator,
    /// A user's of the tenant that is asked: its `email` is `user@` and the request's host.
    User,
}

/// A key, as `{ header = "x-api-key", secret = "${NAME}" }`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The header that carries it.
    pub header: Option<String>,
    /// The cookie that carries it, where no header does.
    pub cookie: Option<String>,
    /// What stands before it in the header, such as `Bearer`.
    pub scheme: Option<String>,
    /// The key itself: `"${NAME}"` or `"${file:PATH}"`.
    pub secret: String,
}

/// The tenant that a request is about, as far as it is known.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// Its id.
    pub id: Option<String>,
    /// Its slug.
    pub slug: Option<String>,
    /// Its host.
    pub host: Option<String>,
}

impl About {
    /// All of a tenant.
    #[must_use]
    pub fn of(tenant: &Tenant) -> Self {
        Self {
            id: Some(tenant.id.clone()),
            slug: Some(tenant.slug.clone()),
            host: Some(tenant.host.clone()),
        }
    }
}

/// Words that a host, a header or a cookie may name.
const WORDS: [&str; 4] = ["{app_domain}", "{id}", "{slug}", "{host}"];

impl Spelling {
    /// Gives a request the host, headers, cookies and credential that the target wants of it.
    /// Returns what of it may appear in no output.
    ///
    /// # Errors
    /// Why it cannot be said here: the tenant that a word stands for is not known, or there is no such credential.
    pub fn furnish(
        &self,
        request: &mut Request,
        instance: &Instance,
        about: &About,
    ) -> Result<Option<String>, String> {
        let fill = |text: &str| filled(text, instance, about);
        if request.host.is_none()
            && let Some(host) = &self.host
        {
            request.host = Some(fill(host)?);
        }
        for (name, value) in &self.headers {
            put(request, name, fill(value)?);
        }
        for (name, value) in &self.cookies {
            put_cookie(request, name, &fill(value)?);
        }
        let Some(credential) = &self.credential else {
            return Ok(None);
        };
        match credential {
            Credential::Of(caller) => caller.show(request, instance).map(Some),
            Credential::Key(key) => {
                key.show(request);
                Ok(Some(key.secret.clone()))
            }
        }
    }

    /// Whether a request of the operation has this header from here.
    #[must_use]
    pub fn gives(&self, header: &str) -> bool {
        let is = |name: &str| name.eq_ignore_ascii_case(header);
        let by_credential = self.credential.as_ref().is_some_and(|one| match one {
            Credential::Of(_) => {
                is("cf-access-jwt-assertion")
                    || is("cf-access-client-id")
                    || is(crate::client::SERVICE_SECRET_HEADER)
            }
            Credential::Key(key) => match &key.header {
                Some(own) => is(own),
                None => is("cookie"),
            },
        });
        by_credential
            || self.headers.keys().any(|name| is(name))
            || !self.cookies.is_empty() && is("cookie")
    }

    /// What types cannot say of host, headers, cookies and credential; `None` if they can be used.
    pub(super) fn flaw_of_furniture(&self, operation: Operation) -> Option<String> {
        let key = operation.key();
        let texts = self.host.iter().chain(self.headers.values());
        let flaw = texts
            .chain(self.cookies.values())
            .find_map(|text| unknown_word(key, text));
        if flaw.is_some() {
            return flaw;
        }
        let credential = self.credential.as_ref()?;
        if operation.is_operators() {
            return Some(format!(
                "[dialect] {key}: it is the operator's, whose credential it gets anyhow (manifest: [control] access, or [operator])"
            ));
        }
        let Credential::Key(own) = credential else {
            return None;
        };
        (own.header.is_some() == own.cookie.is_some()).then(|| {
            format!("[dialect] {key}: a credential goes into a `header` or a `cookie`, one of them")
        })
    }
}

/// The complaint about a text with a placeholder that nobody fills in.
pub(super) fn unknown_word(key: &str, text: &str) -> Option<String> {
    let left = WORDS
        .iter()
        .fold(text.to_owned(), |text, word| text.replace(word, ""));
    left.contains('{').then(|| {
        format!(
            "[dialect] {key}: unknown placeholder in `{text}`; there are: {}",
            WORDS.join(", ")
        )
    })
}

impl Caller {
    fn show(self, request: &mut Request, instance: &Instance) -> Result<String, String> {
        match self {
            Self::Operator => {
                let operator = instance.operator().ok_or_else(|| no_access(instance))?;
                for (name, value) in operator.headers() {
                    put(request, name, value.to_owned());
                }
                Ok(operator.secret().to_owned())
            }
            Self::User => {
                let access = instance
                    .access
                    .as_ref()
                    .ok_or_else(|| no_access(instance))?;
                let token = users_token(access, request, instance);
                put(request, "cf-access-jwt-assertion", token.clone());
                Ok(token)
            }
        }
    }
}

fn users_token(access: &AccessIssuer, request: &Request, instance: &Instance) -> String {
    let host = request.host.as_deref().unwrap_or(&instance.app_domain);
    // What a hostile host holds has no place in an address.
    let is_name = host
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    let host = if is_name && !host.is_empty() {
        host
    } else {
        "users.example"
    };
    access.users_token(&format!("user@{}", host.to_ascii_lowercase()))
}

fn no_access(instance: &Instance) -> String {
    format!(
        "the target wants an Access token of this request, and nobody makes one for variant `{}` (manifest: [control] access, or [operator] token)",
        instance.variant.name()
    )
}

impl Key {
    fn show(&self, request: &mut Request) {
        let value = match &self.scheme {
            Some(scheme) => format!("{scheme} {}", self.secret),
            None => self.secret.clone(),
        };
        match (&self.header, &self.cookie) {
            (Some(header), _) => put(request, header, value),
            (None, Some(cookie)) => put_cookie(request, cookie, &value),
            (None, None) => {}
        }
    }
}

/// Adds a header, unless the request has one of this name: that is what its scenario is about.
fn put(request: &mut Request, name: &str, value: String) {
    let has = request
        .headers
        .iter()
        .any(|(own, _)| own.eq_ignore_ascii_case(name));
    if !has {
        request.headers.push((name.to_owned(), value));
    }
}

/// Adds a cookie beside those of the request.
fn put_cookie(request: &mut Request, name: &str, value: &str) {
    let pair = format!("{name}={value}");
    let own = request
        .headers
        .iter_mut()
        .find(|(header, _)| header.eq_ignore_ascii_case("cookie"));
    match own {
        Some((_, own)) if own.split(';').any(|one| is_called(one, name)) => {}
        Some((_, own)) => *own = format!("{own}; {pair}"),
        None => request.headers.push(("cookie".to_owned(), pair)),
    }
}

fn is_called(pair: &str, name: &str) -> bool {
    pair.split('=').next().is_some_and(|own| own.trim() == name)
}

fn filled(text: &str, instance: &Instance, about: &About) -> Result<String, String> {
    let known = [
        ("{app_domain}", Some(&instance.app_domain)),
        ("{id}", about.id.as_ref()),
        ("{slug}", about.slug.as_ref()),
        ("{host}", about.host.as_ref()),
    ];
    known.into_iter().try_fold(text.to_owned(), |text, (word, value)| {
        match value {
            Some(value) => Ok(text.replace(word, value)),
            None if text.contains(word) => Err(format!(
                "the target wants {word} of the tenant in this request, and the request is about no tenant that the scenario knows (manifest: {word} under [dialect])"
            )),
            None => Ok(text),
        }
    })
}

impl Dialect {
    /// Gives a request what the target wants of it besides; returns what of it may appear in no output.
    ///
    /// # Errors
    /// As [`Spelling::furnish`].
    pub fn furnish(
        &self,
        spoken: &mut Spoken,
        instance: &Instance,
        about: &About,
    ) -> Result<Option<String>, String> {
        let operation = match spoken.operation {
            None if self.is_health(&spoken.request.path) => Some(Operation::Health),
            operation => operation,
        };
        let spelling = operation.and_then(|one| self.spelling(one));
        let secret = match spelling {
            Some(spelling) => spelling.furnish(&mut spoken.request, instance, about)?,
            None => None,
        };
        let is_operators = spoken.operation.map_or_else(
            || self.is_below_operators(&spoken.request.path),
            Operation::is_operators,
        );
        if is_operators && spoken.request.host.is_none() && !self.operator_host.is_empty() {
            spoken.request.host = Some(filled(&self.operator_host, instance, about)?);
        }
        Ok(secret)
    }

    /// Whether a path is asked on a host that the manifest states for it.
    #[must_use]
    pub fn has_own_host(&self, path: &str, operation: Option<Operation>) -> bool {
        if self.is_health(path) {
            return true;
        }
        let spelling = operation.and_then(|one| self.spelling(one));
        let is_operators =
            operation.map_or_else(|| self.is_below_operators(path), Operation::is_operators);
        is_operators
            && (!self.operator_host.is_empty() || spelling.is_some_and(|one| one.host.is_some()))
    }

    /// Whether a path is that of a health with a host of its own, whatever the method.
    fn is_health(&self, path: &str) -> bool {
        path == self.health
            && self
                .read_health
                .as_ref()
                .is_some_and(|one| one.host.is_some())
    }

    /// The host on which operators act for a tenant; the tenant's own where every host will do.
    ///
    /// # Errors
    /// As [`Spelling::furnish`].
    pub fn operators_host(&self, instance: &Instance, about: &About) -> Result<String, String> {
        if self.operator_host.is_empty() {
            return filled("{host}", instance, about);
        }
        filled(&self.operator_host, instance, about)
    }
}

impl Spoken {
    /// What the body of a creating request says of the tenant that it would make.
    #[must_use]
    pub fn about_new(&self, instance: &Instance) -> About {
        let slug = self.slug.clone();
        About {
            id: self.id.clone(),
            host: slug.as_deref().map(|slug| instance.tenant_host(slug)),
            slug,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::need::Variant;

    fn instance() -> Instance {
        Instance {
            variant: Variant::Production,
            base: "http://127.0.0.1:1".to_owned(),
            d1: None,
            kv: None,
            r2: None,
            logs: None,
            gateway: None,
            model_calls: None,
            ai_gateway_key: None,
            access: None,
            credential: Some(crate::subject::operator::Operator::Token("t".to_owned())),
            faults: None,
            who: None,
            commands: None,
            app_domain: "app.example".to_owned(),
        }
    }

    fn spelling(text: &str) -> Spelling {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_request_gets_host_headers_cookies_and_key() {
        let own = spelling(
            "host = 'ops.{app_domain}'\nheaders = { x-org = '{slug}' }\ncookies = { region = 'eu' }\n\
             credential = { header = 'authorization', scheme = 'Bearer', secret = 'k' }",
        );
        let about = About {
            slug: Some("acme".to_owned()),
            ..About::default()
        };
        let mut request = Request::new("GET", "/").header("cookie", "a=b");
        let secret = own.furnish(&mut request, &instance(), &about).unwrap();
        assert_eq!(secret.as_deref(), Some("k"));
        assert_eq!(request.host.as_deref(), Some("ops.app.example"));
        let headers: Vec<_> = request
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(
            headers,
            [
                ("cookie", "a=b; region=eu"),
                ("x-org", "acme"),
                ("authorization", "Bearer k")
            ]
        );
    }

    #[test]
    fn what_a_step_states_itself_stays() {
        let own = spelling("host = 'ops.{app_domain}'\ncredential = 'operator'");
        let mut request = Request::new("GET", "/")
            .host("a.example")
            .header("Cf-Access-Jwt-Assertion", "forged");
        own.furnish(&mut request, &instance(), &About::default())
            .unwrap();
        assert_eq!(request.host.as_deref(), Some("a.example"));
        assert_eq!(request.headers.len(), 1);
    }

    #[test]
    fn a_word_for_an_unknown_tenant_is_told_and_not_sent() {
        let own = spelling("host = '{host}'");
        let why = own.furnish(
            &mut Request::new("GET", "/"),
            &instance(),
            &About::default(),
        );
        assert!(why.unwrap_err().contains("{host}"));
        let own = spelling("credential = 'user'");
        let why = own.furnish(
            &mut Request::new("GET", "/"),
            &instance(),
            &About::default(),
        );
        assert!(why.unwrap_err().contains("[control] access"));
    }

    #[test]
    fn a_credential_has_one_place() {
        let both = spelling("credential = { header = 'a', cookie = 'b', secret = 's' }");
        assert!(
            both.flaw_of_furniture(Operation::Chat)
                .is_some_and(|flaw| flaw.contains("one of them"))
        );
        let own = spelling("credential = 'operator'");
        assert!(
            own.flaw_of_furniture(Operation::Usage)
                .is_some_and(|flaw| flaw.contains("anyhow"))
        );
        let odd = spelling("host = '{tenant}'");
        assert!(
            odd.flaw_of_furniture(Operation::Chat)
                .is_some_and(|flaw| flaw.contains("{app_domain}"))
        );
    }
}
