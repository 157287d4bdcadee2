//! Which paths are admin routes, however they are spelled. Never decides what a path answers.

use std::borrow::Cow;

/// Rounds of percent-decoding after which a path that still changes is taken for an attack.
const DECODE_ROUNDS_MAX: usize = 8;

/// Whether a request path belongs behind Access (ACC-017).
///
/// The question is asked of every reading that some server could have of the path: percent-decoded (repeatedly), case-folded,
/// with slashes merged, backslashes as slashes, dot segments resolved, `;` parameters cut. When in doubt the answer is yes.
#[must_use]
pub fn is_admin(path: &str) -> bool {
    if is_plain(path) {
        return is_admin_prefix(path);
    }
    let Some(decoded) = decode_fully(path.as_bytes()) else {
        return true;
    };
    let mut segments: Vec<String> = Vec::new();
    for segment in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
        let name = segment
            .split(|byte| matches!(byte, b';' | 0))
            .next()
            .unwrap_or_default();
        let name = String::from_utf8_lossy(name).trim().to_lowercase();
        match name.as_str() {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(name),
        }
        // Another server may resolve the dots before it splits or decodes: a prefix reached on the way counts too.
        if is_admin_segments(&segments) {
            return true;
        }
    }
    false
}

/// Nothing in it that two servers could read differently.
fn is_plain(path: &str) -> bool {
    let mut previous = 0;
    path.bytes().all(|byte| {
        let plain = matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')
            || (byte == b'/' && previous != b'/');
        previous = byte;
        plain
    })
}

fn is_admin_prefix(path: &str) -> bool {
    ["/api/admin", "/_admin"].iter().any(|prefix| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn is_admin_segments(segments: &[String]) -> bool {
    match segments {
        [first, ..] if first == "_admin" => true,
        [first, second, ..] => first == "api" && second == "admin",
        [] | [_] => false,
    }
}

/// Percent-decodes until nothing changes; `None` if that takes too many rounds.
fn decode_fully(path: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut current = Cow::Borrowed(path);
    for _ in 0..DECODE_ROUNDS_MAX {
        match decode_once(&current) {
            Some(decoded) => current = Cow::Owned(decoded),
            None => return Some(current),
        }
    }
    None
}

fn decode_once(path: &[u8]) -> Option<Vec<u8>> {
    let hex = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut decoded = Vec::with_capacity(path.len());
    let mut changed = false;
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = match (byte, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = &tail[2..];
                changed = true;
            }
            None => decoded.push(byte),
        }
    }
    changed.then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_admin_path_is_admin() {
        for path in [
            "/api/admin",
            "/api/admin/",
            "/api/admin/tenants",
            "/_admin/x",
            "/_admin",
            "//api/admin/tenants",
            "/api//admin/tenants",
            "/API/Admin/tenants",
            "/api/%61dmin/tenants",
            "/api/%2561dmin/tenants",
            "/api/%252561dmin/tenants",
            "/%61%70%69%2fadmin/tenants",
            "/api/./admin/tenants",
            "/x/../api/admin/tenants",
            "/x/..;/api/admin/tenants",
            "/api/x/%2e%2e/admin/tenants",
            "/api\\admin\\tenants",
            "/api/admin;x=1/tenants",
            "/api;a/admin/tenants",
            "/api/admin%00/tenants",
            "/api/admin%20/tenants",
            "/api/admin/../status",
            "/%25252525252525252525252561",
        ] {
            assert!(is_admin(path), "{path}");
        }
    }

    #[test]
    fn public_paths_are_not_admin() {
        for path in [
            "/",
            "/api/status",
            "/sandbox-health",
            "/v1/chat/completions",
            "/api/administrator",
            "/_administration",
            "/x/api/admin",
            "/api",
            "*",
            "",
        ] {
            assert!(!is_admin(path), "{path}");
        }
    }
}
