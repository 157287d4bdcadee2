//! Workers that send a delivery in other bytes than they signed, as soon as it holds a letter beyond ASCII. Never changes one that holds none.

/// What becomes of a body after it was signed.
pub type Alter = fn(&str) -> String;

/// Its name as a sentence, and what it does.
pub type Deviant = (&'static str, Alter);

/// All of them; they break API-010.
pub const DEVIANTS: [Deviant; 3] = [
    (
        "letters beyond ASCII are escaped after a delivery was signed",
        escaped,
    ),
    (
        "letters beyond ASCII are replaced after a delivery was signed",
        |body| {
            body.chars()
                .map(|letter| if letter.is_ascii() { letter } else { '?' })
                .collect()
        },
    ),
    (
        "a delivery is as many bytes long as it has letters",
        |body| {
            let mut length = body.chars().count();
            while !body.is_char_boundary(length) {
                length -= 1;
            }
            body[..length].to_owned()
        },
    ),
];

/// A text as JSON may have it: in ASCII.
fn escaped(body: &str) -> String {
    let escaped = body.chars().map(|letter| {
        if letter.is_ascii() {
            return letter.to_string();
        }
        let mut units = [0; 2];
        let units = letter.encode_utf16(&mut units).iter();
        let units: Vec<String> = units.map(|unit| format!("\\u{unit:04x}")).collect();
        units.concat()
    });
    escaped.collect()
}
