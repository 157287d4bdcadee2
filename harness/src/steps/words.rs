//! Names of a scenario's own things in step texts: `{host a}`, `{own nobody}`, `{app}`. Never makes any of these things.
//!
//! A word in capitals gives capitals: `{HOST a}`; one that begins with a capital gives mixed case: `{Host a}`.
//! `{own x}` and `{domain x}` name what no tenant has unless the scenario makes one of that name.

use crate::run::scene::Scene;
use crate::subject::manifest::Seeding;
use crate::verdict::Stop;

/// The text with every word in braces replaced.
pub(super) async fn filled(s: &mut Scene, text: &str) -> Result<String, Stop> {
    let bytes = filled_bytes(s, text).await?;
    String::from_utf8(bytes)
        .map_err(|_not_text| Stop::Fault(format!("`{text}` does not give a text")))
}

/// As [`filled`]; `{byte ff}` may give what is no text.
pub(super) async fn filled_bytes(s: &mut Scene, text: &str) -> Result<Vec<u8>, Stop> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let Some(len) = rest[open..].find('}') else {
            break;
        };
        let word = &rest[open + 1..open + len];
        // Of doubled braces the innermost pair may hold a word.
        let Some(value) = value_of(s, word).await? else {
            out.extend_from_slice(&rest.as_bytes()[..=open]);
            rest = &rest[open + 1..];
            continue;
        };
        s.words.note(word, &value);
        out.extend_from_slice(&rest.as_bytes()[..open]);
        out.extend_from_slice(&value);
        rest = &rest[open + len + 1..];
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

/// The text that only a hostile value of this scenario holds.
pub(super) fn canary(s: &Scene) -> String {
    format!("zq{}", s.token)
}

async fn value_of(s: &mut Scene, word: &str) -> Result<Option<Vec<u8>>, Stop> {
    let (verb, name) = word.split_once(' ').unwrap_or((word, ""));
    let plain = match verb.to_ascii_lowercase().as_str() {
        "app" => app_domain(s, name).await?,
        "token" => s.token.clone(),
        "canary" => canary(s),
        "own" => own(s, name),
        "domain" => s.domain(name),
        "slug" => shortened(s, name, |tenant| tenant.slug)?,
        "id" => shortened(s, name, |tenant| tenant.id)?,
        "host" => s.tenant(name)?.host,
        "sandbox" => s.tenant(name)?.sandbox_id,
        "times" => return repeated(name).map(Some),
        "byte" => {
            return u8::from_str_radix(name, 16)
                .map(|byte| Some(vec![byte]))
                .map_err(|_none| Stop::Fault(format!("`{{{word}}}` names no byte")));
        }
        _ => return Ok(None),
    };
    let cased = if verb.bytes().all(|byte| byte.is_ascii_uppercase()) {
        plain.to_ascii_uppercase()
    } else if verb.starts_with(|first: char| first.is_ascii_uppercase()) {
        mixed(&plain)
    } else {
        plain
    };
    Ok(Some(cased.into_bytes()))
}

/// A slug that is nobody's but a tenant's of this name; of a fixed tenant the one it has.
fn own(s: &Scene, name: &str) -> String {
    let is_fixed = matches!(s.run.target.seeding(), Some(Seeding::Fixed { .. }));
    match s.tenant(name) {
        Ok(tenant) if is_fixed => tenant.slug,
        Ok(_) | Err(_) => s.slug(name),
    }
}

fn mixed(text: &str) -> String {
    let alternate = |(at, letter): (usize, char)| {
        if at % 2 == 0 {
            letter.to_ascii_uppercase()
        } else {
            letter.to_ascii_lowercase()
        }
    };
    text.chars().enumerate().map(alternate).collect()
}

async fn app_domain(s: &mut Scene, how: &str) -> Result<String, Stop> {
    let domain = s.instance().await?.app_domain.clone();
    match how {
        "" => Ok(domain),
        "with x for ." => Ok(domain.replace('.', "x")),
        "without first" => Ok(domain
            .split_once('.')
            .map_or(String::new(), |(_first, rest)| rest.to_owned())),
        other => Err(Stop::Fault(format!("`{{app {other}}}` is not known"))),
    }
}

fn shortened(
    s: &Scene,
    name: &str,
    part: impl Fn(crate::subject::tenant::Tenant) -> String,
) -> Result<String, Stop> {
    match name.strip_suffix(" minus one") {
        None => s.tenant(name).map(part),
        Some(name) => {
            let mut text = part(s.tenant(name)?);
            text.pop();
            Ok(text)
        }
    }
}

fn repeated(text: &str) -> Result<Vec<u8>, Stop> {
    text.split_once(' ')
        .and_then(|(what, count)| Some(what.repeat(count.parse().ok()?).into_bytes()))
        .ok_or_else(|| Stop::Fault(format!("`{{times {text}}}` names no text and number")))
}
