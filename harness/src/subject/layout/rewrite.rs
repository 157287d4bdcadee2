//! The words of a statement, so that names in it can be replaced. Never touches what stands in quotes.

/// A statement in parts: names, and what is between them.
pub(super) struct Words {
    parts: Vec<(bool, String)>,
}

impl Words {
    /// Takes a statement apart.
    pub(super) fn of(sql: &str) -> Self {
        let mut parts: Vec<(bool, String)> = Vec::new();
        let mut quote: Option<char> = None;
        for letter in sql.chars() {
            let is_of_name = quote.is_none() && (letter.is_ascii_alphanumeric() || letter == '_');
            match parts.last_mut() {
                Some((is_name, text)) if *is_name == is_of_name => text.push(letter),
                Some(_) | None => parts.push((is_of_name, letter.to_string())),
            }
            quote = match quote {
                Some(open) if open == letter => None,
                None if letter == '\'' => Some(letter),
                other => other,
            };
        }
        Self { parts }
    }

    /// Whether a name stands in it.
    pub(super) fn name(&self, name: &str) -> bool {
        self.parts
            .iter()
            .any(|(is_name, text)| *is_name && text == name)
    }

    /// Puts another name in a name's place. The new one is left alone by what is renamed later.
    pub(super) fn rename(&mut self, name: &str, to: &str) {
        for (is_name, text) in &mut self.parts {
            if *is_name && text == name {
                *text = format!("\"{to}\"");
                *is_name = false;
            }
        }
    }

    /// The statement again.
    pub(super) fn text(&self) -> String {
        self.parts.iter().map(|(_, text)| text.as_str()).collect()
    }
}
