//! Whether to colour, and how wide to write: the option, then the environment, then what standard output is. Never writes anything.

use super::Colour;
use std::ffi::OsString;
use std::io::IsTerminal as _;

/// Narrower than this, and wrapping makes a text harder to read than the terminal's own. Evidence: ids, levels and indentation take 28.
const WIDTH_MIN: usize = 40;

/// What is known of colour before the command line has been read: its errors and its help have colours too.
pub(super) fn before(args: &[OsString]) {
    let mut args = args.iter().filter_map(|argument| argument.to_str());
    let mut given = None;
    while let Some(argument) = args.next() {
        match argument.split_once('=') {
            Some(("--color", word)) => given = Some(word),
            _ if argument == "--color" => given = args.next(),
            _ => {}
        }
    }
    let given = given.and_then(|word| <Colour as clap::ValueEnum>::from_str(word, true).ok());
    choose(given.unwrap_or(Colour::Auto));
}

/// Sets it for everything that is printed from here on.
///
/// `NO_COLOR`, `CLICOLOR` and `CLICOLOR_FORCE` are heeded where it is written (anstream); `FORCE_COLOR` is heeded here.
pub(super) fn choose(colour: Colour) {
    match colour {
        Colour::Always => anstream::ColorChoice::Always.write_global(),
        Colour::Never => anstream::ColorChoice::Never.write_global(),
        Colour::Auto => {
            let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            let forced = std::env::var_os("FORCE_COLOR").filter(|value| !value.is_empty());
            match forced {
                // Who wants none is heard first, as everywhere.
                _ if is_set("NO_COLOR") => {}
                Some(value) if value == "0" || value == "false" => {
                    anstream::ColorChoice::Never.write_global();
                }
                Some(_) => anstream::ColorChoice::Always.write_global(),
                None => {}
            }
        }
    }
}

/// Columns to write text for people in: `COLUMNS`, else those of the terminal; `None` where a program reads, which gets whole lines.
pub(super) fn width() -> Option<usize> {
    let given = std::env::var_os("COLUMNS").and_then(|text| text.to_str()?.parse::<usize>().ok());
    let of_terminal = || {
        let (width, _) = terminal_size::terminal_size()?;
        std::io::stdout()
            .is_terminal()
            .then_some(usize::from(width.0))
    };
    given
        .or_else(of_terminal)
        .filter(|width| *width >= WIDTH_MIN)
}

/// A line that begins with `head`, with what does not fit below it, as far in as the head reaches.
pub(super) fn hung(head: &str, text: &str, width: Option<usize>) -> String {
    let Some(width) = width else {
        return format!("{head}{text}");
    };
    let reach = textwrap::core::display_width(head);
    // A head that takes more than half of the line leaves no column below it.
    let below = " ".repeat(if reach * 2 > width { 4 } else { reach });
    let options = textwrap::Options::new(width)
        .initial_indent(head)
        .subsequent_indent(&below)
        // A header's name is one word, hyphens and all.
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::fill(text, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_hangs_below_its_beginning_and_nothing_is_broken_without_a_width() {
        let text = "one two three four";
        assert_eq!(hung("ID  ", text, Some(40)), "ID  one two three four");
        assert_eq!(hung("ID  ", text, Some(14)), "ID  one two\n    three four");
        assert_eq!(hung("ID  ", text, None), "ID  one two three four");
    }
}
