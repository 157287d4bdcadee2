//! What tokens cost: exact, in micro-units, rounded once, half up. Never uses a fraction in floating point.

/// Tokens that a price is for.
const TOKENS_OF_A_PRICE: u128 = 1_000_000;

/// A price: micro-units for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Price {
    pub(crate) input: u64,
    pub(crate) output: u64,
}

/// What a chat costs, in micro-units.
pub(crate) fn cost(price: Price, tokens_in: u64, tokens_out: u64) -> u128 {
    let exact = u128::from(tokens_in) * u128::from(price.input)
        + u128::from(tokens_out) * u128::from(price.output);
    (exact + TOKENS_OF_A_PRICE / 2) / TOKENS_OF_A_PRICE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_is_rounded_up_and_what_is_less_down() {
        let price = |input, output| Price { input, output };
        assert_eq!(cost(price(500_000, 0), 1, 9), 1);
        assert_eq!(cost(price(499_999, 0), 1, 9), 0);
        // Two halves that are rounded together, not each.
        assert_eq!(cost(price(500_000, 500_000), 1, 1), 1);
        assert_eq!(cost(price(1, 1), 500_000, 0), 1);
        assert_eq!(cost(price(150_000, 600_000), 1_000, 500), 450);
    }

    #[test]
    fn what_floating_point_cannot_hold_is_exact() {
        let price = Price {
            input: 1_000_000_000_000,
            output: 0,
        };
        assert_eq!(cost(price, 9_007_199_255, 0), 9_007_199_255_000_000);
        assert_eq!(
            cost(
                Price {
                    input: 999_999_999_999,
                    output: 1
                },
                9_007_199,
                500_001
            ),
            9_007_198_999_991
        );
    }
}
