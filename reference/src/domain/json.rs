//! Which JSON texts a caller may send at all. Never knows what they mean.

/// Deepest nesting that is read; what `serde_json` itself allows a typed value.
pub const DEPTH_MAX: usize = 128;

/// The text is not the JSON object that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJson {
    /// Bytes that are no UTF-8.
    #[error("not UTF-8")]
    Encoding,
    /// Nested too deeply to be read safely.
    #[error("nested too deeply")]
    Depth,
    /// Anything but an object.
    #[error("not an object")]
    NotAnObject,
}

/// The body as text, if it can be a JSON object of bearable depth. Does not check the rest of its syntax.
///
/// # Errors
/// [`InvalidJson`], see there.
pub fn object_text(body: &[u8]) -> Result<&str, InvalidJson> {
    let text = std::str::from_utf8(body).map_err(|_source| InvalidJson::Encoding)?;
    if !text
        .trim_start_matches([' ', '\t', '\r', '\n'])
        .starts_with('{')
    {
        return Err(InvalidJson::NotAnObject);
    }
    if depth_exceeds(text.as_bytes(), DEPTH_MAX) {
        return Err(InvalidJson::Depth);
    }
    Ok(text)
}

fn depth_exceeds(text: &[u8], max: usize) -> bool {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > max {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_of_bearable_depth_pass() {
        assert!(object_text(b" {\"a\":\"[[[\\\"[[\"}").is_ok());
        assert_eq!(object_text(b"[]"), Err(InvalidJson::NotAnObject));
        assert_eq!(object_text(b""), Err(InvalidJson::NotAnObject));
        assert_eq!(object_text(b"{\xff}"), Err(InvalidJson::Encoding));
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(128), "]".repeat(128));
        assert_eq!(object_text(deep.as_bytes()), Err(InvalidJson::Depth));
    }
}
