//! Texts that match a `LIKE` or `GLOB` pattern. Never checks that they do: the database will.

/// The characters of a bracket expression without its brackets: `0-9a-f_`.
pub(super) fn set(text: &str) -> Vec<char> {
    let letters: Vec<char> = text.chars().collect();
    let mut set = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        if let [first, '-', last, ..] = letters[at..] {
            set.extend(first..=last);
            at += 3;
        } else {
            set.push(letters[at]);
            at += 1;
        }
    }
    set
}

/// One place of a pattern.
enum Piece {
    /// Any number of any characters.
    Any,
    /// One of these.
    OneOf(Vec<char>),
}

/// A text that matches a `LIKE` pattern; the number makes it differ from others, `filler` stands where anything may.
pub(super) fn like(pattern: &str, number: usize, filler: &str, length: Option<usize>) -> String {
    let pieces = pattern.chars().map(|letter| match letter {
        '%' => Piece::Any,
        '_' => Piece::OneOf(('a'..='z').collect()),
        other => Piece::OneOf(vec![other]),
    });
    text(&pieces.collect::<Vec<_>>(), number, filler, length)
}

/// A text that matches a `GLOB` pattern.
pub(super) fn glob(pattern: &str, number: usize, filler: &str, length: Option<usize>) -> String {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        let behind = &rest[letter.len_utf8()..];
        rest = behind;
        match letter {
            '*' => pieces.push(Piece::Any),
            '?' => pieces.push(Piece::OneOf(('a'..='z').collect())),
            '[' => {
                // A `]` that comes first belongs to the set.
                let from = if behind.starts_with("^]") {
                    2
                } else {
                    usize::from(behind.starts_with(['^', ']']))
                };
                let Some(end) = behind[from..].find(']').map(|end| end + from) else {
                    break;
                };
                let inner = &behind[..end];
                rest = &behind[end + 1..];
                pieces.push(Piece::OneOf(match inner.strip_prefix('^') {
                    Some(not) => {
                        let not = set(not);
                        ('0'..='~').filter(|letter| !not.contains(letter)).collect()
                    }
                    None => set(inner),
                }));
            }
            other => pieces.push(Piece::OneOf(vec![other])),
        }
    }
    text(&pieces, number, filler, length)
}

/// Fills the pieces. The choices within sets count like digits, the last one first, so that different numbers give different texts.
fn text(pieces: &[Piece], number: usize, filler: &str, length: Option<usize>) -> String {
    let fixed = pieces
        .iter()
        .filter(|piece| matches!(piece, Piece::OneOf(_)))
        .count();
    let open = pieces.len() - fixed;
    let mut rest = number;
    let mut places: Vec<String> = pieces
        .iter()
        .rev()
        .map(|piece| match piece {
            Piece::Any => String::new(),
            Piece::OneOf(set) if set.is_empty() => String::new(),
            Piece::OneOf(set) => {
                let letter = set[rest % set.len()];
                rest /= set.len();
                letter.to_string()
            }
        })
        .collect();
    places.reverse();
    if open > 0 {
        let room = length.map(|length| length.saturating_sub(fixed));
        // The widest place is the last open one that something follows, else the last.
        let place = pieces.iter().rposition(|piece| matches!(piece, Piece::Any));
        if let Some(place) = place {
            places[place] = fitted(filler, room);
        }
    }
    places.concat()
}

/// A text cut or padded to a length, in characters: its end stays, since the number is there.
pub(super) fn fitted(text: &str, length: Option<usize>) -> String {
    let Some(length) = length else {
        return text.to_owned();
    };
    let letters: Vec<char> = text.chars().collect();
    if letters.len() >= length {
        return letters[letters.len() - length..].iter().collect();
    }
    let mut padded = "x".repeat(length - letters.len());
    padded.extend(letters);
    padded
}
