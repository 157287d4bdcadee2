//! Other ways to write a path that some router may take for the same. Never says what a target must make of one.

/// What spellings are made of.
pub(super) struct Origin<'a> {
    /// The path as the dialect has it.
    pub(super) path: &'a str,
    /// Paths of public routes.
    pub(super) public: &'a [String],
    /// The request's host.
    pub(super) host: &'a str,
}

/// Every spelling of one family, without the path itself; `None` if there is no such family.
pub(super) fn family(name: &str, of: &Origin<'_>) -> Option<Vec<String>> {
    let mut spellings = match name {
        "slashes" => slashes(of.path),
        "upper case" => upper_case(of.path),
        "percent-encoding" => percent_encoding(of.path),
        "double encoding" => percent_encoding(of.path)
            .iter()
            .map(|path| path.replace('%', "%25"))
            .collect(),
        "dot segments" => dot_segments(of.path),
        "through a public route" => through_public(of),
        "suffixes" => suffixes(of.path),
        "backslashes" => backslashes(of.path),
        "absolute form" => absolute_form(of),
        _ => return None,
    };
    spellings.sort();
    spellings.dedup();
    spellings.retain(|spelling| spelling != of.path);
    Some(spellings)
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/').skip(1).collect()
}

fn joined(segments: &[String]) -> String {
    format!("/{}", segments.join("/"))
}

/// The path with its segment at `at` changed.
fn with_segment(path: &str, at: usize, change: impl Fn(&str) -> String) -> String {
    let changed: Vec<String> = segments(path)
        .iter()
        .enumerate()
        .map(|(here, segment)| {
            if here == at {
                change(segment)
            } else {
                (*segment).to_owned()
            }
        })
        .collect();
    joined(&changed)
}

fn last(path: &str) -> usize {
    segments(path).len().saturating_sub(1)
}

fn slashes(path: &str) -> Vec<String> {
    let double_before = |at| with_segment(path, at, |segment| format!("/{segment}"));
    vec![
        format!("{path}/"),
        format!("{path}//"),
        format!("/{path}"),
        format!("//{path}"),
        path.replace('/', "//"),
        double_before(1),
        double_before(last(path)),
    ]
}

fn upper_case(path: &str) -> Vec<String> {
    let capital = |segment: &str| {
        let (first, rest) = segment.split_at(segment.len().min(1));
        format!("{}{rest}", first.to_ascii_uppercase())
    };
    vec![
        path.to_ascii_uppercase(),
        with_segment(path, 0, str::to_ascii_uppercase),
        with_segment(path, 1, str::to_ascii_uppercase),
        with_segment(path, 0, capital),
        with_segment(path, 1, capital),
        with_segment(path, last(path), capital),
    ]
}

fn encoded(text: &str) -> String {
    let each: Vec<String> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    each.concat()
}

fn percent_encoding(path: &str) -> Vec<String> {
    let first_letter = |segment: &str| {
        let (first, rest) = segment.split_at(segment.len().min(1));
        format!("{}{rest}", encoded(first))
    };
    let inner = &path[1..];
    let (front, back) = path.rsplit_once('/').unwrap_or(("", inner));
    vec![
        with_segment(path, 0, first_letter),
        with_segment(path, 1, first_letter),
        with_segment(path, 1, encoded),
        with_segment(path, last(path), first_letter),
        format!("/{}", inner.replacen('/', "%2f", 1)),
        format!("/{}", inner.replace('/', "%2F")),
        format!("{front}%2f{back}"),
        format!("/%2f{inner}"),
    ]
}

fn dot_segments(path: &str) -> Vec<String> {
    let before = |at: usize, dots: &str| with_segment(path, at, |rest| format!("{dots}/{rest}"));
    vec![
        format!("/.{path}"),
        format!("/..{path}"),
        format!("/x/..{path}"),
        format!("/%2e{path}"),
        format!("/x/%2e%2e{path}"),
        format!("/x/.%2E{path}"),
        format!("/x/..%2f{}", &path[1..]),
        before(1, "."),
        before(1, "x/.."),
        before(1, "%2e"),
        before(1, "x/%2e%2e"),
        before(last(path), "."),
        format!("{path}/."),
        format!("{path}/x/.."),
    ]
}

fn through_public(of: &Origin<'_>) -> Vec<String> {
    let mut spellings = Vec::new();
    for public in of.public {
        let depth = segments(public).len();
        for up in ["/..", "/%2e%2e", "/..;", "/.%2e"] {
            spellings.push(format!("{public}{}{}", up.repeat(depth), of.path));
        }
        spellings.push(format!("{public};{}{}", "/..".repeat(depth), of.path));
        spellings.push(format!("{public}{}{}", "%2f..".repeat(depth), of.path));
    }
    spellings
}

fn suffixes(path: &str) -> Vec<String> {
    [
        ";x", ";x=1", ".json", "%20", "%00", "%0a", "%23", "%3f", "?x=1", "/*",
    ]
    .iter()
    .map(|suffix| format!("{path}{suffix}"))
    .collect()
}

fn backslashes(path: &str) -> Vec<String> {
    let inner = &path[1..];
    vec![
        format!("\\{inner}"),
        format!("/\\{inner}"),
        format!("\\{path}"),
        format!("/{}", inner.replacen('/', "\\", 1)),
        format!("/{}", inner.replace('/', "\\")),
        format!("/{}", inner.replacen('/', "%5c", 1)),
    ]
}

fn absolute_form(of: &Origin<'_>) -> Vec<String> {
    let (path, host) = (of.path, of.host);
    vec![
        format!("http://{host}{path}"),
        format!("https://{host}{path}"),
        format!("http://{host}/{path}"),
        format!("http://localhost{path}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILIES: [&str; 9] = [
        "slashes",
        "upper case",
        "percent-encoding",
        "double encoding",
        "dot segments",
        "through a public route",
        "suffixes",
        "backslashes",
        "absolute form",
    ];

    fn spell(name: &str, path: &str) -> Vec<String> {
        let public = ["/sandbox-health".to_owned(), "/api/status".to_owned()];
        let of = Origin {
            path,
            public: &public,
            host: "a.example",
        };
        family(name, &of).unwrap()
    }

    #[test]
    fn every_family_has_spellings_that_can_stand_in_a_request_line() {
        for name in FAMILIES {
            let spellings = spell(name, "/api/admin/tenants");
            assert!(spellings.len() >= 4, "{name}: {spellings:?}");
            for spelling in spellings {
                assert_ne!(spelling, "/api/admin/tenants");
                assert!(
                    spelling.bytes().all(|byte| byte.is_ascii_graphic()),
                    "{spelling}"
                );
            }
        }
    }

    #[test]
    fn the_known_tricks_are_among_them() {
        for (name, spelling) in [
            ("slashes", "/api/admin/tenants/"),
            ("slashes", "//api/admin/tenants"),
            ("slashes", "/api//admin/tenants"),
            ("upper case", "/API/ADMIN/TENANTS"),
            ("upper case", "/api/ADMIN/tenants"),
            ("percent-encoding", "/api/%61dmin/tenants"),
            ("percent-encoding", "/api%2fadmin/tenants"),
            ("double encoding", "/api/%2561dmin/tenants"),
            ("dot segments", "/api/x/../admin/tenants"),
            (
                "through a public route",
                "/api/status/../../api/admin/tenants",
            ),
            (
                "through a public route",
                "/sandbox-health/..;/api/admin/tenants",
            ),
            ("suffixes", "/api/admin/tenants;x"),
            ("backslashes", "/api\\admin/tenants"),
            ("absolute form", "http://a.example/api/admin/tenants"),
        ] {
            let spellings = spell(name, "/api/admin/tenants");
            assert!(
                spellings.iter().any(|one| one == spelling),
                "{spelling} in {spellings:?}"
            );
        }
    }

    #[test]
    fn an_unknown_family_is_none() {
        let of = Origin {
            path: "/a",
            public: &[],
            host: "h",
        };
        assert_eq!(family("emoji", &of), None);
    }
}
