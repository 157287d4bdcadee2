//! What a chat costs, exactly. Never uses floating point.

/// Tokens that a price is stated for.
const TOKENS_PER_PRICE: u128 = 1_000_000;
/// Counts above this one count as not told (the contract's bound).
pub const TOKENS_MAX: i64 = 1_000_000_000;
/// Largest price, in micro-units per million tokens.
pub const PRICE_MAX: i64 = 1_000_000_000_000;

/// Micro-units for tokens at prices in micro-units per million tokens: computed exactly, rounded once, half up.
#[must_use]
pub fn cost_micros(input: (u32, u64), output: (u32, u64)) -> i64 {
    let exact = |(tokens, price): (u32, u64)| u128::from(tokens) * u128::from(price);
    let sum = exact(input) + exact(output);
    let rounded = (sum + TOKENS_PER_PRICE / 2) / TOKENS_PER_PRICE;
    // Two counts and prices within their bounds give 2 × 10^15 at most.
    i64::try_from(rounded).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_a_micro_unit_is_rounded_up_and_the_sum_is_rounded_once() {
        assert_eq!(cost_micros((1, 500_000), (0, 0)), 1);
        assert_eq!(cost_micros((1, 499_999), (0, 0)), 0);
        // Each part alone would be rounded down to nothing.
        assert_eq!(cost_micros((1, 300_000), (1, 300_000)), 1);
        assert_eq!(cost_micros((12, 5_000_000), (9, 15_000_000)), 195);
    }

    proptest! {
        #[test]
        fn the_cost_is_the_nearest_whole_number(tokens in 0_u32..=1_000_000_000, price in 0_u64..=1_000_000_000_000, more in 0_u32..1000) {
            let cost = i128::from(cost_micros((tokens, price), (more, 7)));
            let exact = i128::from(tokens) * i128::from(price) + i128::from(more) * 7;
            let difference = cost * 1_000_000 - exact;
            prop_assert!((-500_000 < difference) && (difference <= 500_000));
        }
    }
}
