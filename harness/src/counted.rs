//! Counts with their nouns in the right number: `1 scenario`, `2 criteria`. Never counts anything itself.

/// A count and its noun, which is given for one.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    match (count, noun) {
        (1, one) => format!("1 {one}"),
        (count, "criterion") => format!("{count} criteria"),
        (count, "look at stores") => format!("{count} looks at stores"),
        (count, one) => format!("{count} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural_and_nought_is_one() {
        assert_eq!(counted(1, "assertion"), "1 assertion");
        assert_eq!(counted(0, "assertion"), "0 assertions");
        assert_eq!(counted(2, "criterion"), "2 criteria");
    }
}
