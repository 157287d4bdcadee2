//! Paths and their queries as texts: a template's id, one query, parameters of other names. Never knows an operation.

/// The path with one query: a listing's own path may have one already.
pub(super) fn one_query(path: &str) -> String {
    match path.split_once('?') {
        Some((place, query)) => format!("{place}?{}", query.replace('?', "&")),
        None => path.to_owned(),
    }
}

/// The path with a parameter of its query under another name.
pub(super) fn with_parameter(path: &str, usual: &str, own: &str) -> String {
    let Some((place, query)) = path.split_once('?') else {
        return path.to_owned();
    };
    let renamed = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) if name == usual => format!("{own}={value}"),
        Some(_) | None => pair.to_owned(),
    });
    format!("{place}?{}", renamed.collect::<Vec<_>>().join("&"))
}

/// As [`id_in`]; where the template has a query, the path's query must begin with it.
#[expect(
    clippy::option_option,
    reason = "no match, a match without an id, a match with one"
)]
pub(super) fn id_in_path(template: &str, path: &str) -> Option<Option<String>> {
    let path = one_query(path);
    let (place, query) = path.split_once('?').unwrap_or((path.as_str(), ""));
    let Some((own, parameters)) = template.split_once('?') else {
        return id_in(template, place);
    };
    let count = parameters.split('&').count();
    let first: Vec<&str> = query.split('&').take(count).collect();
    let first = first.join("&");
    match (id_in(own, place)?, id_in(parameters, &first)?) {
        (Some(id), _) | (None, Some(id)) => Some(Some(id)),
        (None, None) => Some(None),
    }
}

/// `Some(id)` when the path has the template's form.
#[expect(
    clippy::option_option,
    reason = "no match, a match without an id, a match with one"
)]
fn id_in(template: &str, path: &str) -> Option<Option<String>> {
    let Some((before, after)) = template.split_once("{id}") else {
        return (template == path).then_some(None);
    };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then(|| Some(id.to_owned()))
}
