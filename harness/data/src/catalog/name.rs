//! Names of tables, columns and everything else, compared as SQLite compares them. Never quotes what needs no quotes.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A name: kept as written, equal to another one whatever the case of its ASCII letters.
#[derive(Debug, Clone)]
pub struct Name(Arc<str>);

impl Name {
    /// The name without quotes around it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As SQL: in double quotes, always.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// Names that are kept once, however often they are met.
#[derive(Debug, Default)]
pub(super) struct Names(RefCell<HashSet<Arc<str>>>);

impl Names {
    /// The name, as [`Name::new`] makes it.
    pub(super) fn name(&self, text: &str) -> Name {
        Name(self.text(text))
    }

    /// Another short text of which there are a few, many times.
    pub(super) fn text(&self, text: &str) -> Arc<str> {
        let mut known = self.0.borrow_mut();
        if let Some(known) = known.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = Arc::from(text);
        known.insert(Arc::clone(&text));
        text
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl Eq for Name {}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        // Names of one schema begin alike, mostly in the same case.
        for (own, other) in self.0.bytes().zip(other.0.bytes()) {
            if own != other {
                let order = own.to_ascii_lowercase().cmp(&other.to_ascii_lowercase());
                if order.is_ne() {
                    return order;
                }
            }
        }
        self.0.len().cmp(&other.0.len())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_their_lower_case_letters() {
        let texts = [
            "", "a", "A", "a1", "A_", "a[", "aB", "Ab", "AC", "b", "Z", "_", "`", "é", "É",
            "users_10", "Users_2", "users_1",
        ];
        for (one, other) in texts
            .iter()
            .flat_map(|one| texts.map(|other| (*one, other)))
        {
            let order = one.to_ascii_lowercase().cmp(&other.to_ascii_lowercase());
            let (own, others) = (Name::new(one), Name::new(other));
            assert_eq!(own.cmp(&others), order, "{one} {other}");
            assert_eq!(own == others, order.is_eq(), "{one} {other}");
        }
    }
}
