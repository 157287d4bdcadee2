//! The nearest of the words that exist to one that does not: one rule for every message. Never accepts one word in another's place.

/// How alike two words must be to be offered, from 0 to 1. Evidence: what clap demands of options and verbs, so that all messages are alike.
const LIKENESS_MIN: f64 = 0.7;

/// The likeness of words that one slip sets apart: a letter more, less, other, or two exchanged.
const ONE_SLIP: f64 = 0.9;

/// The word that was most likely meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|one| (likeness(&word, &one.to_lowercase()), one))
        .filter(|(likeness, _)| *likeness > LIKENESS_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, one)| one)
}

/// How alike two words are. Of short ones a single slip leaves too little in common to be alike by their letters' places.
fn likeness(word: &str, known: &str) -> f64 {
    let slip = strsim::osa_distance(word, known) == 1;
    let alike = strsim::jaro(word, known);
    if slip { alike.max(ONE_SLIP) } else { alike }
}

/// The same, to be put behind the message that a word is not there: empty if nothing is near.
pub fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    told(nearest(word, known))
}

/// A suggestion as messages have it.
#[must_use]
pub fn told(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!(", did you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_gets_the_nearest_and_a_strange_one_gets_none() {
        let known = ["json", "junit", "markdown"];
        assert_eq!(nearest("jsno", known), Some("json"));
        assert_eq!(nearest("Junti", known), Some("junit"));
        assert_eq!(nearest("xyz", known), None);
        assert_eq!(nearest("RSE", ["ACC", "RES"]), Some("RES"));
        assert_eq!(hint("marcdown", known), ", did you mean `markdown`?");
        assert_eq!(hint("xyz", known), "");
    }
}
