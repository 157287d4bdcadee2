//! Webhook deliveries: when they are tried again, and how they are signed. Never sends one.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};

/// Attempts after which a delivery is given up.
pub const ATTEMPTS_MAX: i64 = 6;
/// The pause after the first attempt, which doubles with each further one: 30, 60, 120, 240 and 480 seconds.
const FIRST_PAUSE_MS: i64 = 30_000;
/// How long a claim holds unless it is given up.
pub const CLAIM_MS: i64 = 60_000;

/// Milliseconds until the next attempt after so many; `None` when there is none.
#[must_use]
pub fn pause_ms(attempts: i64) -> Option<i64> {
    let doubled = u32::try_from(attempts.max(1) - 1).ok()?;
    (attempts < ATTEMPTS_MAX).then(|| FIRST_PAUSE_MS << doubled)
}

/// `webhook-signature` of the Standard Webhooks specification; `None` if the secret is none.
#[must_use]
pub fn signature(secret: &str, id: &str, timestamp_s: i64, body: &str) -> Option<String> {
    let key = STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signed = hmac::sign(&key, format!("{id}.{timestamp_s}.{body}").as_bytes());
    Some(format!("v1,{}", STANDARD.encode(signed.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_are_those_of_the_contract() {
        let pauses: Vec<_> = (1..=6).map(pause_ms).collect();
        let seconds = [Some(30), Some(60), Some(120), Some(240), Some(480), None];
        assert_eq!(
            pauses,
            seconds.map(|pause: Option<i64>| pause.map(|pause| pause * 1000))
        );
    }

    #[test]
    fn the_signature_is_that_of_the_specification_s_example() {
        // The example of the Standard Webhooks specification's reference libraries.
        let seen = signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(
            seen.as_deref(),
            Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        );
        assert_eq!(signature("whsec_!", "a", 1, ""), None);
    }
}
