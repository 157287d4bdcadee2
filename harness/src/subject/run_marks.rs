//! How things of a run are recognised, even when the run was killed: by slug, by custom host, by tenant id. Never claims what may be somebody else's.

use aws_lc_rs::digest;
use std::sync::LazyLock;

/// How the slugs begin that the harness makes up, before the run's id. Those of RES-001 begin as names do that others keep for themselves.
pub const SLUG_PREFIXES: [&str; 7] = [
    "mp-",
    "admin-mp-",
    "api-mp-",
    "app-mp-",
    "status-mp-",
    "www-mp-",
    "wwwmp-",
];

/// Domain below which the harness makes up custom hosts.
pub const CUSTOM_DOMAIN: &str = "customer.example";

/// Letters of a run's id.
const RUN_LEN: usize = 6;

/// First bytes of a tenant id that the harness makes up: "mp".
const MARK: [u8; 2] = *b"mp";

/// The same as it begins an id's text.
pub const ID_PREFIX: &str = "6d70";

static SLUG: LazyLock<regex::Regex> = LazyLock::new(|| {
    let prefixes = SLUG_PREFIXES.join("|");
    pattern(&format!("^(?:{prefixes})([a-z]{{6}})[0-9a-z]{{4}}-"))
});
static HOST: LazyLock<regex::Regex> =
    LazyLock::new(|| pattern(r"-([a-z]{6})[0-9a-z]{4}\.customer\.example$"));

fn pattern(text: &str) -> regex::Regex {
    regex::Regex::new(text).unwrap_or_else(|_invalid| unreachable!("a constant pattern"))
}

/// The run that made a slug.
#[must_use]
pub fn run_of_slug(slug: &str) -> Option<&str> {
    Some(SLUG.captures(slug)?.get(1)?.as_str())
}

/// The run that made a custom host.
#[must_use]
pub fn run_of_host(host: &str) -> Option<&str> {
    Some(HOST.captures(host)?.get(1)?.as_str())
}

/// A fresh tenant id: a random UUID that names the run of the slug and carries a check of that, if the slug is of a run.
#[must_use]
pub fn tenant_id(slug: &str) -> String {
    let random = uuid::Uuid::new_v4();
    let Some(run) = run_of_slug(slug).and_then(number_of_run) else {
        return random.hyphenated().to_string();
    };
    let mut bytes = *random.as_bytes();
    bytes[..2].copy_from_slice(&MARK);
    bytes[2..6].copy_from_slice(&run.to_be_bytes());
    let check = check(&bytes);
    bytes[12..].copy_from_slice(&check);
    uuid::Uuid::from_bytes(bytes).hyphenated().to_string()
}

/// The run that made a tenant id. One random id of four thousand million that begin alike would be taken for a run's.
#[must_use]
pub fn run_of_id(id: &str) -> Option<String> {
    let bytes = *uuid::Uuid::try_parse(id).ok()?.as_bytes();
    if bytes[..2] != MARK || bytes[12..] != check(&bytes) {
        return None;
    }
    run_of_number(u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]))
}

/// Four bytes that only the harness would put behind the twelve before them.
fn check(bytes: &[u8; 16]) -> [u8; 4] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"moltproof tenant");
    context.update(&bytes[..12]);
    let digest = context.finish();
    let digest = digest.as_ref();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// Six letters as a number: 26^6 of them fit into 32 bits.
fn number_of_run(run: &str) -> Option<u32> {
    (run.len() == RUN_LEN && run.bytes().all(|letter| letter.is_ascii_lowercase())).then(|| {
        run.bytes()
            .fold(0, |number, letter| number * 26 + u32::from(letter - b'a'))
    })
}

fn run_of_number(mut number: u32) -> Option<String> {
    let mut letters = Vec::with_capacity(RUN_LEN);
    for _ in 0..RUN_LEN {
        letters.push(char::from(b'a' + u8::try_from(number % 26).ok()?));
        number /= 26;
    }
    (number == 0).then(|| letters.into_iter().rev().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_id_names_its_run_and_is_a_fresh_uuid_of_version_4() {
        for run in ["aaaaaa", "zzzzzz", "accept"] {
            let slug = format!("mp-{run}0042-a");
            let (one, other) = (tenant_id(&slug), tenant_id(&slug));
            assert_ne!(one, other);
            assert_eq!(run_of_id(&one).as_deref(), Some(run));
            assert!(one.starts_with(ID_PREFIX));
            let uuid = uuid::Uuid::try_parse(&one).unwrap();
            assert_eq!(uuid.get_version_num(), 4);
            assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        }
    }

    #[test]
    fn what_is_not_of_a_run_is_never_claimed() {
        assert_eq!(run_of_id("123e4567-e89b-12d3-a456-426614174000"), None);
        assert_eq!(run_of_id("6d700000-0000-4000-8000-000000000000"), None);
        assert_eq!(run_of_id(&tenant_id("acme")), None);
        let own = tenant_id("mp-abcdef0001-a");
        let changed = own.replace(&own[..13], "6d70ffff-0000");
        assert_eq!(run_of_id(&changed), None);
        for slug in [
            "mp-",
            "mp-acme",
            "mp-abcdef-a",
            "mp-abcdef001-a",
            "xmp-abcdef0001-a",
            "mp-ABCDEF0001-a",
        ] {
            assert_eq!(run_of_slug(slug), None, "{slug}");
        }
        for begin in SLUG_PREFIXES {
            let slug = format!("{begin}abcdef0001-a");
            assert_eq!(run_of_slug(&slug), Some("abcdef"), "{slug}");
        }
        for host in [
            "a-abcdef0001.customer.example.com",
            "abcdef0001.customer.example",
            "shop.customer.example",
        ] {
            assert_eq!(run_of_host(host), None, "{host}");
        }
        assert_eq!(run_of_host("a-abcdef0001.customer.example"), Some("abcdef"));
    }
}
