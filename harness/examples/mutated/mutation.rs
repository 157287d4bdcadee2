//! How a file is damaged: bytes flipped, cut and spliced, lines doubled and dropped, numbers made huge, nesting made deep. Never makes what the seed does not say.

use fastrand::Rng;

/// The most changes of one file.
const CHANGES_MAX: usize = 4;
/// So deep nothing is nested that somebody wrote.
const DEPTHS: [usize; 4] = [10, 200, 5_000, 100_000];
const NUMBERS: [&str; 12] = [
    "-1",
    "0",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "99999999999999999999999999999999999999",
    "1e999",
    "-0.0",
    "NaN",
    "4294967296",
    "0x7fffffffffffffff",
    "1_000_000_000_000",
];
const PIECES: [&str; 16] = [
    "\0",
    "\u{feff}",
    "\u{202e}",
    "\u{1f600}",
    "\r\n",
    "\"",
    "'",
    "${HOME",
    "${",
    "{{",
    "/*",
    "--",
    "*",
    "[[",
    "=",
    "\u{1b}[31m",
];
const NESTINGS: [&str; 6] = ["[", "{\"a\":", "(", "{a=", "a.", "(SELECT "];

/// One of the samples, damaged.
pub(crate) fn damaged(samples: &[Vec<u8>], drawn: &mut Rng) -> Vec<u8> {
    let mut bytes = samples[drawn.usize(..samples.len())].clone();
    for _ in 0..drawn.usize(1..=CHANGES_MAX) {
        change(&mut bytes, samples, drawn);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, samples: &[Vec<u8>], drawn: &mut Rng) {
    match drawn.u8(..11) {
        0 => flip(bytes, drawn),
        1 => bytes.truncate(drawn.usize(..=bytes.len())),
        2 => {
            let cut = piece(bytes, drawn);
            bytes.drain(cut);
        }
        3 => {
            let other = &samples[drawn.usize(..samples.len())];
            let spliced = other[piece(other, drawn)].to_vec();
            put(bytes, &spliced, drawn);
        }
        4 => double_a_line(bytes, drawn),
        5 => drop_a_line(bytes, drawn),
        6 | 7 => enlarge_a_number(bytes, drawn),
        8 => {
            let nesting = NESTINGS[drawn.usize(..NESTINGS.len())];
            let deep = nesting.repeat(DEPTHS[drawn.usize(..DEPTHS.len())]);
            put(bytes, deep.as_bytes(), drawn);
        }
        9 => put(bytes, PIECES[drawn.usize(..PIECES.len())].as_bytes(), drawn),
        _ => empty_a_text(bytes, drawn),
    }
}

fn flip(bytes: &mut [u8], drawn: &mut Rng) {
    if !bytes.is_empty() {
        let place = drawn.usize(..bytes.len());
        bytes[place] ^= 1 << drawn.u8(..8);
    }
}

/// Some piece: mostly a short one.
fn piece(bytes: &[u8], drawn: &mut Rng) -> std::ops::Range<usize> {
    let from = drawn.usize(..=bytes.len());
    let len_max = if drawn.bool() { 64 } else { bytes.len() };
    from..bytes.len().min(from + drawn.usize(..=len_max))
}

fn put(bytes: &mut Vec<u8>, more: &[u8], drawn: &mut Rng) {
    let place = drawn.usize(..=bytes.len());
    bytes.splice(place..place, more.iter().copied());
}

/// Where some line begins and where it ends, its break included.
fn a_line(bytes: &[u8], drawn: &mut Rng) -> std::ops::Range<usize> {
    let at = drawn.usize(..=bytes.len());
    let from = bytes[..at].iter().rposition(|byte| *byte == b'\n');
    let to = bytes[at..].iter().position(|byte| *byte == b'\n');
    from.map_or(0, |place| place + 1)..to.map_or(bytes.len(), |place| at + place + 1)
}

fn double_a_line(bytes: &mut Vec<u8>, drawn: &mut Rng) {
    let line = a_line(bytes, drawn);
    let (place, copy) = (line.end, bytes[line].to_vec());
    bytes.splice(place..place, copy);
}

fn drop_a_line(bytes: &mut Vec<u8>, drawn: &mut Rng) {
    let line = a_line(bytes, drawn);
    bytes.drain(line);
}

fn enlarge_a_number(bytes: &mut Vec<u8>, drawn: &mut Rng) {
    let start = drawn.usize(..=bytes.len());
    let Some(from) = bytes[start..].iter().position(u8::is_ascii_digit) else {
        return;
    };
    let from = start + from;
    let digits = bytes[from..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let to = from + digits.count();
    bytes.splice(from..to, NUMBERS[drawn.usize(..NUMBERS.len())].bytes());
}

fn empty_a_text(bytes: &mut Vec<u8>, drawn: &mut Rng) {
    let start = drawn.usize(..=bytes.len());
    let quote = |from: usize| {
        let found = bytes[from..].iter().position(|byte| *byte == b'"');
        found.map(|place| from + place)
    };
    if let Some(from) = quote(start)
        && let Some(to) = quote(from + 1)
    {
        bytes.drain(from + 1..to);
    }
}
