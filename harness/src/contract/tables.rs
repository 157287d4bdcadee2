//! Tables of features: a row has as many cells as its first. Never reads what stands in one.

/// Around texts in which a row of a table is none.
const BLOCKS: [&str; 2] = ["\"\"\"", "```"];

/// The line of the first row of a feature's text that has more or fewer cells than the row at the top of its table, and what is wrong with
/// it: the parser drops a cell too many without a word.
pub(super) fn even(text: &str) -> Result<(), (usize, String)> {
    let (mut block, mut wanted) = (None, None);
    for (number, line) in text.lines().map(str::trim).enumerate() {
        if let Some(mark) = block {
            block = Some(mark).filter(|mark| !line.starts_with(*mark));
            continue;
        }
        block = BLOCKS.into_iter().find(|mark| line.starts_with(mark));
        if line.starts_with('|') {
            let (here, first) = (cells(line), *wanted.get_or_insert(cells(line)));
            if here != first {
                return Err((
                    number + 1,
                    format!(
                        "this row of a table has {here} cells, and its first row has {first}: give each row as many"
                    ),
                ));
            }
        } else if !line.is_empty() && !line.starts_with('#') {
            wanted = None;
        }
    }
    Ok(())
}

/// How many cells a row has; a `|` behind a backslash is part of one.
fn cells(row: &str) -> usize {
    let mut escaped = false;
    let bars = row.chars().filter(|letter| {
        let is_bar = *letter == '|' && !escaped;
        escaped = *letter == '\\' && !escaped;
        is_bar
    });
    bars.count().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_with_a_cell_too_many_or_too_few_is_refused_with_its_line() {
        let head =
            "Feature: f\n  Scenario Outline: s\n    Given a <x>\n    Examples:\n      | x | y |\n";
        assert_eq!(even(&format!("{head}      | a\\|b | 2 |\n")), Ok(()));
        let (line, why) = even(&format!("{head}\n      | 1 | 2 | 3 |\n")).unwrap_err();
        assert!(line == 7 && why.contains("3 cells"), "{line}: {why}");
        assert!(even(&format!("{head}      | 1 |\n")).is_err());
    }

    #[test]
    fn another_table_and_a_text_are_no_rows_of_it() {
        let two = "| a | b |\nWhen so\n| c |\n\"\"\"\n| d | e | f |\n| g |\n\"\"\"\n| h | i |\n";
        assert_eq!(even(two), Ok(()));
    }
}
