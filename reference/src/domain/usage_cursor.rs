//! Where a page of usage rows ended. Never read from anything but its own text.

/// Where a page of usage rows ended: `<created_at>:<id>` of its last row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageCursor {
    /// Epoch milliseconds.
    pub created_at: i64,
    /// The row's id.
    pub id: String,
}

impl UsageCursor {
    /// Reads a cursor back; `None` for a text that is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (created_at, id) = text.split_once(':')?;
        let created_at = created_at.parse().ok()?;
        Some(Self {
            created_at,
            id: id.to_owned(),
        })
    }
}

impl std::fmt::Display for UsageCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.created_at, self.id)
    }
}
