//! Who a percentage rollout turns on. Never looks at a flag's other values.

use aws_lc_rs::digest::{SHA256, digest};

/// The bucket of a user, 0 to 99: the first eight bytes of SHA-256 of `<flag>:<user>`, big-endian, modulo 100.
pub(crate) fn bucket(flag: &str, user: &str) -> u64 {
    let hash = digest(&SHA256, format!("{flag}:{user}").as_bytes());
    let first = hash.as_ref().iter().take(8);
    first.fold(0_u64, |value, byte| (value << 8) | u64::from(*byte)) % 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_that_of_the_first_eight_bytes() {
        // By `printf 'beta:alice' | sha256sum | cut -c1-16`, read as a number, modulo 100.
        assert_eq!(bucket("beta", "alice"), VECTORS[0]);
        assert_eq!(bucket("beta", "bob"), VECTORS[1]);
    }

    const VECTORS: [u64; 2] = [33, 11];
}
