//! Where a page of a listing ended, as callers hand it back. Never holds anything but a place.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// The time and the id of the last row of a page. Whoever makes one up gets another page of what is his anyhow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Epoch milliseconds, or a position.
    pub at: i64,
    /// Among rows of one time.
    pub id: String,
}

impl Cursor {
    /// Before every row of a listing that goes upward.
    #[must_use]
    pub fn first() -> Self {
        Self {
            at: -1,
            id: String::new(),
        }
    }

    /// Before every row of a listing that goes downward.
    #[must_use]
    pub fn last() -> Self {
        Self {
            at: i64::MAX,
            id: String::new(),
        }
    }

    /// As text for a URL.
    #[must_use]
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}:{}", self.at, self.id))
    }

    /// Reads it back.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (at, id) = text.split_once(':')?;
        Some(Self {
            at: at.parse().ok()?,
            id: id.to_owned(),
        })
    }
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In the listing's order.
    pub items: Vec<T>,
    /// Where the next page starts; `None` at the end.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page of at most `limit` of these rows, of which one more than that was asked for.
    #[must_use]
    pub fn of(mut rows: Vec<(Cursor, T)>, limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows
            .last()
            .filter(|_| more)
            .map(|(cursor, _)| cursor.encode());
        Self {
            items: rows.into_iter().map(|(_, row)| row).collect(),
            next_cursor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_read() {
        let cursor = Cursor {
            at: 17,
            id: "a:b".to_owned(),
        };
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        for text in ["", "!", "MTc", "eDph"] {
            assert_eq!(Cursor::decode(text), None, "{text}");
        }
    }
}
